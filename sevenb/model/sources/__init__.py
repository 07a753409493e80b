"""Sources of model files, one file each: the two hubs and the package mirror."""

from collections.abc import Iterable, Iterator

from sevenb.model.download import Source
from sevenb.model.origins import HuggingFaceRepo, ModelScopeRepo, Origin


def open_sources(origins: Iterable[Origin]) -> Iterator[Source]:
    """A `Source` for each origin, in order, made when its turn comes."""
    for origin in origins:
        match origin:
            case HuggingFaceRepo():
                from sevenb.model.sources.huggingface import HuggingFace

                yield HuggingFace(origin)
            case ModelScopeRepo():
                from sevenb.model.sources.modelscope import ModelScope

                yield ModelScope(origin)
            case _:
                from sevenb.model.sources.packages import Packages

                yield Packages(origin)
