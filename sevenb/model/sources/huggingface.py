"""Hugging Face as a `Source` (API: huggingface.co/docs/hub/api, ``/api/models/{repo}?blobs=true``)."""

import os
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from sevenb.model.download import PartialFile, SourceUnavailable, fetch_http, fetch_json
from sevenb.model.origins import HuggingFaceRepo, ModelFile, choose_files, choose_folder


@dataclass(frozen=True)
class HuggingFace:
    """Files of one repository. ``HF_ENDPOINT``, ``HF_TOKEN`` and a saved login count, as everywhere on this hub."""

    origin: HuggingFaceRepo
    label: str = "Hugging Face"
    scratch_bytes: int = 0

    def files(self) -> tuple[ModelFile, ...]:
        """The files meant, with the SHA-256 that the catalog or else the hub states."""
        known = self.origin.files
        if known and all(file.sha256 and file.size for file in known):
            return known
        listing = fetch_json(f"{_endpoint()}/api/models/{self.origin.repo}?blobs=true", _token_header())
        return match_files(known, _listed(listing), self.origin.select, self.origin.repo)

    def fetch(self, file: ModelFile, partial: PartialFile) -> None:
        """Append the rest of ``file`` over HTTP."""
        fetch_http(f"{_endpoint()}/{self.origin.repo}/resolve/main/{quote(file.name)}", partial, _token_header())


def _listed(listing: Any) -> list[ModelFile]:
    """The files of a repository: large ones with their SHA-256, small ones with what Git calls them."""
    files = []
    try:
        for entry in listing.get("siblings", ()):
            name, lfs = str(entry["rfilename"]), entry.get("lfs")
            if lfs:
                files.append(ModelFile(name, int(lfs["size"]), str(lfs["sha256"])))
            elif entry.get("size") is not None and re.fullmatch(r"[0-9a-f]{40}", str(entry.get("blobId"))):
                files.append(ModelFile(name, int(entry["size"]), git_id=entry["blobId"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceUnavailable("lists its files in a form that is not known") from error
    return files


def repository_config(repo: str) -> Any:
    """The ``config.json`` of a repository, which says what shape its model has. Raises `SourceUnavailable`."""
    return fetch_json(f"{_endpoint()}/{repo}/resolve/main/config.json", _token_header())


def _token_header() -> dict[str, str]:
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def match_files(
    known: tuple[ModelFile, ...], stored: list[ModelFile], select: str | None, repo: str
) -> tuple[ModelFile, ...]:
    """The ``stored`` files that the catalog's ``known`` ones or ``select`` mean; known hashes win over stated ones.

    GGUF files go first, then the files of a model folder.
    """
    if known:
        by_name = {file.name: file for file in stored if file.sha256}
        if missing := [file.name for file in known if file.name not in by_name]:
            raise SourceUnavailable(f"{repo} has no file {missing[0]} with a SHA-256")
        return tuple(replace(by_name[file.name], sha256=file.sha256 or by_name[file.name].sha256) for file in known)
    if chosen := choose_files(stored, select):
        return chosen
    if names := sorted(file.name for file in stored if file.name.endswith(".gguf")):
        raise SourceUnavailable(f"{repo} has no GGUF file for {select!r}; it has {', '.join(names[:8])}")
    if select is not None:
        raise SourceUnavailable(f"{repo} has no GGUF files; name it without {select!r} for what it holds")
    if folder := choose_folder(stored):
        return folder
    if any(file.name.endswith((".bin", ".pt", ".pth")) for file in stored):
        raise SourceUnavailable(
            f"{repo} holds its weights in PyTorch's format, which may run code when it is read; look for a repository "
            "with safetensors or GGUF files"
        )
    raise SourceUnavailable(
        f"{repo} holds neither a GGUF file nor safetensors with a config.json; look for another repository of the model"
    )
