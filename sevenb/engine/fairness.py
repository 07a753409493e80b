"""Who comes first when there is not enough for all: clients share alike, however much each asks for."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from sevenb.engine.sequence import Sequence


def fair_order(sequences: Iterable[Sequence]) -> list[Sequence]:
    """By priority; within one, the first sequence of every client before the second of any, and so on.

    The last are the first to make room.
    """
    return [sequence for _, sequence in standings(sequences)]


def standings(sequences: Iterable[Sequence]) -> list[tuple[tuple[int, int], Sequence]]:
    """`fair_order` with each sequence's standing: priority, and how many of its client's come before it."""
    seen: Counter[tuple[int, str]] = Counter()
    standing = []
    for sequence in sorted(sequences, key=lambda sequence: sequence.rank):
        request = sequence.request
        group = request.priority, request.client
        standing.append(((request.priority, seen[group]), sequence))
        seen[group] += 1
    return sorted(standing, key=lambda entry: entry[0])


def share_tokens(prompts: Iterable[Sequence], budget: int) -> list[tuple[Sequence, int]]:
    """How many tokens of each prompt a step computes, ``budget`` in all.

    The smallest priority takes what it can use. Its clients get equal shares; what one does not need goes to the
    others. Of a client's share, half goes to its oldest prompt, which so comes to an end, and half to those with the
    least left, which so need not wait for that.
    """
    priorities: dict[int, dict[str, list[Sequence]]] = defaultdict(lambda: defaultdict(list))
    for sequence in sorted(prompts, key=lambda sequence: sequence.rank):
        priorities[sequence.request.priority][sequence.request.client].append(sequence)
    shares: list[tuple[Sequence, int]] = []
    for _, clients in sorted(priorities.items()):
        modest_first = sorted(clients.values(), key=_demand)
        for served, sequences in enumerate(modest_first):
            share = min(_demand(sequences), budget // (len(modest_first) - served))
            shares += _split(sequences, share)
            budget -= share
    return [(sequence, tokens) for sequence, tokens in shares if tokens]


def _demand(sequences: list[Sequence]) -> int:
    return sum(sequence.uncomputed for sequence in sequences)


def _split(sequences: list[Sequence], share: int) -> list[tuple[Sequence, int]]:
    """One client's share over its prompts, oldest first."""
    oldest, *others = sequences
    for_others = share // 2
    parts = []
    for sequence in sorted(others, key=lambda sequence: sequence.uncomputed):
        parts.append((sequence, min(sequence.uncomputed, for_others)))
        for_others -= parts[-1][1]
    used = sum(tokens for _, tokens in parts)
    first = min(oldest.uncomputed, share - used)
    rest = share - used - first  # the oldest is nearly done: others take what it leaves
    topped = []
    for sequence, tokens in parts:
        more = min(sequence.uncomputed - tokens, rest)
        rest -= more
        topped.append((sequence, tokens + more))
    return [(oldest, first), *topped]
