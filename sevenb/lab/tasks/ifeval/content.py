"""IFEval's instructions about what an answer says: its words, letters, language, length, beginning and end.

The parameters of each function but the text are the arguments of the data, under their names there.
"""

import re
from typing import Literal, TypeAlias

from sevenb.lab.tasks.ifeval.language import detect_language
from sevenb.lab.tasks.ifeval.sentences import count_sentences
from sevenb.lab.tasks.ifeval.words import count_capital_words, count_words

Relation: TypeAlias = Literal["less than", "at least"]

# -- keywords ------------------------------------------------------------------------------------------


def keywords_exist(text: str, keywords: list[str]) -> bool:
    """Each of the keywords stands somewhere, also inside of longer words."""
    return all(_occurrences(word, text) for word in keywords)


def keyword_frequency(text: str, keyword: str, frequency: int, relation: Relation) -> bool:
    """A keyword stands so many times, also inside of longer words."""
    return _compare(_occurrences(keyword.strip(), text), relation, frequency)


def no_forbidden_words(text: str, forbidden_words: list[str]) -> bool:
    """None of the words stands there as a word of its own."""
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(text: str, letter: str, let_frequency: int, let_relation: Relation) -> bool:
    """A character stands so many times, small or capital."""
    return _compare(text.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _occurrences(keyword: str, text: str) -> int:
    return len(re.findall(re.escape(keyword), text, re.IGNORECASE))


# -- length --------------------------------------------------------------------------------------------


def number_of_words(text: str, num_words: int, relation: Relation) -> bool:
    """So many words."""
    return _compare(count_words(text), relation, num_words)


def number_of_sentences(text: str, num_sentences: int, relation: Relation) -> bool:
    """So many sentences."""
    return _compare(count_sentences(text), relation, num_sentences)


def number_of_paragraphs(text: str, num_paragraphs: int) -> bool:
    """Exactly so many paragraphs, with `***` between them; only at either end may one be empty."""
    parts = [part.strip() for part in text.split("***")]
    return all(parts[1:-1]) and sum(map(bool, parts)) == num_paragraphs


def nth_paragraph_first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Exactly so many paragraphs, with empty lines between them, and the n-th begins with this word."""
    parts = text.split("\n\n")
    if sum(bool(part.strip()) for part in parts) != num_paragraphs:
        return False
    if not 1 <= nth_paragraph <= num_paragraphs:
        return False
    # As published: an empty part before the n-th one is counted, too.
    words = parts[nth_paragraph - 1].split()
    if not words:
        return False
    word = re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    return word.lower() == first_word.lower()


# -- language and case ---------------------------------------------------------------------------------


def response_language(text: str, language: str) -> bool:
    """All of it is in one language. A text without letters counts."""
    return detect_language(text) in (language, None)


def english_capital(text: str) -> bool:
    """English, without small letters."""
    return text.isupper() and detect_language(text) in ("en", None)


def english_lowercase(text: str) -> bool:
    """English, without capital letters."""
    return text.islower() and detect_language(text) in ("en", None)


def capital_word_frequency(text: str, capital_frequency: int, capital_relation: Relation) -> bool:
    """So many words in capital letters."""
    return _compare(count_capital_words(text), capital_relation, capital_frequency)


def no_comma(text: str) -> bool:
    """No comma at all."""
    return "," not in text


# -- beginning and end ---------------------------------------------------------------------------------


def end_phrase(text: str, end_phrase: str) -> bool:
    """The answer ends with this phrase; quotation marks around it all do not matter."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(text: str) -> bool:
    """All of it stands between double quotation marks."""
    whole = text.strip()
    return len(whole) > 1 and whole.startswith('"') and whole.endswith('"')


def repeat_prompt(text: str, prompt_to_repeat: str) -> bool:
    """The answer begins with the request, word for word."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _compare(count: int, relation: Relation, limit: int) -> bool:
    return count < limit if relation == "less than" else count >= limit
