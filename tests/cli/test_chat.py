"""``sevenb run`` as a chat, in a real terminal: the real model where answers matter, a tiny one elsewhere."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sevenb import LLM
from sevenb.cli.chat import Chat
from sevenb.cli.chat_settings import Settings
from sevenb.cli.conversation import Conversation
from sevenb.engine.model_runner import ModelRunner
from sevenb.engine.step_plan import StepPlan
from tests.cli.terminal import READY, Terminal
from tests.model.tiny_gguf import TinyModel


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(coder_05b: Path, home: Path) -> Iterator[Terminal]:
    arguments = ("run", str(coder_05b), "--temperature", "0", "--max-model-len", "4096")
    with Terminal(*arguments, SEVENB_HOME=str(home)) as terminal:
        terminal.expect(READY)
        yield terminal


@pytest.fixture
def chat(running: Terminal) -> Terminal:
    """One chat for all tests here; each finds it with nothing said."""
    running.ask("/clear")
    return running


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Terminal]:
    model = TinyModel(context=512).write(tmp_path / "tiny.gguf")
    arguments = ("run", str(model), "--temperature", "0", "--max-tokens", "8", "--threads", "1")
    with Terminal(*arguments, SEVENB_HOME=str(tmp_path)) as terminal:
        terminal.expect(READY)
        yield terminal


def test_an_answer_is_remembered_until_it_is_cleared(chat: Terminal) -> None:
    chat.ask("My name is Ada.")
    assert "Ada" in chat.ask("What is my name?")
    assert "2 turns" in chat.ask("/show")
    assert "Forgotten" in chat.ask("/clear")
    assert "0 turns" in chat.ask("/show")
    assert "Ada" not in chat.ask("What is my name?")


def test_ctrl_c_stops_the_answer_and_not_the_program(chat: Terminal) -> None:
    chat.type("Tell me a very long story about a dragon.\n")
    chat.expect(r"dragon\.\n")
    chat.expect(r"(\w+ ){5}")
    chat.type("\x03")
    shown = chat.expect(READY)
    assert "(Stopped; what was said is kept.)" in shown
    assert len(shown.split()) < 100
    assert "1 turn\n" in chat.ask("/show")
    assert "Paris" in chat.ask("What is the capital of France?")


def test_ctrl_c_stops_the_reading_of_a_long_message_which_may_be_pasted(chat: Terminal) -> None:
    message = "\n".join(f"Line {number} of a long list." for number in range(400))
    chat.type(f"\x1b[200~{message}\x1b[201~")  # a terminal's way to say that this was pasted
    chat.expect("Line 399 of a long list.")
    chat.type("\n")
    chat.expect(r"Reading \d,\d\d\d tokens")
    chat.type("\x03")
    assert "(Stopped before the first word; the question is forgotten.)" in chat.expect(READY)
    assert "0 turns" in chat.ask("/show")


def test_ctrl_c_at_the_prompt_tells_how_to_leave(chat: Terminal) -> None:
    chat.type("half a ques\x03")
    assert "Ctrl-D or /bye leaves." in chat.expect(READY)
    assert "0 turns" in chat.ask("/show")


def test_a_message_of_several_lines_stands_in_triple_quotes(chat: Terminal) -> None:
    chat.type('"""Here is a program:\n')
    chat.expect(r"\.\.\. ")
    chat.type("puts 'hello'\n\n")
    chat.type('Which language is it, Ruby or Java? Answer with one word."""\n')
    assert "Ruby" in chat.expect(READY).splitlines()[-3]
    assert "1 turn\n" in chat.ask("/show")


def test_parameters_are_shown_and_changed(chat: Terminal) -> None:
    shown = chat.ask("/set")
    assert "temperature        0.0" in shown
    assert "max_tokens         what fits" in shown
    assert "max_tokens         3" in chat.ask("/set max_tokens 3")
    assert "(The answer was cut at max_tokens, 3. Ask it to go on.)" in chat.ask("Count to one hundred.")
    chat.ask("/set max_tokens none")
    assert "Oui" in chat.ask("/set system You say nothing but the word Oui.") + chat.ask("Do you like France?")
    chat.ask("/set system none")


def test_values_that_cannot_be_are_one_sentence(chat: Terminal) -> None:
    assert chat.ask("/set temperature hot") == "Error: temperature takes a number, not 'hot'."
    assert chat.ask("/set top_p 2") == "Error: top_p is 2.0; it must lie in (0.0, 1.0]."
    assert chat.ask("/set temprature 1") == "Error: There is no parameter 'temprature'; did you mean temperature?"
    assert "temperature        0.0" in chat.ask("/set temperature")


