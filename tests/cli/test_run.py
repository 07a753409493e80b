"""``sevenb run`` with a prompt: the answer alone on standard output, and what scripts need to know beside it."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sevenb import LLM, SamplingParams
from sevenb.cli.answer import print_answer, printable
from tests.hub import Hub, serve
from tests.model.tiny_gguf import TinyModel

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = (sys.executable, "-m", "sevenb.cli.main", "run")
ENDLESS = ("--temperature", "0", "--threads", "1")  # the tiny model runs in circles then


@pytest.fixture
def sevenb_run(tmp_path: Path) -> Run:
    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            env={**os.environ, "SEVENB_HOME": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            timeout=200,
        )

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(context=8192).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


def test_the_answer_is_all_that_is_printed(sevenb_run: Run, coder_05b: Path) -> None:
    arguments = ("--temperature", "0", "--max-tokens", "20")
    result = sevenb_run(str(coder_05b), "What is the capital of France? Answer with one word.", *arguments)
    assert result.stdout in ("Paris\n", "Paris.\n")
    assert result.stderr == ""
    assert result.returncode == 0


def test_text_on_standard_input_follows_the_argument(sevenb_run: Run, coder_05b: Path) -> None:
    question = "In which programming language is this? Answer with one word."
    result = sevenb_run(str(coder_05b), question, "--temperature", "0", "--max-tokens", "20", stdin="puts 'hi'\n")
    assert "Ruby" in result.stdout


def test_standard_input_alone_is_the_prompt(sevenb_run: Run, tiny: Path) -> None:
    arguments = (str(tiny), "--temperature", "0", "--max-tokens", "5")
    assert sevenb_run(*arguments, stdin="the the").stdout == sevenb_run(*arguments, "the", "the").stdout != ""


def test_a_cut_answer_and_its_speed_are_told_apart_from_it(sevenb_run: Run, tiny: Path) -> None:
    result = sevenb_run(str(tiny), "the", "--max-tokens", "3", "--temperature", "0", "--verbose")
    cut, speed = result.stderr.splitlines()
    assert cut == "The answer was cut at max_tokens, 3."
    assert "TTFT" in speed
    assert "answer 3 tokens" in speed
    assert result.returncode == 0


def test_a_full_context_is_told(sevenb_run: Run, tiny: Path) -> None:
    assert "the context is full" in sevenb_run(str(tiny), "the", *ENDLESS, "--max-model-len", "64").stderr


def test_options_reach_the_sampler(sevenb_run: Run, tiny: Path) -> None:
    hot = ("--temperature", "2", "--top-k", "0", "--top-p", "1", "--max-tokens", "12")
    first = sevenb_run(str(tiny), "the", *hot, "--seed", "1").stdout
    assert sevenb_run(str(tiny), "the", *hot, "--seed", "1").stdout == first
    assert sevenb_run(str(tiny), "the", *hot, "--seed", "2").stdout != first
    assert sevenb_run(str(tiny), "the", *hot, "--seed", "1", "--system", "a pirate").stdout != first
    stop = first.strip()[3:5]
    assert sevenb_run(str(tiny), "the", *hot, "--seed", "1", "--stop", stop).stdout == first[: first.index(stop)] + "\n"


def test_a_model_that_is_not_here_is_pulled_in_silence(sevenb_run: Run, tiny: Path) -> None:
    with serve(Hub({"tiny-q8_0.gguf": tiny.read_bytes()})) as hub:
        result = sevenb_run("org/model", "the", "--max-tokens", "3", HF_ENDPOINT=hub.url)
    assert result.returncode == 0, result.stderr
    assert result.stdout
    assert "tiny-q8_0" not in result.stderr


def test_a_model_without_chat_template_goes_on_with_the_text(sevenb_run: Run, tmp_path: Path) -> None:
    tokens = [token.replace("<|im_start|>", "[A]") for token in TinyModel().tokens()]
    metadata = {"tokenizer.chat_template": "", "tokenizer.ggml.tokens": tokens}
    model = TinyModel().write(tmp_path / "base.gguf", **metadata)
    with LLM(model, threads=1) as llm:
        params = SamplingParams(temperature=0, max_tokens=5, repetition_penalty=1.05)  # as run penalises on its own
        text = llm.generate("the", params)[0].outputs[0].text
    result = sevenb_run(str(model), "the", "--temperature", "0", "--max-tokens", "5")
    assert result.stdout.rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nosuch:1b", "hello"), 1, "There is no model 'nosuch:1b'"),
        (("./missing.gguf", "hello"), 1, "There is no file or folder ./missing.gguf"),
        (("TINY",), 1, "There is nothing to answer; give a prompt, or text on standard input."),
        (("TINY", "hello", "--top-p", "7"), 1, "top_p is 7.0; it must lie in (0.0, 1.0]."),
        (("TINY", "hello", "--threads", "0"), 1, "threads is 0; it must be at least 1."),
        (("TINY", "hello", "--max-model-len", "9999999"), 1, "choose at most 32768"),
        (("TINY", "x" * 300, "--max-model-len", "256"), 1, "the context holds 256"),
        (("TINY", "hello", "--top-k", "many"), 2, "Invalid value for '--top-k'"),
        (("TINY", "hello", "--backend", "abacus"), 2, "Invalid value for '--backend'"),
        (("TINY", "hello", "--colour"), 2, "No such option"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    sevenb_run: Run, tiny: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    result = sevenb_run(*(str(tiny) if argument == "TINY" else argument for argument in arguments))
    assert result.returncode == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@contextmanager
def answering(model: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A run that has begun its answer."""
    command = [*COMMAND, str(model), "the", *ENDLESS]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as run:
        assert run.stdout
        run.stdout.read(1)
        yield run


def test_ctrl_c_ends_the_program(tiny: Path) -> None:
    with answering(tiny) as run:
        run.send_signal(signal.SIGINT)
        assert run.wait(150) == 130
        assert run.stderr
        assert b"Traceback" not in run.stderr.read()


def test_a_closed_pipe_ends_the_program_silently(tiny: Path) -> None:
    with answering(tiny) as run:
        assert run.stdout
        assert run.stderr
        run.stdout.close()
        assert run.wait(150) == -signal.SIGPIPE
        assert run.stderr.read() == b""


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_no_control_characters_and_a_pipe_gets_all(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LLM(tiny, threads=1) as llm:
        (escape,) = llm.tokenizer.encode("\x1b")
        params = SamplingParams(temperature=0, max_tokens=3, logit_bias={escape: 100.0})
        for output, shown in (_Screen(), "\n"), (io.StringIO(), "\x1b\x1b\x1b\n"):
            monkeypatch.setattr(sys, "stdout", output)
            assert print_answer(llm.stream("the", params)).text == "\x1b\x1b\x1b"
            assert output.getvalue() == shown


def test_only_what_a_terminal_would_obey_is_left_out() -> None:
    assert printable("a\tb\n\x1b]0;title\x07\r\x08\x7f\x9b2J é 你好 🙂") == "a\tb\n]0;title2J é 你好 🙂"
