"""ModelScope as a `Source` (API: ``/api/v1/models/{repo}/repo/files`` and ``/models/{repo}/resolve/master/{file}``)."""

import os
from dataclasses import dataclass
from urllib.parse import quote

from sevenb.model.download import PartialFile, SourceUnavailable, fetch_http, fetch_json
from sevenb.model.origins import ModelFile, ModelScopeRepo
from sevenb.model.sources.huggingface import match_files


@dataclass(frozen=True)
class ModelScope:
    """Files of one repository. ``MODELSCOPE_DOMAIN`` names another instance, as for the hub's own tools."""

    origin: ModelScopeRepo
    label: str = "ModelScope"
    scratch_bytes: int = 0

    def files(self) -> tuple[ModelFile, ...]:
        """The files meant, with the SHA-256 that the catalog or else the hub states."""
        known = self.origin.files
        if known and all(file.sha256 and file.size for file in known):
            return known
        # "Recursive" is case-sensitive: spelt otherwise the hub ignores it and lists the top folder alone.
        url = f"{_endpoint()}/api/v1/models/{self.origin.repo}/repo/files?Revision=master&Recursive=true"
        answer = fetch_json(url)
        try:
            listing = (answer.get("Data") or {}).get("Files") if answer.get("Code") == 200 else None
            if listing is None:
                raise SourceUnavailable(f"has no repository {self.origin.repo}")
            stored = [
                ModelFile(str(entry["Path"]), int(entry["Size"]), str(entry["Sha256"]))
                for entry in listing
                if entry.get("Sha256")
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceUnavailable("lists its files in a form that is not known") from error
        return match_files(known, stored, self.origin.select, self.origin.repo)

    def fetch(self, file: ModelFile, partial: PartialFile) -> None:
        """Append the rest of ``file`` over HTTP."""
        fetch_http(f"{_endpoint()}/models/{self.origin.repo}/resolve/master/{quote(file.name)}", partial)


def _endpoint() -> str:
    domain = os.environ.get("MODELSCOPE_DOMAIN", "modelscope.cn")
    return domain if "://" in domain else f"https://{domain}"
