"""Multiple choice: letters read from answers, data in every published form, and probabilities of a real model."""

import asyncio
import json
from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable, TargetLacks
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import silent_progress
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from sevenb.lab.tasks.choice.benchmarks import CEVAL, CMMLU, MMLU
from sevenb.lab.tasks.choice.letters import flexible_letter, strict_letter
from sevenb.lab.tasks.choice.task import MACRO, ChoiceTask
from sevenb.lab.tasks.task import Item
from tests.e2e.conftest import Program, serving
from tests.lab.tasks.scripted_server import serve

COLOURS = ["red", "green", "blue", "none of them"]
DEV = "What colour is {}?,red,green,blue,white,{}\n"
EASY = [
    ("What is the capital of France?", ["London", "Paris", "Rome", "Berlin"], "B"),
    ("Which animal barks?", ["The dog", "The cat", "The fish", "The bird"], "A"),
    ("How many days does a week have?", ["5", "6", "7", "8"], "C"),
    ("Which of these is a fruit?", ["A chair", "A stone", "A car", "An apple"], "D"),
]


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("Let me think.\nAnswer: B", "B", "B"),
        ("So it is clear.\n**Answer: (C)**", "C", "C"),
        ("因为叶绿素是绿色的。\n答案：B", "B", "B"),
        ("B", None, "B"),
        ("B. green", None, "B"),
        ("A dog is not green, so the correct answer is **B**.", None, "B"),
        ("The answer is A? No. The answer is (D).", None, "D"),
        ("故选C。", None, "C"),
        ("答案是 D，因为其他的都不对。", None, "D"),
        ("应该选择A选项", None, "A"),
        ("Option C is correct.", None, "C"),
        (r"Thus \boxed{\text{D}}", None, "D"),
        ("A leaf has one colour: it is green.", None, "B"),
        ("I cannot say.", None, None),
        ("", None, None),
    ],
)
def test_a_letter_is_read(text: str, strict: str | None, flexible: str | None) -> None:
    assert strict_letter(text) == strict
    assert flexible_letter(text, COLOURS) == flexible


def _hendrycks(folder: Path) -> None:
    for split, questions in (("dev", 6), ("test", 2)):
        (folder / "mmlu" / split).mkdir(parents=True)
        rows = "".join(DEV.format(f"thing {split} {number}", "B") for number in range(questions))
        (folder / "mmlu" / split / f"moral_disputes_{split}.csv").write_text(rows)


def test_the_examples_of_a_subject_stand_before_its_question(tmp_path: Path) -> None:
    _hendrycks(tmp_path)
    task = MMLU("logprob")
    items, facts = task.load(DataFinder(tmp_path))
    assert (task.shots, facts.items, items[0].group) == (5, 2, "moral_disputes")
    example = "What colour is thing {}?\nA. red\nB. green\nC. blue\nD. white\nAnswer:"
    examples = "".join(f"{example.format(f'dev {number}')} B\n\n" for number in range(5))
    heading = "The following are multiple choice questions (with answers) about moral disputes.\n\n"
    assert task.prompt(items[0]) == heading + examples + example.format("test 0")


def test_a_chat_has_no_examples(tmp_path: Path) -> None:
    _hendrycks(tmp_path)
    task = MMLU("chat")
    items, _ = task.load(DataFinder(tmp_path))
    (message,) = task.prompt(items[1])
    assert isinstance(message, dict)
    assert message["content"].endswith("What colour is thing test 1?\nA. red\nB. green\nC. blue\nD. white")
    assert task.shots == 0


def _load(tmp_path: Path, name: str, text: str) -> list[Item]:
    """Items of a file that a hub or a package gave, which need not lie in folders."""
    from sevenb.lab.tasks.choice.questions import read_questions

    path = tmp_path / name
    path.write_text(text)
    questions = read_questions([path], "test")
    return [
        Item(f"{subject}/{number}", subject, {"answer": question.answer, "choices": list(question.choices)})
        for subject, some in questions.items()
        for number, question in enumerate(some)
    ]


