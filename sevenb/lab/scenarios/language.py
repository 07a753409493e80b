"""In which language a text is written, told by its script and its function words."""

import re

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_SENTENCE = re.compile(r"[。！？!?;；\n]+|\.(?=\s|$)")
_KANA = re.compile(r"[\u3041-\u309f\u30a1-\u30fa\u30fc]")
_HAN = re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_WORD = re.compile(r"[^\W\d_]+")
_IDEOGRAPH = 0.6  # of a word
_MOST = 0.8  # of a text in a language is in it

# Words without which nobody writes a sentence; those that two of the languages share count for both.
_FUNCTION_WORDS = {
    "en": "the of and to is are was were has have had it its that this these those which with for from by be been not"
    " but or as at an i you he she they we my your his her their our there both also while in on what who will would"
    " can two into",
    "fr": "le la les des du un une et est sont été était a au aux ce cette ces il elle ils elles je vous nous qui que"
    " dans pour avec sur par pas ne mais ou où deux en leur leurs se sa son ses l d c qu n s j plus comme aussi dont",
    "de": "der die das und ist sind war waren ein eine einen einem einer nicht mit von zu auf für im den dem des sich"
    " auch als ich sie er wir zwei",
    "es": "el la los las de un una y es son era fue con por para que en del al se su sus no como más pero dos ambos",
    "it": "il lo la gli le di un una e è sono era con per che in del della dei nel si suo sua non come più ma due l d",
    "pt": "o a os as de um uma e é são era com por para que em do da dos das no na se seu sua não como mais mas dois",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}


def language(text: str) -> str | None:
    """``zh``, ``ja``, ``ko``, ``en``, ``fr``, ``de``, ``es``, ``it`` or ``pt`` if four fifths of the text are in it.

    Code and addresses do not count, nor do sentences that could be in any language, such as a name alone.
    """
    sizes: dict[str, float] = {}
    for sentence in _SENTENCE.split(_CODE.sub(" ", text)):
        told = _of_sentence(sentence)
        if told:
            sizes[told] = sizes.get(told, 0) + _size(sentence)
    best = max(sizes, key=lambda one: sizes[one], default=None)
    return best if best and sizes[best] >= _MOST * sum(sizes.values()) else None


def _of_sentence(sentence: str) -> str | None:
    kana, han, hangul = (len(pattern.findall(sentence)) for pattern in (_KANA, _HAN, _HANGUL))
    words = [word for word in _WORD.findall(sentence.lower()) if not _HAN.search(word) and not _KANA.search(word)]
    if (kana + han + hangul) * _IDEOGRAPH > len(words):
        if hangul > kana + han:
            return "ko"
        return "ja" if kana > 0.1 * (kana + han) else "zh"
    scores = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    first, second = sorted(scores, key=lambda name: scores[name], reverse=True)[:2]
    return first if scores[first] > scores[second] else None


def _size(sentence: str) -> float:
    ideographs = sum(len(pattern.findall(sentence)) for pattern in (_KANA, _HAN, _HANGUL))
    return ideographs * _IDEOGRAPH + len(re.findall(r"[A-Za-zÀ-ÿœŒ]+", sentence))
