"""Structures read from a header have the compiler's own layout."""

import ctypes

import pytest

from benchmarks.peers.c_structs import struct_from_header

HEADER = """
    struct params {
        uint32_t n_ctx;   // a comment; with a semicolon
        enum kind type_k; /* another */
        bool flash;
        int  more;        // int32_t old;
        const float * split;
        some_callback abort_callback;
    };
    typedef struct batch {
        int32_t n_tokens;

        llama_seq_id ** seq_id;
        int8_t       *  logits;
    } batch;
"""


def test_fields_lie_where_a_compiler_puts_them() -> None:
    params = struct_from_header(HEADER, "params")
    offsets = {name: getattr(params, name).offset for name in ("n_ctx", "type_k", "flash", "more", "split")}
    assert offsets == {"n_ctx": 0, "type_k": 4, "flash": 8, "more": 12, "split": 16}
    assert ctypes.sizeof(params) == 32


def test_arrays_behind_pointers_can_be_written() -> None:
    batch = struct_from_header(HEADER, "batch")()
    row = (ctypes.c_int32 * 1)()
    batch.seq_id = (ctypes.POINTER(ctypes.c_int32) * 1)(ctypes.cast(row, ctypes.POINTER(ctypes.c_int32)))
    batch.seq_id[0][0] = 7
    assert row[0] == 7


def test_a_struct_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ValueError, match="no struct model"):
        struct_from_header(HEADER, "model")


def test_a_type_of_unknown_size_is_refused() -> None:
    with pytest.raises(ValueError, match="other_t"):
        struct_from_header("struct params {\n    other_t what;\n};", "params")
