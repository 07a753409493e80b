"""How families of models write tool calls: recognised by the chat template, enforced by a grammar, read by a reader."""

from collections.abc import Callable, Mapping, Sequence

from sevenb.structured.constraint import Constraint
from sevenb.structured.tool_reader import ToolReader
from sevenb.structured.tools import Tool, ToolChoice


class ToolStyle:
    """One family's way of writing calls. Immutable; one serves all requests of a model."""

    knows_tools: bool
    """Whether the chat template renders ``tools`` itself; if not, `instructions` belong into a system turn."""

    @staticmethod
    def detect(template_source: str | None, special_tokens: Mapping[str, int]) -> "ToolStyle":
        """The style of a model, from its chat template's source and its special tokens."""
        raise NotImplementedError

    def constraint(
        self, tools: Sequence[Tool], choice: ToolChoice, output: Constraint | None = None
    ) -> Constraint | None:
        """What an answer must look like; None if anything goes.

        Raises `InvalidRequest` that names the tool and the keyword of a schema that cannot be guaranteed. Takes
        milliseconds for each schema that is new, so call it off the event loop.
        """
        raise NotImplementedError

    def reader(self, tools: Sequence[Tool], choice: ToolChoice, new_id: Callable[[], str] | None = None) -> ToolReader:
        """A reader for one answer. ``new_id`` makes the ids of calls; by default such as the template can take."""
        raise NotImplementedError

    def instructions(self, tools: Sequence[Tool]) -> str:
        """What to tell a model whose template does not know tools: which there are and how to call them."""
        raise NotImplementedError
