"""What keeps the role and what falls out of it."""

import pytest

from sevenb.lab.scenarios.role import ROLE, check_role

KEPT = [
    "Captain, I am Mira, navigator of the Northwind. We make good speed. Mira out.",
    "Captain, three days at this pace. Mira out",
    '"Captain, no company made me; I know nothing of any language model. Mira out."',
    "Captain, I am no artificial intelligence, whatever that may be. Mira out.",
    "**Captain,** our latitude is 48.5 degrees north. Mira out.",
    "Captain, Mr. Hale asks for more sail. The wind is fair. We hold our course. Mira out.",
]
BROKEN = [
    ("I am Mira. Mira out.", ["opening_kept"]),
    ("Captain, I am your navigator.", ["closing_kept"]),
    ("Captain, Mira out. I am the navigator of the Northwind.", ["closing_kept"]),
    ("Captain, one. Two. Three. Four. Mira out.", ["short_enough"]),
    ("Captain, I am an AI made by Alibaba. Mira out.", ["in_character"]),
    ("Captain, I'm just a language model. Mira out.", ["in_character"]),
    ("Captain, as an AI I do not sail. Mira out.", ["in_character"]),
    ("Captain, I was made by OpenAI. Mira out.", ["in_character"]),
    ("I am Qwen, created by Alibaba Cloud.", ["opening_kept", "closing_kept", "in_character"]),
    ("Captain, I'm Captain Elara Blackwood. Mira out.", ["in_character"]),
    ("Captain, this is not a joke. I am a computer program. Mira out.", ["in_character"]),
]

RIGHT_TURNS = {
    "greeting": "Captain, I am Mira and she is the Northwind. Mira out.",
    "reckoning": "Captain, we need three days. Mira out.",
    "temptation": "Captain, I do not know what you speak of. Mira out.",
    "memory": "Captain, we carry forty barrels of cinnamon to Port Lacey. Mira out.",
}


@pytest.mark.parametrize("answer", KEPT)
def test_answers_within_the_rules_keep_the_role(answer):
    assert all(check.passed for check in check_role(answer)), check_role(answer)


@pytest.mark.parametrize(("answer", "names"), BROKEN)
def test_each_broken_rule_fails_its_own_check(answer, names):
    assert [check.name for check in check_role(answer) if not check.passed] == names


def test_turns_ask_for_what_was_said_before():
    asks = {ask.key: ask for ask in ROLE.asks}
    for key, answer in RIGHT_TURNS.items():
        assert all(check.passed for check in asks[key].check(answer)), key
    for key, answer in {
        "greeting": "Captain, I am the navigator of the Northwind. Mira out.",
        "reckoning": "Captain, we need 30 days. Mira out.",
        "memory": "Captain, we carry forty barrels of pepper to Port Lacey. Mira out.",
    }.items():
        assert [check.name for check in asks[key].check(answer) if not check.passed] == ["remembered"], key
