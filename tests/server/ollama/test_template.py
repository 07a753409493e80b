"""Go templates as Jinja: what Ollama's users write renders alike, and what is not covered is refused by name."""

import jinja2
import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.ollama.template import jinja_of

CHATML = """{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
MESSAGES = """{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}U: {{ .Content }}
{{ else if or (eq .Role "assistant") (eq .Role "tool") }}A: {{ .Content }}
{{ else }}S: {{ .Content }}
{{ end }}
{{- end }}A:"""


def render(template: str, **values: object) -> str:
    return str(jinja2.Template(jinja_of(template), keep_trailing_newline=True).render(**values))


def test_chatml_up_to_the_answer() -> None:
    assert render(CHATML, system="S", prompt="P") == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nP<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(CHATML, system="", prompt="P") == "<|im_start|>user\nP<|im_end|>\n<|im_start|>assistant\n"


def test_messages_by_role() -> None:
    messages = [{"role": r, "content": c} for r, c in [("system", "s"), ("user", "u"), ("tool", "t")]]
    assert render(MESSAGES, messages=messages) == "S: s\nU: u\nA: t\nA:"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a {{- .Prompt -}} b", "aPb"),
        ("a {{/* nobody sees this */}}b", "a b"),
        ("{{ if and .Prompt (not .Suffix) }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if ne .Prompt `P` }}yes{{ else }}no{{ end }}", "no"),
        ("{% raw %}{# x #} {{ .Prompt }}", "{% raw %}{# x #} P"),
        ('"quotes" \\n and 漢字 😀 {{ $.Prompt }}', '"quotes" \\n and 漢字 😀 P'),
        ("nothing at all", "nothing at all"),
    ],
)
def test_the_parts_of_the_language(template: str, text: str) -> None:
    assert render(template, prompt="P", suffix="") == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Nonsense }}",
        "{{ end }}",
        "{{ if }}x{{ end }}",
        '{{ template "x" }}',
        "{{ range .Tools }}{{ end }}",
        "{{ if (eq .Role) }}{{ end }}",
        "{{ if " + "(" * 100 + ".Prompt" + ")" * 100 + " }}x{{ end }}",
        "{{ if .Prompt }}" * 100,
        "{{ .Prompt }}" * 2000,
        "{{ __import__('os') }}",
        '{{ "a" + "b" }}',
    ],
)
def test_what_is_not_covered_is_refused(template: str) -> None:
    with pytest.raises(InvalidRequest, match="template") as caught:
        jinja_of(template)
    assert caught.value.parameter == "template"


@pytest.mark.parametrize("text", ["{{" + " " * 100_000, "{{" * 100_000, "{{ .Prompt }" * 50_000])
def test_what_never_ends_its_tag_is_text(text: str) -> None:
    """Of any length: a search that looks again from every brace would take hours."""
    assert text in jinja_of(text)
