"""Chats: the history of each user, and the tree of messages in each chat."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from sevenb.workspace.database import Database
from sevenb.workspace.records import (
    Attachment,
    Chat,
    ChatSummary,
    Figures,
    FinishReason,
    ImportResult,
    Message,
    MessageStatus,
    NewMessage,
    Problem,
    SearchHit,
    ToolCall,
)


class ChatChanges(TypedDict, total=False):
    """What `Chats.update` can change. ``title`` also sets ``titled`` unless that is given; "" takes both back."""

    title: str
    titled: bool
    model: str | None
    pinned: bool
    folder_id: str | None
    leaf_id: str | None
    settings: Mapping[str, Any]


class MessageChanges(TypedDict, total=False):
    """What `Chats.update_message` can change."""

    content: str
    attachments: Sequence[Attachment]
    tool_calls: Sequence[ToolCall]
    model: str | None
    status: MessageStatus
    finish_reason: FinishReason | None
    error: Problem | None
    figures: Figures | None
    valid: bool | None


class Chats:
    """The chats of all users. Another user's chat and a missing one are the same `NotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, user_id: str, *, folder: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[ChatSummary], str | None]:
        """One page of the history, pinned ones first, then the newest, and the cursor of the next page.

        ``folder``: a folder's id, ``"none"`` for chats without one, None for all.
        """
        raise NotImplementedError

    def create(
        self,
        user_id: str,
        *,
        title: str = "",
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
        folder_id: str | None = None,
        hidden: bool = False,
    ) -> Chat:
        """Make a chat. The history does not list hidden ones, which belong to comparisons."""
        raise NotImplementedError

    def get(self, user_id: str, chat_id: str) -> Chat:
        """A chat with all its messages."""
        raise NotImplementedError

    def summary(self, user_id: str, chat_id: str) -> ChatSummary:
        """A chat's line of the history."""
        raise NotImplementedError

    def update(self, user_id: str, chat_id: str, **changes: Unpack[ChatChanges]) -> ChatSummary:
        """Change what is given."""
        raise NotImplementedError

    def delete(self, user_id: str, chat_id: str) -> None:
        """Delete a chat; `restore` takes that back until `purge`."""
        raise NotImplementedError

    def restore(self, user_id: str, chat_id: str) -> ChatSummary:
        """Take the deletion back."""
        raise NotImplementedError

    def purge(self, older_than_seconds: float) -> int:
        """Erase chats that were deleted that long ago; returns how many."""
        raise NotImplementedError

    # -- messages ------------------------------------------------------------------------------------

    def add_message(self, user_id: str, chat_id: str, message: NewMessage) -> Message:
        """Keep a message; it becomes the chat's leaf."""
        return self.add_messages(user_id, chat_id, [message])[0]

    def add_messages(self, user_id: str, chat_id: str, messages: Sequence[NewMessage]) -> Sequence[Message]:
        """Keep messages, all or none: the first follows its ``parent_id``, each other one the message before it."""
        raise NotImplementedError

    def get_message(self, user_id: str, message_id: str) -> Message:
        """One message."""
        raise NotImplementedError

    def update_message(self, user_id: str, message_id: str, **changes: Unpack[MessageChanges]) -> Message:
        """Change what is given. The text can be searched for once the message is no longer running."""
        raise NotImplementedError

    def delete_message(self, user_id: str, message_id: str) -> None:
        """Delete a message and all that follow it."""
        raise NotImplementedError

    def interrupt_running(self) -> int:
        """Call interrupted what a server that went down left running; returns how many messages."""
        raise NotImplementedError

    # -- search, export, import ----------------------------------------------------------------------

    def search(self, user_id: str, query: str, limit: int = 30) -> Sequence[SearchHit]:
        """Messages and titles with all words of the query (the last may be a beginning), best first."""
        raise NotImplementedError

    def export(self, user_id: str, chat_ids: Sequence[str] | None = None) -> dict[str, Any]:
        """A ``ChatArchive`` of these chats, or of the whole history, ready for JSON."""
        raise NotImplementedError

    def import_(self, user_id: str, archive: Any) -> ImportResult:
        """Add the chats of a ``ChatArchive``, each whole or not at all, under new ids.

        InvalidRequest where it is no archive.
        """
        raise NotImplementedError
