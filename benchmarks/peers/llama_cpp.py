"""llama.cpp through the low-level API of ``llama-cpp-python``."""

import ctypes
from typing import Any

import llama_cpp  # type: ignore[import-not-found]

from benchmarks.peers.library import KV_DTYPES, MICROBATCH
from benchmarks.peers.setting import Setting


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _silence(level: int, text: bytes, data: object) -> None:
    pass


class LlamaCpp:
    """The `benchmarks.peers.library.Library` of the package's own build."""

    def __init__(self) -> None:
        llama_cpp.llama_log_set(_silence, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()

    def describe(self) -> str:
        features = llama_cpp.llama_print_system_info().decode().partition(":")[2].split("|")
        used = [name.strip() for name, _, on in (feature.partition("=") for feature in features) if on.strip() == "1"]
        return f"llama.cpp of llama-cpp-python {llama_cpp.__version__} ({', '.join(used)})"

    def load_model(self, path: str, repack: bool) -> Any:
        return llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())

    def vocab_size(self, model: Any) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)))

    def new_context(self, model: Any, setting: Setting, threads: int, sequences: int, cells: int) -> Any:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_seq_max = sequences
        params.n_batch = params.n_ubatch = MICROBATCH
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = int(setting.flash_attention)
        params.type_k = params.type_v = KV_DTYPES[setting.kv_dtype]
        params.kv_unified = setting.unified
        return llama_cpp.llama_init_from_model(model, params)

    def free_context(self, context: Any) -> None:
        llama_cpp.llama_free(context)

    def new_batch(self, tokens: int) -> Any:
        return llama_cpp.llama_batch_init(tokens, 0, 1)

    def decode(self, context: Any, batch: Any) -> int:
        return int(llama_cpp.llama_decode(context, batch))

    def logits(self, context: Any) -> Any:
        return llama_cpp.llama_get_logits(context)

    def clear(self, context: Any) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), False)

    def remove(self, context: Any, sequence: int, first: int) -> None:
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(context), sequence, first, -1)

    def move(self, context: Any, sequence: int, distance: int, target: int) -> None:
        memory = llama_cpp.llama_get_memory(context)
        llama_cpp.llama_memory_seq_add(memory, sequence, 0, -1, distance)
        llama_cpp.llama_memory_seq_cp(memory, sequence, target, 0, -1)
        llama_cpp.llama_memory_seq_rm(memory, sequence, 0, -1)

    def save(self, context: Any, sequence: int) -> Any:
        state = (ctypes.c_uint8 * llama_cpp.llama_state_seq_get_size(context, sequence))()
        llama_cpp.llama_state_seq_get_data(context, state, len(state), sequence)
        return state

    def restore(self, context: Any, state: Any, sequence: int) -> bool:
        return bool(llama_cpp.llama_state_seq_set_data(context, state, len(state), sequence))
