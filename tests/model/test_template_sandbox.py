"""What a chat template can do, and all that it cannot."""

import time
from contextlib import suppress

import pytest
from jinja2 import TemplateError

from sevenb.model.template_sandbox import (
    MAX_SECONDS,
    MAX_SOURCE,
    TemplateComplaint,
    TemplateLimitExceeded,
    TemplateSandbox,
)

_MARK = "\ufdd0"


def render(source: str, **variables: object) -> str:
    sandbox = TemplateSandbox()
    template, _ = sandbox.load(source)
    return sandbox.render(template, variables, mark=_MARK)


# -- the dialect of transformers -----------------------------------------------------------------------------


def test_blocks_leave_no_lines_behind() -> None:
    assert render("a\n  {% if true %}\nb\n  {% endif %}\nc") == "a\nb\nc"


def test_json_is_written_plainly() -> None:
    value = {"b": "<é & '>", "a": [1, None, True]}
    assert render("{{ x | tojson }}", x=value) == '{"b": "<é & \'>", "a": [1, null, true]}'
    assert render("{{ x | tojson(indent=2) }}", x={"a": 1}) == '{\n  "a": 1\n}'
    assert render("{{ x | tojson(separators=(',', ':'), sort_keys=true) }}", x={"b": 1, "a": 2}) == '{"a":2,"b":1}'


def test_json_in_ascii_spares_the_mark() -> None:
    assert render("{{ x | tojson(ensure_ascii=true) }}", x=f"é<{_MARK}|😀") == f'"\\u00e9<{_MARK}|\\ud83d\\ude00"'


def test_loops_can_be_left_early() -> None:
    assert (
        render(
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
            "{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"
        )
        == "02"
    )


def test_a_template_can_complain() -> None:
    with pytest.raises(TemplateComplaint, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


def test_a_template_can_tell_the_date() -> None:
    assert render("{{ strftime_now('%Y') }}") == time.strftime("%Y")


def test_the_usual_constructs_work() -> None:
    assert (
        render(
            "{% set ns = namespace(n=0) %}{% for m in ms %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", ms=[1, 2]
        )
        == "2"
    )
    assert render("{% for k, v in d.items() %}{{ k ~ '=' ~ v }};{% endfor %}", d={"a": 1, "b": "x"}) == "a=1;b=x;"
    assert render("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') + m('b') }}") == "<a><b>"
    assert render("{% for m in ms[1:] %}{{ loop.index0 }}{{ loop.last }}{% endfor %}", ms=[1, 2, 3]) == "0False1True"
    assert (
        render(
            "{{ ms | selectattr('r', 'equalto', 'u') | map(attribute='c') | join(', ') }}", ms=[{"r": "u", "c": "x"}]
        )
        == "x"
    )
    assert (
        render("{{ 'a</t>b'.split('</t>')[-1].lstrip('\\n') }}{{ ' x ' | trim | upper }}{{ '-'.join(['a', 'b']) }}")
        == "bXa-b"
    )
    assert (
        render("{{ 'a\nb' | indent(2) }}|{{ 'aXa'.replace('X', '-') }}|{{ 'aXa' | replace('a', 'b') }}")
        == "a\n  b|a-a|bXb"
    )
    assert (
        render("{% generation %}x{% endgeneration %}{{ 1 if y is defined else 2 }}{{ '%s!' % 'a' }}{{ [1, 2] | sum }}")
        == "x2a!3"
    )
    assert render("{{ x }}{{ [1, 'a'] }}{{ {'k': (1, 2)} }}", x=None) == "None[1, 'a']{'k': (1, 2)}"


def test_the_words_a_template_knows_are_told() -> None:
    _, words = TemplateSandbox().load("{% if m.role == 'user' and '</t>' in m['content'] %}text{% endif %}")
    assert words == {"role", "user", "</t>", "content"}


# -- what it cannot do ---------------------------------------------------------------------------------------

_ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ raise_exception.__globals__ }}",
    "{{ (''|attr('__class__')) }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ messages.append(1) }}",
    "{{ self._TemplateReference__context.environment }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ lipsum() }}",
]


@pytest.mark.parametrize("source", _ESCAPES)
def test_there_is_no_way_out(source: str) -> None:
    with suppress(TemplateError, TypeError):
        assert render(source, messages=[]) == ""


_ENDLESS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% for a in x recursive %}{{ loop(x) }}{{ loop(x) }}{% endfor %}",
    "{% for a in 'x' * 9999999 %}{% for b in 'x' * 9999999 %}{% set c = a %}{% endfor %}{% endfor %}",
]


@pytest.mark.parametrize("source", _ENDLESS)
def test_a_template_that_does_not_end_is_stopped(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.model.template_sandbox.MAX_SECONDS", MAX_SECONDS / 10)
    with pytest.raises((TemplateLimitExceeded, RecursionError)):
        render(source, x=[1, 2, 3])


_DOUBLED = "{% set x = 'abcdefgh' * 1000 %}" + "{% set x = x + x %}" * 40
_HUGE = [
    "{{ 'x' * 10 ** 10 }}",
    "{{ 10 ** (10 ** 10) }}",
    "{{ (10 ** 999) * (10 ** 999) }}",
    "{% for i in range(10 ** 9) %}{% endfor %}",
    _DOUBLED,
    _DOUBLED.replace("x + x", "x ~ x"),
    _DOUBLED.replace("x + x", "[x, x] | join"),
    _DOUBLED.replace("x + x", "''.join([x, x])"),
    _DOUBLED.replace("x + x", "x | replace('a', x)"),
    _DOUBLED.replace("x + x", "x.replace('a', x)"),
    _DOUBLED.replace("x + x", "[x, x]") + "{{ x }}",
    _DOUBLED.replace("x + x", "{'a': x, 'b': x}") + "{{ x | tojson }}",
    _DOUBLED.replace("x + x", "dict(a=x, b=x)") + "{{ x | string | length }}",
    _DOUBLED.replace("x + x", "(x, x)"),
    "{% set x = 'abcdefgh' * 1000 %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40,
    "{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
    "{{ 'x'.center(10 ** 10) }}",
    "{{ 'x'.ljust(10 ** 10) }}",
    "{{ 'x' | center(10 ** 10) }}",
    "{{ '\n' * 9999 | indent(10 ** 8) }}",
    "{{ ('x\n' * 9999) | indent(10 ** 8) }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ '%*d' % (10 ** 10, 1) }}",
    "{{ '{:99999999999}'.format(1) }}",
    "{{ [1] | tojson(indent=10 ** 10) }}",
    "{{ ([[1] * 9999] * 9999) | sum(start=[]) | length }}",
    "{{ ([('x' * 9999999)] * 99999) | join | length }}",
]


@pytest.mark.parametrize("source", _HUGE)
def test_a_template_that_makes_too_much_is_stopped(source: str) -> None:
    before = time.thread_time()
    with pytest.raises((TemplateError, OverflowError, TypeError)):
        render(source)
    assert time.thread_time() - before < 30, "stopped, not worn out"


def test_a_template_must_not_be_too_long() -> None:
    with pytest.raises(TemplateLimitExceeded, match="characters"):
        TemplateSandbox().load("x" * (MAX_SOURCE + 1))
