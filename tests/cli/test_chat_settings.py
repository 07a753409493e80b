"""Parameters as people type and read them."""

import pytest

from sevenb.cli.chat_settings import PARAMETERS, Settings, unescape
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.2", 0.2),
        ("top_k", "-1", -1),
        ("max_tokens", "100", 100),
        ("seed", "7", 7),
        ("stop", "END", ("END",)),
        ("stop", r'"\n\n" "# end" \t', ("\n\n", "# end", "\t")),
        ("stop", r"'it''s' \\n", ("its", r"\n")),
    ],
)
def test_what_is_typed_reaches_the_sampler_and_reads_back(name: str, text: str, value: object) -> None:
    settings = Settings()
    settings.set(name, text)
    assert getattr(settings.sampling_params, name) == value
    again = Settings()
    again.set(name, settings.text(name))
    assert again.sampling_params == settings.sampling_params


def test_a_system_prompt_may_be_quoted() -> None:
    settings = Settings()
    for text in ("Be brief.", '"Be brief."'):
        settings.set("system", text)
        assert settings.system == "Be brief."
    settings.set("system", 'Say "yes"')
    assert settings.system == 'Say "yes"'


@pytest.mark.parametrize("name", PARAMETERS)
def test_each_parameter_goes_back_to_its_first_value(name: str) -> None:
    settings = Settings(system="x", temperature=0.0, top_p=0.5, top_k=1, min_p=0.5, max_tokens=1, seed=1, stop=("x",))
    for other in ("repetition_penalty", "presence_penalty", "frequency_penalty"):
        settings.set(other, "1.5")
    changed = settings.text(name)
    settings.set(name, "default")
    assert settings.text(name) == Settings().text(name) != changed


def test_a_refused_value_changes_nothing() -> None:
    settings = Settings(temperature=0.5)
    for text in ("-1", "hot", "nan", "1e9"):
        with pytest.raises(InvalidRequest, match="temperature"):
            settings.set("temperature", text)
    with pytest.raises(InvalidRequest, match="stop takes"):
        settings.set("stop", '"not closed')
    with pytest.raises(InvalidRequest, match="There is no parameter 'color'; there are system, "):
        settings.set("color", "red")
    assert settings["temperature"] == 0.5
    assert settings["stop"] == ()


def test_answers_are_as_long_as_the_context_allows_unless_told() -> None:
    assert Settings().sampling_params.max_tokens is None
    assert isinstance(Settings().sampling_params, SamplingParams)


def test_escapes_mean_characters() -> None:
    assert unescape(r"a\nb\tc\\nd\x") == "a\nb\tc\\nd\\x"
