"""Hugging Face as a `Source` (API: huggingface.co/docs/hub/api, ``/api/models/{repo}?blobs=true``)."""

import os
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from sevenb.model.download import PartialFile, SourceUnavailable, fetch_http, fetch_json
from sevenb.model.origins import HuggingFaceRepo, ModelFile, choose_files


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
        stored = [
            ModelFile(entry["rfilename"], entry["lfs"]["size"], entry["lfs"]["sha256"])
            for entry in listing.get("siblings", ())
            if entry.get("lfs")
        ]
        return match_files(known, stored, self.origin.select, self.origin.repo)

    def fetch(self, file: ModelFile, partial: PartialFile) -> None:
        """Append the rest of ``file`` over HTTP."""
        fetch_http(f"{_endpoint()}/{self.origin.repo}/resolve/main/{quote(file.name)}", partial, _token_header())


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
    """The ``stored`` files that the catalog's ``known`` ones or ``select`` mean; known hashes win over stated ones."""
    if known:
        by_name = {file.name: file for file in stored}
        if missing := [file.name for file in known if file.name not in by_name]:
            raise SourceUnavailable(f"{repo} has no file {missing[0]} with a SHA-256")
        return tuple(replace(by_name[file.name], sha256=file.sha256 or by_name[file.name].sha256) for file in known)
    if chosen := choose_files(stored, select):
        return chosen
    if names := sorted(file.name for file in stored if file.name.endswith(".gguf")):
        raise SourceUnavailable(f"{repo} has no GGUF file for {select!r}; it has {', '.join(names[:8])}")
    raise SourceUnavailable(f"{repo} holds no GGUF file; look for the model's repository whose name ends in -GGUF")