def test_other_forms_of_the_data_are_read(tmp_path: Path) -> None:
    hub = {"question": "Q?", "subject": "college_law", "choices": ["w", "x", "y", "z"], "answer": 2}
    packaged = {"question": "Q?", "topic": "college law", "correct_answer": "C"}
    packaged |= {f"answer_{letter}": value for letter, value in zip("abcd", "wxyz", strict=True)}
    stray = packaged | {"correct_answer": "answer"}
    named = ",Question,A,B,C,D,Answer\n0,Q?,w,x,y,z,C\n"
    expected = {"answer": "C", "choices": ["w", "x", "y", "z"]}
    for name, text in (
        ("test.jsonl", json.dumps(hub)),
        ("mmlu.jsonl", f"{json.dumps(packaged)}\n{json.dumps(stray)}"),
        ("college_law.csv", named),
    ):
        (item,) = _load(tmp_path, name, text)
        assert (item.group, item.fields) == ("college_law", expected)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"mmlu\.jsonl, row 1: .* fields are prompt, response"):
        _load(tmp_path, "mmlu.jsonl", '{"prompt": "a", "response": "b"}')


def test_c_eval_says_where_its_files_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataUnavailable, match=r"dev/\*\.csv and val/\*\.csv into a folder ceval/"):
        CEVAL().load(DataFinder(tmp_path))


def test_subjects_and_categories_have_shares(tmp_path: Path) -> None:
    task = CMMLU("chat")

    def scored(subject: str, *answers: str) -> list[tuple[Item, object]]:
        item = Item("1", subject, {"answer": "A", "choices": COLOURS})
        return [(item, task.score(item, _answer(f"答案：{letter}"))) for letter in answers]

    groups = task.groups([*scored("anatomy", "A", "A", "A", "B"), *scored("chinese_history", "B", "A")])  # type: ignore[list-item]
    assert groups["anatomy"].value == 0.75
    assert groups["category: STEM"].of == 4
    assert groups["category: Humanities"].of == groups["category: China specific"].of == 2
    assert groups[MACRO].value == 0.625
    assert groups[MACRO].low < 0.625 < groups[MACRO].high


def test_a_server_without_log_probabilities_is_asked_in_a_chat() -> None:
    async def prepared(preset: str, url: str) -> tuple[ChoiceTask, list[str]]:
        said: list[str] = []
        progress = silent_progress()
        progress.say = said.append  # type: ignore[method-assign]
        async with Client(Target(url=url, model="scripted", name="scripted")) as client:
            task = await MMLU(preset).prepare(client, progress)
        assert isinstance(task, ChoiceTask)
        return task, said

    with serve(lambda question: "B") as server:
        task, said = asyncio.run(prepared("auto", server.url))
        assert task.preset == "chat"
        assert said == ["MMLU: the server tells no log-probabilities, so the preset is chat."]
        with pytest.raises(TargetLacks):
            asyncio.run(prepared("logprob", server.url))


def test_a_real_model_chooses_what_the_echo_of_each_letter_makes_likeliest(coder_05b: Path, tmp_path: Path) -> None:
    """`lm_eval` scores the prompt with each letter behind it; one request must come to the same."""
    for split in ("dev", "test"):
        (tmp_path / "mmlu" / split).mkdir(parents=True)
    rows = [",".join([question, *choices, answer]) for question, choices, answer in EASY]
    (tmp_path / "mmlu" / "dev" / "miscellaneous_dev.csv").write_text("\n".join(rows[:2]))
    (tmp_path / "mmlu" / "test" / "miscellaneous_test.csv").write_text("\n".join(rows[2:4]))

    async def asked(url: str) -> list[tuple[str, str]]:
        async with Client(Target(url=f"{url}/v1", model="coder", name="coder")) as client:
            task = await MMLU().prepare(client, silent_progress())
            assert task.preset == "logprob"
            items, _ = task.load(DataFinder(tmp_path))
            answers = [await task.ask(item, client, {}) for item in items]
        scores = [task.score(item, answer) for item, answer in zip(items, answers, strict=True)]
        assert any(score.strict for score in scores)
        return [(str(task.prompt(item)), answer.text) for item, answer in zip(items, answers, strict=True)]

    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", "1024") as program:
        for prompt, letter in asyncio.run(asked(program.url)):
            likelihoods = {each: _echoed(program, f"{prompt} {each}") for each in "ABCD"}
            assert letter == max(likelihoods, key=likelihoods.__getitem__)


def _echoed(program: Program, text: str) -> float:
    """The log-probability of the last token of ``text``."""
    answer = program.openai.completions.create(model="coder", prompt=text, max_tokens=1, echo=True, logprobs=1)
    logprobs = answer.choices[0].logprobs
    assert logprobs
    assert logprobs.token_logprobs
    return logprobs.token_logprobs[-2]


def _answer(text: str) -> Answer:
    return Answer(
        text=text, finish_reason="stop", prompt_tokens=1, cached_tokens=0, completion_tokens=1, chunks=(), seconds=1.0
    )
