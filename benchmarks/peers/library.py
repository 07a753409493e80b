"""What both peers' C libraries can do, under one set of names: llama.cpp's API and that of its fork have parted."""

from typing import Any, Protocol

from benchmarks.peers.setting import Setting

KV_DTYPES = {"f16": 1, "q8_0": 8}  # numbers of enum ggml_type
MICROBATCH = 512  # tokens computed at once: both peers' default


class Library(Protocol):
    """Handles are the library's own pointers."""

    def describe(self) -> str:
        """Version and instruction sets, for people."""
        ...

    def load_model(self, path: str, repack: bool) -> Any:
        """None when the library cannot load it."""
        ...

    def vocab_size(self, model: Any) -> int:
        """Tokens of the vocabulary: the length of a row of logits."""
        ...

    def new_context(self, model: Any, setting: Setting, threads: int, sequences: int, cells: int) -> Any:
        """A KV cache of ``cells`` positions for all ``sequences`` together; None when there is no room."""
        ...

    def free_context(self, context: Any) -> None:
        """End of a context."""
        ...

    def new_batch(self, tokens: int) -> Any:
        """A batch with room for ``tokens``, each of one sequence."""
        ...

    def decode(self, context: Any, batch: Any) -> int:
        """Compute a batch; not 0 when it failed."""
        ...

    def logits(self, context: Any) -> Any:
        """Pointer to the float32 rows of the last batch's outputs."""
        ...

    def clear(self, context: Any) -> None:
        """Forget every sequence."""
        ...

    def remove(self, context: Any, sequence: int, first: int) -> None:
        """Forget a sequence's positions from ``first`` on."""
        ...

    def move(self, context: Any, sequence: int, distance: int, target: int) -> None:
        """Shift all positions of a sequence, rotating its keys, and add them to the sequence ``target``."""
        ...

    def save(self, context: Any, sequence: int) -> Any:
        """The cache of a sequence, in the library's own form."""
        ...

    def restore(self, context: Any, state: Any, sequence: int) -> bool:
        """Put what `save` gave into new cells, as ``sequence``."""
        ...
