"""What the workspace hands out: accounts, chats, comparisons and usage as frozen records. Times are Unix seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["admin", "user"]
MessageRole = Literal["user", "assistant", "tool"]
MessageStatus = Literal["complete", "running", "stopped", "interrupted", "failed"]
FinishReason = Literal["stop", "length", "tool_calls", "abort"]
Winner = int | Literal["tie", "none"]

# -- accounts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class User:
    """An account, or (``local``) the single user of a server without accounts."""

    id: str
    name: str
    role: Role
    created_at: float
    last_login_at: float | None = None
    disabled: bool = False
    local: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether this user may manage others and the server."""
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in. Its token is known to that browser alone."""

    id: str
    user_id: str
    created_at: float
    last_seen_at: float
    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for programs. ``prefix``: the first characters of the secret, to tell keys apart."""

    id: str
    user_id: str
    name: str
    prefix: str
    created_at: float
    last_used_at: float | None = None
    expires_at: float | None = None


# -- chats -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of chats; ``chats`` counts them."""

    id: str
    name: str
    chats: int = 0


@dataclass(frozen=True, slots=True)
class Persona:
    """A system prompt with settings, under a name."""

    id: str
    name: str
    system: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text file that goes into the prompt."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made; ``arguments`` is JSON, cut off where the answer was."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer failed, as the page shows it."""

    message: str
    code: str | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How fast an answer came. ``ttft`` in seconds; ``truncated_tokens`` of the prompt were left out."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    ttft: float
    tokens_per_second: float | None = None
    truncated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be kept; `Message` says what its fields mean."""

    role: MessageRole
    content: str = ""
    parent_id: str | None = None
    attachments: Sequence[Attachment] = ()
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    model: str | None = None
    status: MessageStatus = "complete"
    finish_reason: FinishReason | None = None
    error: Problem | None = None
    figures: Figures | None = None
    valid: bool | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a chat's tree; ``parent_id`` is the one it follows, or none for the first."""

    id: str
    parent_id: str | None
    role: MessageRole
    content: str
    attachments: Sequence[Attachment]
    tool_calls: Sequence[ToolCall]
    tool_call_id: str | None
    model: str | None
    status: MessageStatus
    finish_reason: FinishReason | None
    error: Problem | None
    figures: Figures | None
    valid: bool | None
    created_at: float


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """A line of the history. ``titled``: the user gave the title."""

    id: str
    title: str
    titled: bool
    model: str | None
    pinned: bool
    folder_id: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Chat(ChatSummary):
    """A chat with all its branches, oldest message first. ``leaf_id`` ends the branch that is shown."""

    settings: dict[str, Any] = field(default_factory=dict)
    leaf_id: str | None = None
    messages: Sequence[Message] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message, or (without one) a title, that has the words; ``snippet`` has them between \\u0002 and \\u0003."""

    chat: ChatSummary
    message_id: str | None
    role: MessageRole | None
    snippet: str


@dataclass(frozen=True, slots=True)
class SkippedChat:
    """A chat that was not imported, and why."""

    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of an archive."""

    imported: int
    skipped: Sequence[SkippedChat] = ()


# -- comparisons -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewComparisonEntry:
    """A column of a comparison that is to be made."""

    label: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComparisonEntry:
    """A column: a model with settings, and its own chat, which the history does not list."""

    label: str
    model: str
    settings: dict[str, Any]
    chat_id: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same messages to two or three models or settings."""

    id: str
    title: str
    entries: Sequence[ComparisonEntry]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Vote:
    """Which of the answers (one an entry) was better: the entry's index, or ``tie``, or ``none`` where all are bad."""

    id: str
    comparison_id: str
    message: str
    models: Sequence[str]
    labels: Sequence[str]
    answer_ids: Sequence[str | None]
    winner: Winner
    figures: Sequence[Figures | None]
    created_at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How one entrant did; in ``share`` a tie counts half."""

    name: str
    votes: int
    wins: int
    ties: int
    share: float


@dataclass(frozen=True, slots=True)
class VoteTable:
    """All votes of a user, newest first, and what they come to, best first."""

    votes: Sequence[Vote]
    standings: Sequence[Standing]


# -- usage and audit ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """Tokens of finished requests; ``at`` in Unix seconds, now where None."""

    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    user_id: str | None = None
    key_id: str | None = None
    at: float | None = None
    requests: int = 1


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a user had of a model on a day (``2026-11-22``, UTC). ``user`` is None for keys without an account."""

    day: str
    user_id: str | None
    user: str | None
    model: str
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something an administrator did."""

    id: str
    at: float
    actor: str
    action: str
    target: str
    details: dict[str, Any]
