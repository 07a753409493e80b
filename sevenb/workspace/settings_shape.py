"""The shape of a chat's settings, to judge those that come from elsewhere."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType


class ToolDefinition(Struct, frozen=True):
    """A tool that the model may call; ``parameters`` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class ChatSettings(Struct, frozen=True):
    """What is unset is as the model's defaults have it."""

    system: str | UnsetType = UNSET
    temperature: float | UnsetType | None = UNSET
    top_p: float | UnsetType | None = UNSET
    top_k: int | UnsetType | None = UNSET
    min_p: float | UnsetType | None = UNSET
    repetition_penalty: float | UnsetType | None = UNSET
    max_tokens: int | UnsetType | None = UNSET
    context_length: int | UnsetType | None = UNSET
    overflow: Literal["error", "drop_oldest"] | UnsetType = UNSET
    seed: int | UnsetType | None = UNSET
    stop: list[str] | UnsetType = UNSET
    speculation: bool | UnsetType = UNSET
    json_mode: Literal["off", "object", "schema"] | UnsetType = UNSET
    json_schema: dict[str, Any] | UnsetType | None = UNSET
    tools: list[ToolDefinition] | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """The settings that are set."""
        settings: dict[str, Any] = msgspec.to_builtins(self)
        return settings
