"""ik_llama.cpp, the fork with the fastest kernels for CPUs, through ctypes: of the pip package or built from source."""

import ctypes
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers.c_structs import struct_from_header
from benchmarks.peers.library import KV_DTYPES, MICROBATCH
from benchmarks.peers.setting import Setting

_CONTEXT = ctypes.c_void_p
_SEQUENCE = ctypes.c_int32
_FLAGS = ctypes.c_uint32
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {  # of functions without structures: result and arguments
    "llama_model_get_vocab": (ctypes.c_void_p, [ctypes.c_void_p]),
    "llama_vocab_n_tokens": (ctypes.c_int32, [ctypes.c_void_p]),
    "llama_print_system_info": (ctypes.c_char_p, []),
    "llama_log_set": (None, [ctypes.c_void_p, ctypes.c_void_p]),
    "llama_free": (None, [_CONTEXT]),
    "llama_get_logits": (ctypes.POINTER(ctypes.c_float), [_CONTEXT]),
    "llama_kv_cache_clear": (None, [_CONTEXT]),
    "llama_kv_cache_seq_rm": (ctypes.c_bool, [_CONTEXT, _SEQUENCE, ctypes.c_int32, ctypes.c_int32]),
    "llama_kv_cache_seq_cp": (None, [_CONTEXT, _SEQUENCE, _SEQUENCE, ctypes.c_int32, ctypes.c_int32]),
    "llama_kv_cache_seq_add": (None, [_CONTEXT, _SEQUENCE, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]),
    "llama_state_seq_get_size": (ctypes.c_size_t, [_CONTEXT, _SEQUENCE, _FLAGS]),
    "llama_state_seq_get_data": (ctypes.c_size_t, [_CONTEXT, ctypes.c_void_p, ctypes.c_size_t, _SEQUENCE, _FLAGS]),
    "llama_state_seq_set_data": (ctypes.c_size_t, [_CONTEXT, ctypes.c_void_p, ctypes.c_size_t, _SEQUENCE, _FLAGS]),
}
_PACKAGE = "ik-llama-cpp-python"


class IkLlamaCpp:
    """A `benchmarks.peers.library.Library`: the package's own, or that of a tree built in ``source/build``."""

    def __init__(self, source: Path | None = None) -> None:
        """Raises OSError when there is no built library."""
        if source is None:
            from ik_llama_cpp import _ctypes_api as package  # type: ignore[import-not-found]

            self._library = package._lib
            self._name = f"{_PACKAGE} {version(_PACKAGE)}"
            structs = {name: getattr(package, name) for name in ("llama_model_params", "llama_context_params")}
            structs["llama_batch"] = package.llama_batch
        else:
            ctypes.CDLL(str(source / "build" / "ggml" / "src" / "libggml.so"), ctypes.RTLD_GLOBAL)
            self._library = ctypes.CDLL(str(source / "build" / "src" / "libllama.so"))
            self._name = "its source"
            header = (source / "include" / "llama.h").read_text(encoding="utf-8")
            names = ("llama_model_params", "llama_context_params", "llama_batch")
            structs = {name: struct_from_header(header, name) for name in names}
        self._declare(structs)
        self._silence = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
        self._library.llama_log_set(self._silence, None)
        self._library.llama_backend_init()

    def describe(self) -> str:
        features = self._library.llama_print_system_info().decode().split("|")
        used = [name.strip() for name, _, on in (feature.partition("=") for feature in features) if on.strip() == "1"]
        return f"ik_llama.cpp of {self._name} ({', '.join(used)})"

    def load_model(self, path: str, repack: bool) -> Any:
        params = self._library.llama_model_default_params()
        params.repack_tensors = repack
        params.use_mmap = not repack  # as its programs do: rows are interleaved in place
        return self._library.llama_model_load_from_file(path.encode(), params)

    def vocab_size(self, model: Any) -> int:
        return int(self._library.llama_vocab_n_tokens(self._library.llama_model_get_vocab(model)))

    def new_context(self, model: Any, setting: Setting, threads: int, sequences: int, cells: int) -> Any:
        params = self._library.llama_context_default_params()
        params.n_ctx = cells
        params.n_seq_max = sequences
        params.n_batch = params.n_ubatch = MICROBATCH
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn = setting.flash_attention
        params.type_k = params.type_v = KV_DTYPES[setting.kv_dtype]
        return self._library.llama_init_from_model(model, params)

    def free_context(self, context: Any) -> None:
        self._library.llama_free(context)

    def new_batch(self, tokens: int) -> Any:
        return self._library.llama_batch_init(tokens, 0, 1)

    def decode(self, context: Any, batch: Any) -> int:
        return int(self._library.llama_decode(context, batch))

    def logits(self, context: Any) -> Any:
        return self._library.llama_get_logits(context)

    def clear(self, context: Any) -> None:
        self._library.llama_kv_cache_clear(context)

    def remove(self, context: Any, sequence: int, first: int) -> None:
        self._library.llama_kv_cache_seq_rm(context, sequence, first, -1)

    def move(self, context: Any, sequence: int, distance: int, target: int) -> None:
        self._library.llama_kv_cache_seq_add(context, sequence, 0, -1, distance)
        self._library.llama_kv_cache_seq_cp(context, sequence, target, 0, -1)
        self._library.llama_kv_cache_seq_rm(context, sequence, 0, -1)

    def save(self, context: Any, sequence: int) -> Any:
        state = (ctypes.c_uint8 * self._library.llama_state_seq_get_size(context, sequence, 0))()
        self._library.llama_state_seq_get_data(context, state, len(state), sequence, 0)
        return state

    def restore(self, context: Any, state: Any, sequence: int) -> bool:
        return bool(self._library.llama_state_seq_set_data(context, state, len(state), sequence, 0))

    def _declare(self, structs: dict[str, type[ctypes.Structure]]) -> None:
        model, context, batch = (structs[f"llama_{name}"] for name in ("model_params", "context_params", "batch"))
        signatures = _SIGNATURES | {
            "llama_model_default_params": (model, []),
            "llama_context_default_params": (context, []),
            "llama_model_load_from_file": (ctypes.c_void_p, [ctypes.c_char_p, model]),
            "llama_init_from_model": (ctypes.c_void_p, [ctypes.c_void_p, context]),
            "llama_batch_init": (batch, [ctypes.c_int32] * 3),
            "llama_decode": (ctypes.c_int32, [_CONTEXT, batch]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
