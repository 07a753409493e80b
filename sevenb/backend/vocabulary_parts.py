"""How ranks of a tensor-parallel engine divide a vocabulary: what the model's files and the exchanges must agree on."""

STEP = 64  # rows of the embedding and the head at a time, so that matrices stay of convenient heights


def vocabulary_part(tokens: int, rank: int, ranks: int) -> range:
    """The tokens that are a rank's own; the first ranks have what does not divide evenly."""
    steps = -(-tokens // STEP)
    start, end = (-(-steps * place // ranks) * STEP for place in (rank, rank + 1))
    return range(min(start, tokens), min(end, tokens))
