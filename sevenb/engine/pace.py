"""`Pace`: how many prompt tokens a step may compute, so that those who watch their streams hardly notice."""

from collections import deque
from statistics import median

SLOWDOWN = 2.3  # a step with prompts may last that many times as long as one without
LONGEST_STEP = 0.5  # seconds of a step that only prompts take part in: newcomers and aborts wait for its end
TILE = 4  # tokens of a step come in multiples of this, which kernels like; prompts get half of one at least
WORTHWHILE = 128  # tokens that a step of prompts alone computes, however long it takes: shorter ones are slow
CLOCK_TICK = 1e-7  # seconds; nothing takes less
REMEMBERED = 9  # steps that an estimate is made from
TRUSTED = 64  # steps with prompts after which the time of one without is measured again


class Pace:
    """Learns from the steps themselves what they cost on this machine, with this model, at these depths.

    With sequences that decode, a step gets as many prompt tokens as keep it within `SLOWDOWN` times a step without
    any, but never fewer than half a `TILE`: prompts progress in at least every second step. To know what a step
    without prompts takes, one is made now and then.
    """

    def __init__(self, most: int) -> None:
        """``most`` is the limit that holds in any case."""
        self._most = most
        self._decode_times: deque[float] = deque(maxlen=REMEMBERED)  # seconds of steps without prompts and guesses
        self._guess_times: deque[float] = deque(maxlen=REMEMBERED)  # of those in which sequences tried guesses
        self._decoding = 0  # sequences that took part in those
        self._since_decode_step = 0  # steps with prompts
        self._prompt_costs: dict[int, float] = {}  # seconds a token, by the bit length of its depth

    def prompt_tokens(self, decoding: int, depth: int) -> int:
        """The budget of the next step: ``decoding`` sequences take part, and the first prompt stands at ``depth``."""
        if not decoding:
            cost = self._prompt_cost(depth)
            affordable = self._most if cost is None else max(int(LONGEST_STEP / cost), WORTHWHILE)
            return min(affordable, self._most)
        if self._must_measure(decoding):
            return 0
        cost = self._prompt_cost(depth)
        affordable = 0 if cost is None else int(self.slack / cost)
        return min(_whole_tiles(decoding + affordable, at_least=decoding + TILE // 2), self._most) - decoding

    @property
    def slack(self) -> float:
        """Seconds that a step may take beyond what its decoding sequences need."""
        return (SLOWDOWN - 1) * self._decode_time

    @property
    def _decode_time(self) -> float:
        """Seconds of a step without prompts; 0 while none is known. Guesses make it longer, so they hardly count."""
        known = self._decode_times or self._guess_times
        return median(known) if known else 0.0

    def note(self, seconds: float, *, decoding: int, prompt_tokens: int, depth: int, guessed: bool = False) -> None:
        """Learn from a step: its sequences that decoded, its prompt tokens and the depth of the first of them.

        ``guessed`` tells that some sequence tried more than one token.
        """
        if not prompt_tokens:
            if decoding:
                if self._is_far_from(decoding):
                    self._decode_times.clear()
                    self._guess_times.clear()
                self._decoding = decoding
                (self._guess_times if guessed else self._decode_times).append(seconds)
                self._since_decode_step = 0
            return
        if decoding:
            self._since_decode_step += 1
            if not self._knows_decoding:
                return
            seconds = max(seconds - self._decode_time, seconds / 10)
        cost, bucket = max(seconds, CLOCK_TICK) / prompt_tokens, depth.bit_length()
        known = self._prompt_costs.get(bucket, cost)
        self._prompt_costs[bucket] = known + (cost - known) / 3

    def _prompt_cost(self, depth: int) -> float | None:
        """Seconds a prompt token takes at a depth, or at the nearest one that is known."""
        if not self._prompt_costs:
            return None
        bucket = depth.bit_length()
        return self._prompt_costs[min(self._prompt_costs, key=lambda known: abs(known - bucket))]

    @property
    def _knows_decoding(self) -> bool:
        return bool(self._decode_times or self._guess_times)

    def _must_measure(self, decoding: int) -> bool:
        if self._since_decode_step == 0 and self._knows_decoding:
            return False  # the last step was such a one: now the prompts
        return not self._knows_decoding or self._since_decode_step >= TRUSTED or self._is_far_from(decoding)

    def _is_far_from(self, decoding: int) -> bool:
        return 4 * abs(decoding - self._decoding) > self._decoding


def _whole_tiles(tokens: int, at_least: int) -> int:
    return max(tokens // TILE, -(-at_least // TILE)) * TILE
