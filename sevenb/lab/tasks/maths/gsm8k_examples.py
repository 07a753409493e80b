"""The eight chains of thought of Wei et al. 2022 (arXiv:2201.11903), as lm-evaluation-harness puts them."""

import yaml

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, PackageMember
from sevenb.lab.data.finder import DataFinder

CHAINS = 8
CHAINS_OF_THOUGHT = Dataset(
    "gsm8k-cot",
    licence="MIT",
    files=("gsm8k-cot.yaml",),
    package=PackageMember(
        "lm-eval",
        "0.4.11",
        "lm_eval/tasks/gsm8k/gsm8k-cot.yaml",
        3324,
        "7c9dd2561fe334a55f62bdc6a876f045e6dc7f53714c7a9db506b89c6de6bc96",
    ),
)


def chains_of_thought(data: DataFinder) -> list[tuple[str, str]]:
    """The questions with their answers. Raises `DataUnavailable`."""
    path = data.file(CHAINS_OF_THOUGHT).path
    try:
        samples = yaml.safe_load(path.read_text(encoding="utf-8"))["fewshot_config"]["samples"]
        return [(str(sample["question"]), str(sample["target"])) for sample in samples[:CHAINS]]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise DataUnavailable(f"{path} has no examples in the form of lm-evaluation-harness ({error}).") from error
