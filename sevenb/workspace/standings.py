"""Standings: what votes come to."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sevenb.workspace.records import Standing, Vote


def standings_of(votes: Iterable[Vote]) -> Sequence[Standing]:
    """How each model did (with its label where that differs), the best first; "all are bad" is won by nobody."""
    fights: Counter[str] = Counter()
    wins: Counter[str] = Counter()
    ties: Counter[str] = Counter()
    for vote in votes:
        names = [_entrant(model, label) for model, label in zip(vote.models, vote.labels, strict=True)]
        fights.update(names)
        if vote.winner == "tie":
            ties.update(names)
        elif isinstance(vote.winner, int):
            wins[names[vote.winner]] += 1
    table = [
        Standing(name, count, wins[name], ties[name], (wins[name] + ties[name] / 2) / count)
        for name, count in fights.items()
    ]
    return sorted(table, key=lambda standing: (-standing.share, -standing.votes, standing.name))


def _entrant(model: str, label: str) -> str:
    return model if label in ("", model) else f"{model} · {label}"
