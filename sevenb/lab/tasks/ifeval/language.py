"""Which language a text is in, by the package `langdetect` of the extra ``sevenb[lab]``."""

from functools import cache
from importlib import import_module
from typing import Any

from sevenb.errors import InvalidRequest


def detect_language(text: str) -> str | None:
    """The code of the language ("en", "zh-cn"), None where ``text`` has nothing to judge by.

    The same text always gives the same answer: the detector draws from its own generator, seeded. Raises
    `InvalidRequest` when the package is missing.
    """
    factory, failure = _detector()
    detector = factory.create()
    detector.append(text)
    try:
        return str(detector.detect())
    except failure:
        return None


def need_detector() -> None:
    """Raise `InvalidRequest` when the package is missing."""
    _detector()


@cache
def _detector() -> tuple[Any, type[Exception]]:
    try:
        module = import_module("langdetect.detector_factory")
    except ImportError as error:
        raise InvalidRequest(
            "IFEval has instructions about the language of an answer, and the package that tells languages apart is "
            "not installed; run: pip install 'sevenb[lab]'"
        ) from error
    factory = module.DetectorFactory()
    factory.load_profile(module.PROFILES_DIRECTORY)
    factory.set_seed(0)
    return factory, import_module("langdetect.lang_detect_exception").LangDetectException
