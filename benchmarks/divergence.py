"""How far an engine's next-token distributions are from the reference's, measured token by token of a given text."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_ROWS = 64  # compared at a time: a vocabulary of 152K takes 39 MB for each array of them


@dataclass(frozen=True)
class Fidelity:
    """An engine against the reference, over some texts. KL divergences are KL(reference ‖ engine) in nats."""

    tokens: int
    mean_kl: float
    mean_kl_in_context: float  # without the first token of each text, which has nothing before it
    kl_999: float  # 99.9 % of tokens have a lower one
    perplexity: float
    reference_perplexity: float
    top1_agreement: float  # part of tokens after which both find the same next token likeliest

    @property
    def perplexity_change(self) -> float:
        """Relative difference of the perplexities."""
        return self.perplexity / self.reference_perplexity - 1


class DivergenceMeter:
    """Takes logits text by text and keeps a few numbers a token."""

    def __init__(self) -> None:
        self._kl: list[float] = []
        self._firsts: list[int] = []
        self._agreements = 0
        self._loss: list[float] = []  # -log p of the token that follows, one less than tokens in each text
        self._reference_loss: list[float] = []

    def add(self, tokens: list[int], reference: Array, engine: Array) -> None:
        """Compare the logits [T, V] that both computed after each of a text's ``tokens`` [T]."""
        self._firsts.append(len(self._kl))
        for start in range(0, len(tokens), _ROWS):
            rows = slice(start, start + _ROWS)
            following = np.array(tokens[start + 1 : start + 1 + _ROWS])
            self._add_rows(following, reference[rows], engine[rows])

    def _add_rows(self, following: npt.NDArray[np.int64], reference: Array, engine: Array) -> None:
        # Only differences of logits are rounded to float32; what they add up to is not.
        reference_sum, engine_sum = _log_sum_exp(reference), _log_sum_exp(engine)
        weighted = np.exp(reference - reference_sum[:, None].astype(np.float32)) * (reference - engine)
        self._kl += (weighted.sum(axis=-1, dtype=np.float64) - (reference_sum - engine_sum)).tolist()
        self._agreements += int((reference.argmax(axis=-1) == engine.argmax(axis=-1)).sum())
        index = np.arange(len(following))
        self._reference_loss += (reference_sum[index] - reference[index, following]).tolist()
        self._loss += (engine_sum[index] - engine[index, following]).tolist()

    def fidelity(self) -> Fidelity:
        """What all texts so far come to."""
        kl = np.array(self._kl)
        return Fidelity(
            tokens=len(kl),
            mean_kl=float(kl.mean()),
            mean_kl_in_context=float(np.delete(kl, self._firsts).mean()),
            kl_999=float(np.quantile(kl, 0.999)),
            perplexity=float(np.exp(np.mean(self._loss))),
            reference_perplexity=float(np.exp(np.mean(self._reference_loss))),
            top1_agreement=self._agreements / len(kl),
        )


def _log_sum_exp(logits: Array) -> npt.NDArray[np.float64]:
    highest = logits.max(axis=-1)
    total = np.exp(logits - highest[:, None]).sum(axis=-1, dtype=np.float64)
    return np.asarray(highest + np.log(total), np.float64)
