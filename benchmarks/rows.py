"""The rows of the comparison: what is timed, on how many sequences, behind how long a context."""

from dataclasses import dataclass

from benchmarks.peers.setting import Setting

LLAMA_CPP, IK = "llama.cpp", "ik_llama.cpp"

_FLASH = (Setting(False), Setting(True))
_LLAMA_AT_DEPTH = (*_FLASH, Setting(True, "q8_0"))
_LLAMA_TOGETHER = (*_FLASH, Setting(True, unified=True))
_IK = (Setting(repack=True), Setting())
_IK_TOGETHER = (Setting(repack=True), Setting(False, repack=True))
_IK_AT_DEPTH = (Setting(repack=True), Setting(True, "q8_0", repack=True), Setting(True, "q8_0"))


@dataclass(frozen=True)
class Row:
    """One measurement. Prefill: tokens a second of one prompt. Decode: of ``steps`` steps after the prompts."""

    key: str  # its name on the command line and on disk
    title: str
    prompt: int = 8  # tokens of each sequence's own
    steps: int = 0  # 0: prefill
    sequences: int = 1
    depth: int = 0  # tokens before the prompt
    rounds: int = 5  # at most
    busy: bool = False  # while another process keeps one core busy
    isa: str | None = None  # instruction set that everyone is held to
    rewrite: str | None = None  # decode the answer to a request about a given text, by the name of `texts.requests`
    plotted_only: bool = False

    def settings(self, peer: str) -> tuple[Setting, ...]:
        """What a peer tries in the first round, to go on with the best."""
        if self.sequences > 1:
            return _IK_TOGETHER if peer == IK else _LLAMA_TOGETHER
        if peer == IK:
            return _IK_AT_DEPTH if self.depth or self.prompt > 4096 else _IK
        return _LLAMA_AT_DEPTH if self.depth or self.prompt > 4096 else _FLASH


ROWS = (
    Row("prefill-512", "prefill of 512 tokens", prompt=512),
    Row("prefill-8192", "prefill of 8,192 tokens", prompt=8192, rounds=1),
    Row("decode-0", "decode, nothing before", steps=64),
    Row("decode-4096", "decode after 4,096 tokens", steps=48, depth=4096),
    Row("decode-16384", "decode after 16,384 tokens", steps=24, depth=16_384, rounds=3),
    Row("decode-32000", "decode after 32,000 tokens", steps=16, depth=32_000, rounds=3),
    Row("together-2", "2 sequences decoding together", prompt=64, steps=32, sequences=2, rounds=1, plotted_only=True),
    Row("together-4", "4 sequences decoding together", prompt=64, steps=32, sequences=4, rounds=1, plotted_only=True),
    Row("together-8", "8 sequences decoding together", prompt=64, steps=32, sequences=8, rounds=3),
    Row(
        "together-16", "16 sequences decoding together", prompt=64, steps=16, sequences=16, rounds=1, plotted_only=True
    ),
    Row("edit", "edit a given text", rewrite="edit", steps=320, rounds=3),
    Row("summarise", "summarise a given text", rewrite="summarise", steps=160, rounds=3),
    Row("busy", "decode, one core kept busy by another process", steps=24, busy=True, rounds=3),
    Row("avx2-prefill-512", "prefill of 512 tokens, AVX2", prompt=512, isa="avx2", rounds=3),
    Row("avx2-decode-0", "decode, nothing before, AVX2", steps=48, isa="avx2", rounds=3),
    Row("avx2-decode-4096", "decode after 4,096 tokens, AVX2", steps=32, depth=4096, isa="avx2", rounds=3),
    Row(
        "avx2-together-8", "8 sequences decoding together, AVX2", prompt=64, steps=24, sequences=8, isa="avx2", rounds=3
    ),
)
LARGE_ROWS = ("prefill-512", "decode-0", "together-8")  # of the synthetic 7B
QUICK_ROWS = ("prefill-512", "decode-0", "decode-4096", "together-8", "edit")
