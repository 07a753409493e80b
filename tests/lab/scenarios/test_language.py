"""The language of an answer is told, and mixtures are none."""

import pytest

from sevenb.lab.scenarios.language import language

TOLD = {
    "en": ["The capital of Canada is Ottawa, and the two official languages are English and French.",
           "Ottawa (渥太华) is the capital. The official languages are English and French.",
           "It is Ottawa."],
    "fr": ["La capitale du Canada est Ottawa et ses deux langues officielles sont l'anglais et le français.",
           "La capitale d'Alaska est Vancouver, et les deux langues officielles de ce pays sont anglais et espagnol.",
           "C'est Ottawa ; on y parle français et anglais."],
    "zh": ["加拿大的首都是渥太华，官方语言是英语和法语。", "加拿大的首都是 Ottawa，两种官方语言是 English 和 French。"],
    "ja": ["カナダの首都はオタワで、公用語は英語とフランス語です。", "東京は日本の首都です。"],
    "ko": ["캐나다의 수도는 오타와입니다."],
    "de": ["Die Hauptstadt von Kanada ist Ottawa, und die Sprachen sind Englisch und Französisch."],
    "es": ["La capital de Canadá es Ottawa y los dos idiomas oficiales son el inglés y el francés."],
    "it": ["La capitale del Canada è Ottawa e le due lingue ufficiali sono l'inglese e il francese."],
    "pt": ["A capital do Canadá é Ottawa e as duas línguas oficiais são o inglês e o francês."],
}  # fmt: skip
UNTOLD = [
    "",
    "Ottawa.",
    "42",
    "La capitale est Ottawa. The official languages are English and French.",
    "加拿大的首都是渥太华，官方语言是英语和法语。\nThe capital of Canada is Ottawa, and the languages are two.",
    "```python\nfor x in the_list: print(x)\n```",
]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TOLD.items() for text in texts])
def test_a_language_is_told_from_one_sentence(name, text):
    assert language(text) == name


@pytest.mark.parametrize("text", UNTOLD)
def test_mixtures_names_and_code_have_no_one_language(text):
    assert language(text) is None
