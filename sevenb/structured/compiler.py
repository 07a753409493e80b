"""Grammars at work on a vocabulary: which tokens may come next. Runs in the engine's process."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sevenb.errors import InvalidRequest, SevenbError
from sevenb.structured.limits import parser_limits

_CACHED_GRAMMARS = 64
# Copies share the automaton of their grammar's terminals, which grows with use: begin anew now and then.
_COPIES_OF_ONE = 256


class GrammarCompiler:
    """Compiles grammars for one vocabulary. Thread-safe."""

    def __init__(
        self,
        tokens: Sequence[bytes],
        *,
        special: Collection[int],
        end_ids: Collection[int],
        encode: Callable[[str], list[int]] | None = None,
        vocab_size: int | None = None,
    ) -> None:
        """``tokens`` are the bytes of every id; of those in ``special`` (a grammar names them by id) the spelling.

        ``encode`` turns ordinary text, met anywhere in an answer, into ids as the model was trained (no start token, no
        special tokens); without it nothing is ever forced. ``vocab_size`` is how many logits there are, where those
        are more than tokens. Building takes about a second for 150,000 tokens, some of it with the GIL held.
        """
        from llguidance import LLTokenizer

        rows = vocab_size or len(tokens)
        self._end_ids = frozenset(end_ids)
        vocabulary = _Vocabulary([*tokens, *[b""] * (rows - len(tokens))], special, min(end_ids), encode)
        self._tokenizer = LLTokenizer(vocabulary, eos_token=sorted(end_ids))  # type: ignore[arg-type]
        self._forces = encode is not None
        self._cache: OrderedDict[str, _Compiled] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, grammar: str, prefix: str = "") -> "Matcher":
        """A fresh matcher at the grammar's start, or behind the text ``prefix``.

        Raises `InvalidRequest` for a grammar that is malformed or too large, or that no answer can begin so.
        """
        matcher = self._at_start(grammar)
        if prefix and not matcher.pass_text(self._tokenizer.tokenize_str(prefix)):
            raise InvalidRequest(
                "The answer so far does not keep to the shape that was asked for; leave the shape out, or begin anew."
            )
        return matcher

    def _at_start(self, grammar: str) -> "Matcher":
        with self._lock:
            known = self._cache.get(grammar)
            if known is not None and known.copies < _COPIES_OF_ONE:
                self._cache.move_to_end(grammar)
                return known.copy()
        compiled = _Compiled(self._compile(grammar))
        with self._lock:
            self._cache[grammar] = compiled
            self._cache.move_to_end(grammar)
            while len(self._cache) > _CACHED_GRAMMARS:
                self._cache.popitem(last=False)
            return compiled.copy()

    def _compile(self, grammar: str) -> "Matcher":
        from llguidance import LLMatcher

        inner = LLMatcher(self._tokenizer, grammar, log_level=0, limits=parser_limits())
        matcher = Matcher(inner, self._end_ids, forces=self._forces)
        if matcher.failure is not None:
            raise InvalidRequest(f"The output's grammar cannot be used ({matcher.failure}); simplify it.")
        return matcher


class Matcher:
    """One answer's place in its grammar. Not thread-safe, but copies are independent.

    End tokens are no part of a grammar: they may be accepted where it is `accepting`, and finish it.
    """

    def __init__(self, inner: Any, end_ids: frozenset[int], *, forces: bool, ended: bool = False) -> None:
        self._inner = inner
        self._end_ids = end_ids
        self._forces = forces
        self._ended = ended

    def copy(self) -> Self:
        """Another matcher at the same place."""
        return type(self)(self._inner.deep_copy(), self._end_ids, forces=self._forces, ended=self._ended)

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice; perhaps none."""
        return list(self._inner.compute_ff_tokens()) if self._forces and not self.finished else []

    def valid(self, tokens: Sequence[int]) -> int:
        """How many of these tokens, from the first on, the grammar would take. End tokens are not counted."""
        if self.finished or self.failure is not None:
            return 0
        before_end = next((i for i, token in enumerate(tokens) if token in self._end_ids), len(tokens))
        return int(self._inner.validate_tokens(list(tokens[:before_end]))) if before_end else 0

    def pass_text(self, tokens: Sequence[int]) -> bool:
        """Go on past tokens of a text that was there before; False where the grammar does not allow it."""
        return self._inner.try_consume_tokens(list(tokens)) == len(tokens) and self.failure is None

    def accept(self, tokens: Sequence[int]) -> None:
        """Go on past tokens that were generated; one the grammar does not allow raises `SevenbError`."""
        for i, token in enumerate(tokens):
            if token not in self._end_ids:
                continue
            self.accept(tokens[:i])
            if tokens[i + 1 :] or not self.accepting:
                if self._inner.compute_logit_bias()[token]:
                    raise InvalidRequest("The grammar names a token that ends an answer, but goes on; leave it out.")
                raise SevenbError("An answer ended where its grammar goes on; please report this.")
            self._ended = True
            return
        if tokens and self._inner.try_consume_tokens(list(tokens)) != len(tokens):
            if self.failure is not None:
                raise InvalidRequest(f"The answer cannot go on in its grammar ({self.failure}); simplify it.")
            raise SevenbError("An answer left its grammar (a token was not allowed); please report this.")

    @property
    def accepting(self) -> bool:
        """Whether the answer may end here."""
        return self.failure is None and (self._ended or bool(self._inner.is_accepting()))

    @property
    def finished(self) -> bool:
        """Whether the answer must end here: nothing but an end token may follow."""
        return self.failure is None and (self._ended or bool(self._inner.is_stopped()))

    @property
    def failure(self) -> str | None:
        """Why this matcher cannot go on, if so: its grammar met a limit or a dead end. It never recovers.

        The mask of such a matcher allows the end tokens, which would pass off half an answer as whole: look here after
        `fill_masks`.
        """
        if not self._inner.is_error():
            return None
        told = str(self._inner.get_error()).partition("\n")[0]
        return "no token may follow" if not told or told.startswith("NoExtension") else told


