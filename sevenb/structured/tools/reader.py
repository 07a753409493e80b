"""`ToolReader`: finds the calls in an answer while it is written, however the text is cut into pieces."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sevenb.structured.tools.opening import CallOpenings, Node

_NO_MORE = CallOpenings.of((), {})


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text that is no call."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The model calls a tool; ``call`` counts an answer's calls from 0. The arguments follow."""

    call: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPart:
    """Some more of a call's arguments, as the model writes them: JSON."""

    call: int
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is whole. One that is cut off has no end."""

    call: int


ToolEvent = TextPart | CallStarted | ArgumentsPart | CallEnded


def calls_in(events: Iterable[ToolEvent]) -> list[tuple[str, str]]:
    """Name and arguments of each call, for those who want them whole."""
    names: list[str] = []
    arguments: list[str] = []
    for event in events:
        if isinstance(event, CallStarted):
            names.append(event.name)
            arguments.append("")
        elif isinstance(event, ArgumentsPart):
            arguments[event.call] += event.text
    return list(zip(names, arguments, strict=True))


class ToolReader:
    """A state machine over one answer's text, in which special tokens are spelled out; each character is a step.

    Calls stand behind the model's own marker, or at the start of a line: bare, in a fence, in a list. Nothing is lost:
    what begins like a call and does not become one is text. Only wrappers, and white space beside them, go.
    """

    def __init__(self, openings: CallOpenings, new_id: Callable[[], str], *, parallel: bool = True) -> None:
        """``new_id`` makes each call's id. Without ``parallel`` all that follows the first call is text."""
        self._openings = openings
        self._new_id = new_id
        self._parallel = parallel
        self._calls = 0
        self._events: list[ToolEvent] = []
        self._text = ""  # certain, and not yet in _events
        self._space = ""  # white space behind it, which a call would swallow
        self._said = False  # whether there was any text
        self._line_start = True
        self._read: Callable[[str], str | None] = self._read_text
        # Of what may yet become a call:
        self._held = ""
        self._node = openings.anywhere
        self._name = ""
        # Of a call: what closes the wrappers around it, the innermost last, and the place in its JSON.
        self._closers: list[str] = []
        self._closing = ""
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._arguments = ""

    def feed(self, text: str) -> list[ToolEvent]:
        """What some more text brings. However a text is cut, the joined result is the same."""
        pending = deque(text)
        while pending:
            again = self._read(pending.popleft())
            if again:  # was held for something else, and has to be read as what it is
                pending.extendleft(reversed(again))
        return self._take()

    def finish(self) -> list[ToolEvent]:
        """What was held back, now that no more comes."""
        if self._read == self._read_opening:
            self._say(self._held)
        elif self._read == self._read_text:
            self._say("")
        return self._take()

    # -- one method a state: takes a character, returns text to be read again in the state it has gone to ------

    def _read_text(self, character: str) -> str | None:
        root = self._openings.line_start if self._line_start else self._openings.anywhere
        if character in root.next:
            self._hold(root)
            return character
        if character.isspace():
            self._space += character
            self._line_start = self._line_start or character == "\n"
        else:
            self._say(character)
        return None

    def _read_opening(self, character: str) -> str | None:
        node = self._node.step(character)
        if node is None:
            self._closers.clear()
            self._read = self._read_text
            self._say(self._held[0])
            return self._held[1:] + character
        if node is not self._node:
            self._name = node.name or self._name
            if node.closer == "":  # a marker, though it began like a list
                self._closers.clear()
            elif node.closer is not None:
                self._closers.append(node.closer)
        self._held += character
        self._node = node
        if node.opens:
            self._open_call()
            return character
        return None

    def _read_arguments(self, character: str) -> None:
        self._arguments += character
        if self._value_ends(character):
            self._flush()
            self._events.append(CallEnded(self._calls - 1))
            self._read = self._read_rest

    def _read_rest(self, character: str) -> str | None:
        """Between the arguments and the ``}`` of the call."""
        if character == ",":  # keys that nobody asked for
            self._depth = 1
            self._read = self._skip_rest
        elif not character.isspace():
            self._read = self._read_closing
            return None if character == "}" else character
        return None

    def _skip_rest(self, character: str) -> None:
        if self._value_ends(character):
            self._read = self._read_closing

    def _read_closing(self, character: str) -> str | None:
        """Behind a call: the ends of its wrappers, the next call of the same wrapper, or text again."""
        awaited = self._closers[-1] if self._closers else ""
        if awaited.startswith(self._closing + character):
            self._closing += character
            if self._closing == awaited:
                self._closers.pop()
                self._closing = self._space = ""
            return None
        if self._closing:
            again, self._closing = self._closing + character, ""
            self._go_on_with_text()
            return again
        if character.isspace():
            self._space += character
            return None
        if character == "{" or character == ("," if awaited == "]" else ";"):
            self._hold(self._openings.item)
            if character != "{":
                self._held = character
                return None
        else:
            self._go_on_with_text()
        return character

    # -- between them ----------------------------------------------------------------------------------------

    def _hold(self, root: Node) -> None:
        self._held, self._node, self._name = "", root, ""
        self._read = self._read_opening

    def _open_call(self) -> None:
        self._space = ""
        self._flush()
        self._events.append(CallStarted(self._calls, self._new_id(), self._name))
        self._calls += 1
        if not self._parallel:
            self._openings = _NO_MORE
        self._depth = 0
        self._read = self._read_arguments

    def _go_on_with_text(self) -> None:
        self._closers.clear()
        if not self._said:
            self._space = ""
        self._line_start = True  # a call may follow a call without a line's end
        self._read = self._read_text

    def _value_ends(self, character: str) -> bool:
        """Whether this character ends the JSON object that is being read."""
        if self._in_string:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._in_string = False
        elif character == '"':
            self._in_string = True
        elif character in "{[":
            self._depth += 1
        elif character in "}]":
            self._depth -= 1
            return self._depth == 0
        return False

    def _say(self, text: str) -> None:
        self._text += self._space + text
        self._space = ""
        self._said = True
        self._line_start = False

    def _flush(self) -> None:
        """Put what has gathered into an event."""
        if self._text:
            self._events.append(TextPart(self._text))
        if self._arguments:
            self._events.append(ArgumentsPart(self._calls - 1, self._arguments))
        self._text = self._arguments = ""

    def _take(self) -> list[ToolEvent]:
        self._flush()
        events, self._events = self._events, []
        return events
