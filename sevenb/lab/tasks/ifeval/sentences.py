"""Counting the sentences of a text, by the rules of Punkt (Kiss and Strunk 2006), which IFEval was published with.

Punkt learned its abbreviations and how words are spelt from a newspaper. Here they are short lists of well-known
ones, so that nothing has to be downloaded.
"""

import re
from collections.abc import Iterator


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_ABBREVIATIONS = _words(
    "a.m p.m a.d u.s u.k u.n u.s.a u.s.s.r d.c n.y n.j n.c s.c n.d r.i b.f m.b.a ph.d",
    "mr mrs ms dr prof gen col maj lt adm sen rep reps st jr sr messrs inc ltd co corp cos bros vs ave ft mg yr",
    "jan feb aug sep sept oct nov dec tues wed fri",
    "c d e f g h k l m n p r s t v w j.j j.k j.p j.r r.r s.a t.s",  # initials; the other letters rather number lists
    "ariz calif colo conn fla ga ill kan ky mich minn okla ore pa tenn va vt wash wis",
)
# Words that stand with a small letter in the middle of sentences: a capital says that a sentence begins.
_COMMON = _words(
    "a about above according after again all also although among an and another any are as at based be because been",
    "before below being between both but by can could despite do does during each either even every everyone few",
    "finally first for from further had has have he her here his how however i if in indeed instead into is it its",
    "just last let like many may meanwhile might more moreover most much my never nevertheless no nonetheless nor not",
    "nothing now of on once one only or other others our over perhaps please read remember second separately several",
    "she should similarly since so some still such than that the their them then there therefore these they third",
    "this those though through thus to today together too under until up upon use using was we were what when where",
    "whether which while who whose why will with within without would write yes yet you your",
)
_EDGES = r")\";}\]*:@'({\[?!‘’“”«»"  # what ends a word where it stands
_MARK = re.compile(rf"[.?!](?=[{_EDGES}]|\s+\S)")
_CLOSING = re.compile(r"[\"')\]}‘’“”«»]+?(?:\s+|(?=--)|$)", re.MULTILINE)
_LAST_WORD = re.compile(rf"^(?:.*(?:[{_EDGES}]|--|\.\.))?[`&#\-,]*(.*)$", re.DOTALL)
_NUMBER = re.compile(r"-?[.,]?\d[\d,.-]*")


def count_sentences(text: str) -> int:
    """How many sentences ``text`` has, by the rules of English."""
    starts = [0, *_breaks(text)]
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    count = moved = 0
    for number, piece in enumerate(pieces):
        rest = piece[moved:]
        following = pieces[number + 1] if number + 1 < len(pieces) else ""
        # Brackets and quotation marks after the mark still belong to the sentence before.
        closing = _CLOSING.match(following)
        moved = len(closing[0]) if closing else 0
        count += bool(rest.strip() or (closing and closing[0].strip()))
    return count


def _breaks(text: str) -> Iterator[int]:
    """Where the second and each further sentence begins: of the marks in one word only the last can end one."""
    marks = list(_MARK.finditer(text))
    for number, mark in enumerate(marks):
        end = mark.end()
        if number + 1 < len(marks) and not re.search(r"\s", text[end : marks[number + 1].start()]):
            continue
        start = mark.start()
        while start and not text[start - 1].isspace():
            start -= 1
        if _ends_sentence(text[start:end], text[end:]):
            yield end


def _ends_sentence(word: str, rest: str) -> bool:
    """Whether the mark that ``word`` ends with ends a sentence that ``rest`` follows."""
    if word[-1] in "?!" or re.search(r"[?!]", word):
        return True
    following = rest.split(maxsplit=1)[0] if rest[:1].isspace() else rest[:1]
    begins = _begins_sentence(following)
    if word.endswith(".."):
        return begins is True
    last = _LAST_WORD.sub(r"\1", word[:-1])
    plain = last.lower()
    if _NUMBER.fullmatch(plain):
        return begins is not False
    if plain in _ABBREVIATIONS:
        return begins is True and len(plain) > 1
    if len(plain) == 1 and plain.isalpha() and begins is not True:
        return plain == last and not following[0].islower()  # "b. Check" numbers a list, "B. Smith" is a name
    return True


def _begins_sentence(word: str) -> bool | None:
    """Whether a word's spelling says that it is the first of a sentence; None where it says nothing."""
    if word[0] in ";:,.!?" or word[0].islower():
        return False
    plain = re.sub(r"[^\w'-].*", "", word).lower()
    return True if word[0].isupper() and plain in _COMMON else None
