"""`TemplateSandbox`: runs a Jinja template that came with a model file, and lets it do nothing but write a prompt.

A template is a program by a stranger. Jinja's own sandbox keeps it away from Python's internals; this one also bounds
its time and the size of everything it makes, and speaks the dialect templates are written for (that of `transformers`).
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NoReturn

from jinja2 import Environment, Template, TemplateError, nodes, pass_environment
from jinja2.ext import Extension, LoopControlExtension
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

MAX_SOURCE = 1 << 18  # characters of a template
MAX_SIZE = 1 << 24  # characters of any value it makes, and of what it writes
MAX_ITEMS = 1 << 20  # of lists and dicts, with all that lies in them
MAX_SECONDS = 2.0  # of processor time for one prompt
_MAX_BITS = 4096  # of an integer it computes

# Jinja's filters that cannot make much out of little; those that serve web pages are left out.
_PLAIN_FILTERS = {"abs", "count", "length", "int", "float", "round", "min", "max", "default", "d", "safe"}
_TEXT_FILTERS = {"capitalize", "e", "escape", "lower", "string", "title", "trim", "upper"}
_LIST_FILTERS = {"dictsort", "first", "groupby", "items", "last", "list", "map", "reverse", "sort", "unique"}
_CHOOSING_FILTERS = {"reject", "rejectattr", "select", "selectattr"}

# Methods of strings that make long text out of a number.
_GROWING_METHODS = frozenset(
    ["center", "encode", "expandtabs", "format", "format_map", "ljust", "rjust", "translate", "zfill"]
)
_FORMAT_WIDTH = re.compile(r"\*|\d{4}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class TemplateLimitExceeded(TemplateError):
    """A template runs too long or makes too much."""


class TemplateComplaint(TemplateError):
    """A template called ``raise_exception``: it does not accept what it was given."""


@dataclass(frozen=True)
class _Render:
    """One rendering under way: the processor time it must end by, and a character that must stay as it is."""

    deadline: float
    mark: str


_current: ContextVar[_Render] = ContextVar("render")


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment in which every loop turn and call looks at the clock, and every value is measured."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[LoopControlExtension, _GenerationTag],
            finalize=measured,
            optimized=False,  # nothing is computed while compiling
        )
        self.filters = {name: FILTERS[name] for name in _PLAIN_FILTERS | _LIST_FILTERS | _CHOOSING_FILTERS}
        self.filters |= {name: _measured_text(FILTERS[name]) for name in _TEXT_FILTERS}
        self.filters |= {"tojson": _tojson, "join": _join, "replace": _replace, "indent": _indent, "sum": _sum}
        self.globals = {"range": safe_range, "dict": _dict, "namespace": Namespace}
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}

    def load(self, source: str) -> tuple[Template, frozenset[str]]:
        """Compile a template. Also returns the words it knows: its string constants and the attributes it asks for."""
        if len(source) > MAX_SOURCE:
            raise TemplateLimitExceeded(f"it has {len(source)} characters; at most {MAX_SOURCE} are read")
        tree = self.parse(source)
        words = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
        words += [node.attr for node in tree.find_all(nodes.Getattr)]
        code = self.compile(_Watch().visit(tree))
        return Template.from_code(self, code, self.make_globals(None)), frozenset(words)

    def render(self, template: Template, variables: Mapping[str, object], *, mark: str) -> str:
        """What the template writes; ``mark`` is a character that no filter may encode."""
        token = _current.set(_Render(deadline=time.thread_time() + MAX_SECONDS, mark=mark))
        try:
            return self.concat(template.root_render_func(template.new_context(dict(variables))))
        finally:
            _current.reset(token)

    # -- what Jinja asks before it acts --------------------------------------------------------------

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also refuses methods of strings that make long text out of a number."""
        if isinstance(obj, str) and attr in _GROWING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """No stand-in for ``str.format``: it is refused with the others."""
        return None

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        """Call what a template calls, while there is time."""
        _check_clock()
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str) and name == "join":
            return _joined(owner, *args)
        if isinstance(owner, str) and name == "replace":
            return _replace(owner, *args)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute ``left operator right`` if the result has a reasonable size."""
        if operator == "+" and _is_sized(left) and _is_sized(right):
            _check_size(len(left) + len(right), limit=MAX_SIZE if isinstance(left, str) else MAX_ITEMS)
        elif operator == "*" and (_is_sized(left) or _is_sized(right)):
            _check_size(max(_extent(left), 1) * max(_extent(right), 1))
            return measured(super().call_binop(context, operator, left, right))
        elif operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            _check_size(bits, limit=_MAX_BITS)
        elif operator == "%" and isinstance(left, str) and _FORMAT_WIDTH.search(left):
            raise TemplateLimitExceeded("it formats text to a great width")
        return super().call_binop(context, operator, left, right)

    # -- what the instrumented template calls --------------------------------------------------------

    @staticmethod
    def tick() -> None:
        """Run at every turn of a loop; that it goes through `call` is the point."""

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """What the template, or a block or macro of it, wrote."""
        kept = []
        size = 0
        for part in parts:
            size += len(part)
            _check_size(size)
            kept.append(part)
        return "".join(kept)

    @staticmethod
    def concatenated(*parts: object) -> str:
        """``a ~ b``"""
        return _joined("", parts)

    @staticmethod
    def measured(value: object) -> object:
        """A list, tuple or dict that the template wrote out."""
        return measured(value)


class _Watch(NodeTransformer):
    """Adds the measurements to a parsed template."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("tick", [], node.lineno), lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Call:  # noqa: N802
        self.generic_visit(node)
        return _call("concatenated", node.nodes, node.lineno)

    def visit_List(self, node: nodes.Literal) -> nodes.Call:  # noqa: N802
        self.generic_visit(node)
        return _call("measured", [node], node.lineno)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _call("measured", [node], node.lineno) if node.ctx == "load" else node


