"""Prompts of an exact number of tokens, for any model: words that are one token each, counted by the server itself."""

import asyncio
import random
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import msgspec

from sevenb.errors import InvalidRequest, TargetLacks, TargetRefused
from sevenb.lab.target.client import Client

# Each is one token, with a space before it and without, in the vocabularies of Qwen2.5, SmolLM2 and Mistral (both).
_SINGLE_TOKENS = """
    time year people way day man thing woman life child world school state family student group country hand part
    place case week company system program question work number night point home water room mother area story fact
    month lot right book job word business issue side kind head house service friend father power hour game line
    end member law car city name team idea body information back parent face others level door health person art
    war history party result change reason girl moment air force foot boy age policy market plan interest effect
    use class control care field role rate heart show light voice mind price report son view town road arm value
    building action season tax position player record paper space ground form event center site project activity
    star table need court cost figure image phone data picture piece land product wall patient worker news test
    love support step type film tree source look window energy period course plant term letter condition choice
    rule floor material call fire future bank west board subject rest top bed order author color store sound page
    skill section station model river bridge stone glass cloud storm bird fish wheel engine train ship wind gold
    bread apple green blue red black white small large long short high low late open close full empty fast hard
    soft strong weak old new good bad clear simple single double public private local final general common special
"""
_WORDS = _SINGLE_TOKENS.split()

_TASK = "\n\nDo not use the words above. Explain step by step, in whole paragraphs, how a large sailing ship is built."
_GUESSED_OVERHEAD = 48  # tokens of template and task, where the server counts none
_COPIES = 9
_TRIES = 20  # words, until one is found that is a single token

Messages = list[dict[str, str]]


class Prompts(msgspec.Struct, frozen=True):
    """Makes prompts for one model. ``words`` are one token each; ``overhead`` are the tokens of all but them.

    ``counted``: False where the server tells no usage, so that lengths are a guess.
    """

    words: tuple[str, ...]
    overhead: int
    counted: bool

    def make(self, tokens: int, seed: int) -> Messages:
        """Random words and a task, ``tokens`` long after templating; other seeds differ from the first word on.

        Raises `InvalidRequest` for fewer tokens than template and task alone have.
        """
        if tokens <= self.overhead:
            raise InvalidRequest(
                f"A prompt for this model has more than {self.overhead} tokens, so {tokens} is too short a length."
            )
        return _messages(random.Random(seed).choices(self.words, k=tokens - self.overhead))


async def calibrated(client: Client) -> Prompts:
    """Learn from a few short requests how this model counts."""
    for word in _WORDS[:_TRIES]:
        one, many = await _count(client, [word]), await _count(client, [word] * _COPIES)
        if one is None or many is None:
            return Prompts(tuple(_WORDS), _GUESSED_OVERHEAD, counted=False)
        if many - one == _COPIES - 1:
            return Prompts(tuple(await _single(client, _WORDS, one - 1)), one - 1, counted=True)
    raise TargetLacks(
        f"The server at {client.target.url} counts tokens in a way that prompts of a known length cannot be made for."
    )


_known: WeakKeyDictionary[Client, Prompts] = WeakKeyDictionary()
_learning: WeakKeyDictionary[Client, asyncio.Lock] = WeakKeyDictionary()


async def prompt_of(client: Client, tokens: int, seed: int) -> Messages:
    """A prompt of so many tokens after templating, for the model of this client; calibrated at the first call."""
    async with _learning.setdefault(client, asyncio.Lock()):
        if client not in _known:
            _known[client] = await calibrated(client)
    return _known[client].make(tokens, seed)


async def _single(client: Client, words: Sequence[str], overhead: int) -> list[str]:
    """Those of the words that are one token each: all are where their number is that of the tokens."""
    try:
        if await _count(client, words) == overhead + len(words):
            return list(words)
    except TargetRefused:  # a very short context
        if len(words) == 1:
            raise
    if len(words) == 1:
        return []
    half = len(words) // 2
    return await _single(client, words[:half], overhead) + await _single(client, words[half:], overhead)


async def _count(client: Client, words: Sequence[str]) -> int | None:
    answer = await client.chat(_messages(words), max_tokens=1, temperature=0)
    return answer.prompt_tokens


def _messages(words: Sequence[str]) -> Messages:
    return [{"role": "user", "content": " ".join(words) + _TASK}]