def fill_masks(matchers: Sequence[tuple[Matcher, Sequence[int]]], into: NDArray[np.uint32]) -> None:
    """Write which tokens may come next, and which after each draft token, as bits (lowest bit first).

    For each matcher 1 + len(drafts) rows of ``into`` [rows, ceil(vocabulary / 32)], in order. The drafts must be
    `Matcher.valid`, and no matcher may be listed twice. Runs in parallel without the GIL; matchers do not move.
    """
    rows, words = into.shape
    if into.dtype.itemsize != 4 or not into.flags.c_contiguous:
        raise ValueError("masks are a contiguous array of 32-bit words")
    plain: list[tuple[Any, int]] = []
    drafted: list[tuple[Any, int, list[int]]] = []
    row = 0
    for matcher, drafts in matchers:
        if drafts:
            drafted.append((matcher._inner, row, list(drafts)))
        else:
            plain.append((matcher._inner, row))
        row += 1 + len(drafts)
    if row > rows:
        raise ValueError(f"masks for {row} positions do not fit into {rows} rows")
    if plain:
        _executor().unsafe_compute_mask_ptr(plain, into.ctypes.data, words * 4, rows)
    if drafted:
        _executor().unsafe_compute_mask_ptr_with_draft_token(drafted, into.ctypes.data, words * 4, rows)


class _Compiled:
    """A grammar at its start, and how often it was copied."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self.copies = 0

    def copy(self) -> Matcher:
        self.copies += 1
        return self._matcher.copy()


class _Vocabulary:
    """What llguidance wants to know of a tokenizer, under the names it wants."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(
        self,
        tokens: list[bytes],
        special: Collection[int],
        eos_token_id: int,
        encode: Callable[[str], list[int]] | None,
    ) -> None:
        self.tokens = tokens
        self.special_token_ids = sorted(special)
        self.eos_token_id = eos_token_id
        self._encode = encode

    def __call__(self, text: str) -> list[int]:
        return self._encode(text) if self._encode is not None else self._longest_first(text.encode())

    def _longest_first(self, data: bytes) -> list[int]:
        """Some way to spell a text, where none is the model's own."""
        ids: list[int] = []
        while data:
            size = next((n for n in range(min(len(data), 32), 0, -1) if data[:n] in self._ids), 1)
            ids += [self._ids[data[:size]]] if data[:size] in self._ids else []
            data = data[size:]
        return ids

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        special = set(self.special_token_ids)
        return {token: i for i, token in enumerate(self.tokens) if i not in special}


@cache
def _executor() -> Any:
    from llguidance import LLExecutor

    return LLExecutor()
