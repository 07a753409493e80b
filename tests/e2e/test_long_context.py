"""A server whose context is stretched, and the options that go with it, on a model made for 512 tokens."""

from collections.abc import Iterator

import openai
import pytest

from tests.e2e.conftest import Program, serving
from tests.model.tiny_gguf import TinyModel

OPTIONS = (
    "--max-model-len", "2048", "--kv-cache-dtype", "int8", "--swap-space", "0.01", "--prefix-cache-disk", "0.1",
    "--no-speculation", "--num-speculative-tokens", "4", "--threads", "1",
)  # fmt: skip


@pytest.fixture(scope="module")
def stretched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("models")
    model = TinyModel(context=512).write(folder / "tiny.gguf")
    with serving(model, *OPTIONS, "--prefix-cache-dir", str(folder / "cache")) as program:
        yield program


def test_it_tells_its_memory_and_its_context(stretched: Program) -> None:
    output = "".join(stretched.output)
    assert "2,048 tokens in one conversation" in output
    assert "in int8" in output
    assert output.index("KV cache: ") < output.index("ready!")
    card = stretched.openai.models.list().data[0]
    assert card.model_dump()["max_model_len"] == 2048


@pytest.mark.parametrize(("prompt_tokens", "context"), [(100, 512), (600, 1024), (1500, 2048)])
def test_an_answer_ends_where_its_stretch_does(stretched: Program, prompt_tokens: int, context: int) -> None:
    with stretched.http as http:
        answer = http.post(
            "/v1/completions", json={"prompt": [7] * prompt_tokens, "ignore_eos": True, "temperature": 0}
        ).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["prompt_tokens"] == prompt_tokens
    assert answer["usage"]["total_tokens"] == context


def test_a_prompt_beyond_the_longest_stretch_is_refused_with_the_limit(stretched: Program) -> None:
    with pytest.raises(openai.BadRequestError, match="2100 tokens but the context holds 2048") as refusal:
        stretched.openai.completions.create(model="tiny", prompt=[7] * 2100, max_tokens=1)
    assert refusal.value.code == "context_length_exceeded"
