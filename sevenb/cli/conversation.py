"""`Conversation`: what was said so far, kept within the model's context."""

from dataclasses import dataclass, field, replace

from sevenb.engine.llm import LLM

_ELLIPSIS, _ELLIPSIS_TOKENS = "… ", 16  # stands for what is gone; room for it and for tokens cut in two


@dataclass(frozen=True)
class Turn:
    """A question and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True)
class Prompt:
    """A conversation ready to be answered; ``forgotten`` turns had to go for it, or the last one's beginning."""

    token_ids: list[int]
    forgotten: int = 0
    shortened: bool = False


@dataclass
class Conversation:
    """The turns of one chat, oldest first."""

    llm: LLM
    turns: list[Turn] = field(default_factory=list)

    def prompt(self, question: str, system: str | None, max_tokens: int | None) -> Prompt:
        """The prompt for the next answer, which leaves room for ``max_tokens`` or an eighth of the context.

        Where there is no such room the oldest turns are forgotten, and at once so many that half of the context is
        free: the prefix cache does not know what is left, so all of it has to be computed anew. Of the last answer the
        end stays, so that it can be gone on with.
        """
        context = self.llm.info.max_model_len
        token_ids = self._render(question, system)
        if len(token_ids) + min(max_tokens or context, context // 8) <= context:
            return Prompt(token_ids)
        before = len(self.turns)
        while len(self.turns) > 1 and len(token_ids) > context // 2:
            del self.turns[0]
            token_ids = self._render(question, system)
        shortened = bool(self.turns) and len(token_ids) > context // 2
        if shortened:
            self._shorten_last(len(token_ids) - context // 2)
            token_ids = self._render(question, system)
        return Prompt(token_ids, before - len(self.turns), shortened and bool(self.turns))

    def can_go_on(self, system: str | None) -> bool:
        """Whether a short question would still find the last turn, or at least the end of its answer."""
        context = self.llm.info.max_model_len
        if len(self._render("", system)) + context // 8 <= context:
            return True
        question = Conversation(self.llm, [replace(turn, answer="") for turn in self.turns[-1:]])
        return len(question._render("", system)) < context // 4

    def add(self, question: str, answer: str) -> None:
        """Remember a turn."""
        self.turns.append(Turn(question, answer))

    def clear(self) -> None:
        """Forget all turns."""
        self.turns.clear()

    def _shorten_last(self, tokens: int) -> None:
        """Take ``tokens`` from the beginning of the last answer; a turn whose question alone is too long goes."""
        last, tokenizer = self.turns.pop(), self.llm.tokenizer
        rest = tokenizer.encode(last.answer, add_bos=False)[tokens + _ELLIPSIS_TOKENS :]
        if rest:
            self.turns.append(replace(last, answer=_ELLIPSIS + tokenizer.decode(rest)))

    def _render(self, question: str, system: str | None) -> list[int]:
        messages = [] if system is None else [{"role": "system", "content": system}]
        for turn in self.turns:
            messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.answer}]
        return self.llm.render_chat([*messages, {"role": "user", "content": question}])
