"""Many requests of every kind at once, cancelled at random: none lost, none mixed up, all blocks returned."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.sampling_params import SamplingParams
from tests.engine.fake_model import VOCAB_SIZE, expected_tokens
from tests.engine.harness import Harness

END_TOKENS = [0, 1]


def check_request(
    harness: Harness, request_id: str, prompt: list[int], params: SamplingParams, aborted: set[int]
) -> None:
    outcome = harness.outcomes[request_id]
    assert outcome.finished
    for index in range(params.n):
        expected = expected_tokens(
            prompt, params, index=index, stop_token_ids=END_TOKENS, max_model_len=harness.max_model_len
        )
        if outcome.finish_reasons[index] == "abort":
            assert index in aborted
            assert outcome.tokens[index] == expected[: len(outcome.tokens[index])]
        else:
            assert outcome.tokens[index] == expected
            assert outcome.finish_reasons[index] == ("stop" if expected[-1] in END_TOKENS else "length")


@pytest.mark.parametrize("swap_space", [0, 100_000])
def test_two_hundred_requests_with_cancellations_leave_no_block_used(swap_space: int) -> None:
    chance = random.Random(5)
    harness = Harness(blocks=70, block_size=4, max_num_seqs=12, max_num_batched_tokens=48, swap_space=swap_space)
    stems = [chance.choices(range(VOCAB_SIZE), k=40) for _ in range(4)]
    asked: dict[str, tuple[list[int], SamplingParams, set[int]]] = {}
    while len(asked) < 200 or harness.engine.has_work:
        for _ in range(chance.choice([0, 0, 1, 3]) if len(asked) < 200 else 0):
            stem = chance.choice(stems)[: chance.randint(0, 40)]
            prompt = stem + chance.choices(range(VOCAB_SIZE), k=chance.randint(1, 30))
            params = SamplingParams(
                n=chance.choice([1, 1, 1, 2, 4]),
                seed=chance.randrange(10),
                temperature=chance.choice([0, 0.8]),
                max_tokens=chance.randint(1, 60),
                min_tokens=chance.choice([0, 5]),
                frequency_penalty=chance.choice([0, 0.5]),
                prompt_logprobs=chance.choice([None, None, 0]),
            )
            request = harness.add(
                prompt,
                params,
                stop_token_ids=END_TOKENS,
                priority=chance.choice([0, 0, 1]),
                client=chance.choice(["", "", "", "another"]),
            )
            asked[request] = (prompt, params, set())
        if chance.random() < 0.3 and asked:
            request = chance.choice(list(asked)[-15:])
            _, params, aborted = asked[request]
            index = chance.choice([None, *range(params.n)])
            aborted |= set(range(params.n)) if index is None else {index}
            harness.engine.abort(request, index)
        harness.step()
    for request, (prompt, params, aborted) in asked.items():
        check_request(harness, request, prompt, params, aborted)
    stats = harness.engine.stats()
    assert stats.kv_blocks_used == 0
    assert stats.preemptions > 0
    assert stats.cached_tokens > 0
    assert (stats.kv_blocks_restored > 0) == (swap_space > 0)


class EngineMachine(RuleBasedStateMachine):
    """Requests, cancellations and steps in any order on engines of any size."""

    @initialize(
        blocks=st.integers(3, 30),
        block_size=st.integers(1, 5),
        seats=st.integers(1, 5),
        budget=st.integers(5, 20),
        caching=st.booleans(),
        swap_space=st.sampled_from([0, 200, 100_000]),
        disk_space=st.sampled_from([0, 0, 500, 100_000]),
    )
    def build(
        self,
        blocks: int,
        block_size: int,
        seats: int,
        budget: int,
        caching: bool,
        swap_space: int,
        disk_space: int,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.harness = Harness(
            swap_space=swap_space,
            disk=DiskTier(Path(self.folder.name), disk_space) if disk_space else None,
            blocks=blocks,
            block_size=block_size,
            max_num_seqs=seats,
            max_num_batched_tokens=budget,
            enable_prefix_caching=caching,
        )
        self.asked: dict[str, tuple[list[int], SamplingParams, set[int]]] = {}

    @rule(
        length=st.integers(1, 60),
        alike=st.booleans(),
        n=st.integers(1, 4),
        max_tokens=st.integers(1, 12),
        temperature=st.sampled_from([0.0, 1.0]),
        prompt_logprobs=st.sampled_from([None, 0]),
        priority=st.integers(0, 2),
        client=st.sampled_from("abc"),
    )
    def ask(
        self,
        length: int,
        alike: bool,
        n: int,
        max_tokens: int,
        temperature: float,
        prompt_logprobs: int | None,
        priority: int,
        client: str,
    ) -> None:
        length = min(length, self.harness.max_model_len - 1)
        prompt = random.Random(0 if alike else len(self.asked)).choices(range(VOCAB_SIZE), k=length)
        params = SamplingParams(
            n=n, seed=len(self.asked), max_tokens=max_tokens, temperature=temperature, prompt_logprobs=prompt_logprobs
        )
        request = self.harness.add(prompt, params, stop_token_ids=END_TOKENS, priority=priority, client=client)
        self.asked[request] = (prompt, params, set())

    @rule(count=st.integers(1, 8))
    def step(self, count: int) -> None:
        for _ in range(count):
            self.harness.step()

    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        if self.asked:
            request = data.draw(st.sampled_from(list(self.asked)))
            _, params, aborted = self.asked[request]
            index = data.draw(st.sampled_from([None, *range(params.n)]))
            aborted |= set(range(params.n)) if index is None else {index}
            self.harness.engine.abort(request, index)

    def teardown(self) -> None:
        if hasattr(self, "harness"):
            self.harness.run(most_steps=5000)
            self.harness.engine.close()
            self.folder.cleanup()
            assert self.harness.blocks_used == 0
            for request, (prompt, params, aborted) in self.asked.items():
                check_request(self.harness, request, prompt, params, aborted)


EngineMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestEngineMachine = EngineMachine.TestCase
