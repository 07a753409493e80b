"""How a peer is set up: what its users choose on its command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One way to run a peer; whatever is not named here stays at the peer's default."""

    flash_attention: bool = True
    kv_dtype: str = "f16"  # "f16" | "q8_0"
    repack: bool = False  # ik_llama.cpp: interleave the rows of weights while loading
    unified: bool = False  # llama.cpp: sequences share one KV cache

    def __str__(self) -> str:
        """The peer's own options, apart from defaults."""
        options = [f"-fa {int(self.flash_attention)}"]
        if self.kv_dtype != "f16":
            options.append(f"-ctk {self.kv_dtype} -ctv {self.kv_dtype}")
        if self.repack:
            options.append("-rtr 1")
        if self.unified:
            options.append("-kvu")
        return " ".join(options)
