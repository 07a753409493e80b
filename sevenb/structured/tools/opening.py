"""Where a tool call begins in a text: a graph that is walked a character at a time."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

ARGUMENT_KEYS = ("arguments", "parameters")  # most families write the first, Llama 3 the second

_SPACE = " \t\r\n"
_FENCE = "```"


@dataclass(slots=True, eq=False)
class Node:
    """A place on the way into a call. Walk with `step`."""

    next: dict[str, "Node"] = field(default_factory=dict)
    loops: str = ""  # the characters that may follow any number of times
    name: str | None = None  # of the tool, once it is read
    closer: str | None = None  # what will close the wrapper that opened here; "" for nothing
    opens: bool = False  # the arguments' "{" was read: this is a call

    def step(self, character: str) -> "Node | None":
        """Where one more character leads; None if no call begins like this."""
        found = self.next.get(character)
        return found if found is not None or character not in self.loops else self

    def path(self, text: str) -> "Node":
        """The node that ``text`` leads to, made where there is none yet."""
        node = self
        for character in text:
            node = node.next.setdefault(character, Node())
        return node


@dataclass(frozen=True)
class CallOpenings:
    """Where calls of the given tools may begin: ``{"name": "…", "arguments": {``, any white space, perhaps wrapped."""

    anywhere: Node  # behind a marker of the model's own
    line_start: Node  # there a call may also stand bare, in a fence or in a list
    item: Node  # between the calls of one wrapper

    @classmethod
    def of(cls, names: Collection[str], wrappers: Mapping[str, str]) -> "CallOpenings":
        """``wrappers`` are the model's markers, each with what closes it ("" for nothing)."""
        item, anywhere, line_start = Node(loops=_SPACE), Node(), Node()
        if names:
            item.next["{"] = _call_object(names)
            _add_wrappers(anywhere, wrappers.items(), item)
            _add_wrappers(line_start, [*wrappers.items(), ("<tools>", "</tools>"), (_FENCE, _FENCE)], item)
            fence = line_start.path(_FENCE)
            fence.loops = "abcdefghijklmnopqrstuvwxyz_"  # the fence's language
            fence.next |= dict.fromkeys(_SPACE, Node(item.next | _list(item), _SPACE))
            line_start.next |= item.next
            bracket = line_start.path("[")  # may begin a marker, too
            bracket.next |= item.next
            bracket.loops, bracket.closer = _SPACE, "]"
        return cls(anywhere, line_start, item)


def _call_object(names: Iterable[str]) -> Node:
    """What follows the ``{`` of a call."""
    colon = Node({"{": Node(opens=True)}, _SPACE)
    keys = Node(loops=_SPACE)
    for key in ARGUMENT_KEYS:
        end = keys.path(f'"{key}"')
        end.next, end.loops = {":": colon}, _SPACE
    value = Node(loops=_SPACE)
    for name in names:
        end = value.path(f'"{name}"')
        end.next, end.loops, end.name = {",": keys}, _SPACE, name
    start = Node(loops=_SPACE)
    end = start.path('"name"')
    end.next, end.loops = {":": value}, _SPACE
    return start


def _add_wrappers(root: Node, wrappers: Iterable[tuple[str, str]], item: Node) -> None:
    for opening, closer in wrappers:
        node = root.path(opening)
        node.next, node.loops, node.closer = {**item.next, **_list(item)}, _SPACE, closer


def _list(item: Node) -> dict[str, Node]:
    """The ``[`` of a list of calls."""
    return {"[": Node(item.next, _SPACE, closer="]")}
