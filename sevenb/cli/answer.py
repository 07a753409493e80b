"""One answer as it comes: printed clean, stopped with Ctrl-C, and what there is to say about it afterwards."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue

from sevenb.cli.console import err
from sevenb.engine.llm import CompletionStream
from sevenb.engine.messages import Timings

LONG_PROMPT = 1000  # tokens; reading that many takes long enough to say so

# C0 but for tab and line feed, DEL and C1: what a terminal would obey instead of show.
_CONTROLS = dict.fromkeys([*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)])


@dataclass(frozen=True)
class Answer:
    """What was printed. ``ttft`` is in seconds, None when no text came; ``timings`` only of answers that ended."""

    text: str
    tokens: int
    finish_reason: str  # "stop" | "length" | "abort" when Ctrl-C stopped it
    ttft: float | None
    timings: Timings | None


def print_answer(stream: CompletionStream) -> Answer:
    """Print the text as it comes, and end the last line.

    A terminal gets no control characters, a pipe gets the text as it is.
    """
    prompt_tokens = len(stream.completion.prompt_token_ids)
    reading = f"Reading {prompt_tokens:,} tokens …" if prompt_tokens >= LONG_PROMPT else ""
    terminal = sys.stdout.isatty()
    started = time.monotonic()
    ttft: float | None = None
    text, finish_reason = "", "abort"
    try:
        with contextlib.closing(stream), waiting(reading) as waited:
            for delta in stream.deltas():
                if delta.text:
                    waited()
                    ttft = ttft or time.monotonic() - started
                    text += delta.text
                    print(printable(delta.text) if terminal else delta.text, end="", flush=True)
                finish_reason = delta.finish_reason or finish_reason
    finally:
        if text and not text.endswith("\n"):
            print(flush=True)
    completion = stream.completion
    return Answer(text, len(completion.outputs[0].token_ids), finish_reason, ttft, completion.timings)


def printable(text: str) -> str:
    """The text without control characters, of which a terminal would obey some."""
    return text.translate(_CONTROLS)


@contextlib.contextmanager
def waiting(text: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal that something is being done, until the yielded function is called."""
    if not (err.is_terminal and sys.stdout.isatty()):
        yield lambda: None
        return
    with err.status(text) as status:
        yield status.stop


@contextlib.contextmanager
def stopped_by_ctrl_c(stream: CompletionStream) -> Iterator[None]:
    """Let Ctrl-C end the answer once the present step is computed; a step cut in two would be left half done.

    A thread does it, since the handler runs in the midst of what it interrupts. All the handler may call is the queue,
    which is made for that.
    """
    presses: SimpleQueue[None] = SimpleQueue()

    def close_when_pressed() -> None:
        presses.get()
        stream.close()

    closer = threading.Thread(target=close_when_pressed, name="Ctrl-C")
    closer.start()
    before = signal.signal(signal.SIGINT, lambda number, frame: presses.put(None))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        presses.put(None)
        closer.join()


def cut_text(answer: Answer, max_tokens: int | None) -> str | None:
    """Why an answer is not whole; None for one that is."""
    if answer.finish_reason != "length":
        return None
    if max_tokens is not None and answer.tokens >= max_tokens:
        return f"The answer was cut at max_tokens, {max_tokens}."
    return "The answer was cut: the context is full."


def speed_text(answer: Answer) -> str:
    """The figures of an answer for people: TTFT, and tokens a second of prompt and answer."""
    parts = [] if answer.ttft is None else [f"TTFT {answer.ttft:.2f} s"]
    if timings := answer.timings:
        computed = timings.prompt_tokens - timings.cached_tokens
        cached = f" ({timings.cached_tokens} cached)" if timings.cached_tokens else ""
        parts.append(f"prompt {timings.prompt_tokens} tokens{cached}, {_speed(computed, timings.prefill)}")
        # The first token comes with the prefill.
        parts.append(f"answer {answer.tokens} tokens, {_speed(timings.completion_tokens - 1, timings.decode)}")
    else:
        parts.append(f"answer {answer.tokens} tokens")
    return " · ".join(parts)


def _speed(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:.1f} tokens/s" if tokens > 0 and seconds > 0 else "–"