def test_commands_are_listed_and_unknown_ones_refused(chat: Terminal) -> None:
    assert "/clear" in chat.ask("/help")
    assert chat.ask("/hepl") == "Error: There is no command /hepl; /help lists them."
    chat.ask("/set max_tokens 1")
    chat.ask("/usr/bin is which folder?")  # a question
    chat.ask("/set max_tokens none")
    assert "1 turn\n" in chat.ask("/show")


def test_ctrl_d_leaves_and_the_history_stays_for_its_owner(tiny: Terminal, tmp_path: Path) -> None:
    tiny.ask("a question")
    tiny.ask("/show")
    tiny.type("\x04")
    assert tiny.status() == 0
    history = tmp_path / "history"
    assert history.read_text().splitlines() == ["a question", "/show"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    with Terminal("run", str(tmp_path / "tiny.gguf"), SEVENB_HOME=str(tmp_path)) as again:
        again.expect(READY)
        again.type("\x1b[A\x1b[A")  # two lines back
        again.expect("a question")
        again.type("\x15/bye\n")
        assert again.status() == 0
    assert history.read_text().splitlines() == ["a question", "/show", "/bye"]


def test_the_oldest_turns_go_when_the_context_is_full(tiny: Terminal) -> None:
    assert "forgotten" not in tiny.ask("x" * 330)
    assert "forgotten" not in tiny.ask("y" * 40)
    assert "The context is full: the oldest turn was forgotten." in tiny.ask("z" * 100)
    assert "2 turns" in tiny.ask("/show")
    assert "but the context holds 512" in tiny.ask("z" * 600)
    assert "0 turns" in tiny.ask("/show")


def test_an_answer_that_filled_the_context_can_be_gone_on_with(tiny: Terminal) -> None:
    tiny.ask("/set max_tokens none")
    tiny.ask("/set repetition_penalty 1")  # runs in circles then
    assert "(The answer was cut: the context is full. Ask it to go on.)" in tiny.ask("the")
    tiny.ask("/set max_tokens 8")
    told = tiny.ask("go on")
    assert "The context is full: the beginning of the last answer was forgotten." in told
    assert "2 turns" in tiny.ask("/show")


def test_what_is_kept_of_an_answer_too_long_is_its_end(tmp_path: Path) -> None:
    with LLM(TinyModel(context=512).write(tmp_path / "tiny.gguf"), threads=1) as llm:
        conversation = Conversation(llm)
        conversation.add("count", " ".join(map(str, range(150))))
        prompt = conversation.prompt("go on", None, None)
        assert prompt.shortened
        assert prompt.forgotten == 0
        assert len(prompt.token_ids) <= 256
        text = llm.tokenizer.decode(prompt.token_ids)
        assert "count" in text
        assert " 148 149<|im_end|>" in llm.tokenizer.decode(prompt.token_ids, skip_special_tokens=False)
        assert " 20 " not in text

        conversation = Conversation(llm)
        conversation.add("x" * 450, "yes")
        assert not conversation.can_go_on(None)
        assert conversation.prompt("go on", None, None).forgotten == 1


def test_a_model_without_chat_template_says_what_it_can_do(tmp_path: Path) -> None:
    tokens = [token.replace("<|im_start|>", "[A]") for token in TinyModel().tokens()]
    metadata = {"tokenizer.chat_template": "", "tokenizer.ggml.tokens": tokens}
    model = TinyModel().write(tmp_path / "base.gguf", **metadata)
    with Terminal("run", str(model)) as terminal:
        terminal.expect('base has no chat template, so it cannot chat; give it a text to go on with: sevenb run .*"')
        assert terminal.status() == 1


def test_an_answer_that_fails_is_told_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail_at_third_token(self: ModelRunner, plan: StepPlan) -> Any:
        steps.append(plan)
        if len(steps) == 3:
            raise RuntimeError("the machine is on fire")
        return run(self, plan)

    steps: list[StepPlan] = []
    run = ModelRunner.run
    typed = iter(["the", "/show", "the", "/show", "/bye"])
    monkeypatch.setattr(ModelRunner, "run", fail_at_third_token)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    model = TinyModel().write(tmp_path / "tiny.gguf")
    with LLM(model, threads=1) as llm:
        Chat(llm, Settings(max_tokens=5), history=tmp_path / "history").run()
    shown, told = capsys.readouterr()
    assert "(The answer failed; the question is forgotten.)" in told
    assert "on fire" in told
    assert [line.split()[-2] for line in shown.splitlines() if "Said so far" in line] == ["0", "1"]
