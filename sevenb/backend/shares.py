"""How ranks of a tensor-parallel engine divide what is counted; the model and the exchanges must agree on it."""

_VOCABULARY_STEP = 64  # tokens at a time, so that embedding and head stay of convenient heights


def share(count: int, rank: int, ranks: int, step: int = 1) -> range:
    """A rank's own of ``count`` things, in whole steps; the first ranks have more where it does not come out even."""
    least, extra = divmod(-(-count // step), ranks)
    start, end = ((least * place + min(place, extra)) * step for place in (rank, rank + 1))
    return range(min(start, count), min(end, count))


def vocabulary_share(tokens: int, rank: int, ranks: int) -> range:
    """The tokens whose embeddings and logits a rank has."""
    return share(tokens, rank, ranks, _VOCABULARY_STEP if tokens >= _VOCABULARY_STEP * ranks else 1)
