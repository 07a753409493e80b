"""`Conversation`: what was said so far, kept within the model's context."""

from dataclasses import dataclass, field

from sevenb.engine.llm import LLM


@dataclass(frozen=True)
class Turn:
    """A question and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """A conversation ready to be answered; ``forgotten`` turns had to go for it."""

    token_ids: list[int]
    forgotten: int


@dataclass
class Conversation:
    """The turns of one chat, oldest first."""

    llm: LLM
    turns: list[Turn] = field(default_factory=list)

    def prompt(self, question: str, system: str | None, max_tokens: int | None) -> Prompt:
        """The prompt for the next answer, which leaves room for ``max_tokens`` or an eighth of the context.

        Where there is no such room the oldest turns are forgotten, and at once so many that half of the context is
        free: the prefix cache does not know what is left, so all of it has to be computed anew.
        """
        context = self.llm.info.max_model_len
        token_ids = self._render(question, system)
        if len(token_ids) + min(max_tokens or context, context // 8) <= context:
            return Prompt(token_ids, 0)
        before = len(self.turns)
        while self.turns and len(token_ids) > context // 2:
            del self.turns[0]
            token_ids = self._render(question, system)
        return Prompt(token_ids, before - len(self.turns))

    def add(self, question: str, answer: str) -> None:
        """Remember a turn."""
        self.turns.append(Turn(question, answer))

    def clear(self) -> None:
        """Forget all turns."""
        self.turns.clear()

    def _render(self, question: str, system: str | None) -> list[int]:
        messages = [] if system is None else [{"role": "system", "content": system}]
        for turn in self.turns:
            messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.answer}]
        return self.llm.render_chat([*messages, {"role": "user", "content": question}])