def _call(method: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
    """The call of a method of the sandbox, as a template node."""
    return nodes.Call(nodes.EnvironmentAttribute(method, lineno=line), arguments, [], None, None, lineno=line)


class _GenerationTag(Extension):
    """``{% generation %}…{% endgeneration %}`` marks the model's own words for training; here it is its content."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


# -- measuring -------------------------------------------------------------------------------------------


def measured(value: object) -> object:
    """The value itself, if it and all it contains are small enough to be written out."""
    _check_clock()
    pending: list[object] = [value]
    items = characters = 0
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            characters += len(item)
            _check_size(characters)
        elif isinstance(item, list | tuple | set | dict):
            items += len(item)
            _check_size(items, limit=MAX_ITEMS)
            pending += chain(item.keys(), item.values()) if isinstance(item, dict) else item
    return value


def _check_clock() -> None:
    if time.thread_time() > _current.get().deadline:
        raise TemplateLimitExceeded(f"it takes longer than {MAX_SECONDS:g} seconds")


def _check_size(size: float, limit: int = MAX_SIZE) -> None:
    if size > limit:
        raise TemplateLimitExceeded("it makes more text than any prompt can hold")


def _is_sized(value: object) -> bool:
    return isinstance(value, str | list | tuple)


def _extent(value: object) -> int:
    if isinstance(value, str | list | tuple):
        return len(value)
    return value if isinstance(value, int) else 1


# -- filters and functions -------------------------------------------------------------------------------


def _measured_text(make: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that works on ``str(value)``, for values that are small enough to be written out."""
    return lambda value, *args, **kwargs: make(measured(value), *args, **kwargs)


def _joined(separator: str, items: Iterable[object]) -> str:
    parts = [str(measured(item)) for item in items]
    _check_size(sum(map(len, parts)) + len(parts) * len(separator))
    return separator.join(parts)


@pass_environment
def _join(environment: Environment, value: Iterable[object], d: str = "", attribute: str | int | None = None) -> str:
    return _joined(str(d), value if attribute is None else map(make_attrgetter(environment, attribute), value))


def _replace(value: object, old: str, new: str, count: int = -1) -> str:
    text = str(measured(value))
    _check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new, count)


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    unit = width if isinstance(width, str) else " " * min(width, MAX_SIZE)
    _check_size(len(text) + (text.count("\n") + 1) * len(unit))
    lines = text.split("\n")
    return "\n".join(
        unit + line if (number or first) and (line or blank) else line for number, line in enumerate(lines)
    )


def _sum(items: Iterable[float]) -> float:
    return sum(items)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As in `transformers`: plain JSON, nothing escaped for HTML."""
    _check_size(indent or 0, limit=100)
    text = json.dumps(measured(value), ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    if ensure_ascii:
        mark = _current.get().mark
        text = _NOT_ASCII.sub(lambda found: mark if found[0] == mark else json.dumps(found[0])[1:-1], text)
    return text


def _dict(*args: Any, **kwargs: Any) -> object:
    return measured(dict(*args, **kwargs))


def _raise_exception(message: str) -> NoReturn:
    raise TemplateComplaint(message)


def _strftime_now(layout: str) -> str:
    return datetime.now().strftime(layout)
