"""Strict configuration: what is wrong is named, with its value and the way out."""

from pathlib import Path

import pytest

from nst_asr import config
from nst_asr.config import ConfigError, Record


class Inner(Record):
    width: int = 1
    rates: tuple[float, ...] = ()


class Outer(Record):
    name: str
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()


def test_lists_become_tuples_and_whole_numbers_fractions() -> None:
    parsed = config.parse(Outer, {"name": "a", "inner": {"rates": [1, 2.5]}})
    assert parsed.inner.rates == (1.0, 2.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "a", "inner": {"widht": 2}}, r"unknown key inner\.widht; did you mean width\?"),
        ({"name": "a", "several": [{"rate": 2}]}, r"unknown key several\.0\.rate; did you mean rates\?"),
        ({"name": "a", "inner": {"width": "2"}}, r"inner\.width = '2': Input should be a valid integer"),
        ({"name": "a", "inner": {"width": True}}, r"inner\.width = True"),
        ({"inner": {}}, "name is missing"),
    ],
)
def test_a_wrong_key_or_value_is_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse(Outer, content)


def test_settings_are_laid_over_by_dotted_name() -> None:
    content = {"name": "a", "several": [{"width": 1}, {"width": 2}]}
    changed = config.override(content, ["several.1.width=5", "inner.rates=[0.5]", "name=b"])
    assert changed == {"name": "b", "several": [{"width": 1}, {"width": 5}], "inner": {"rates": [0.5]}}
    assert content["several"][1] == {"width": 2}


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", "+1e-03"])
def test_a_number_with_an_exponent_is_a_number(text: str) -> None:
    assert config.override({}, [f"rate={text}"]) == {"rate": 0.001}


@pytest.mark.parametrize("text", ["e3", "1e", "a1e3", "2_7"])
def test_words_and_integers_are_not_taken_for_fractions(text: str) -> None:
    assert not isinstance(config.override({}, [f"x={text}"])["x"], float)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("several.7.width=1", "'7' is no place"),
        ("name.x=1", "name is a single value"),
        ("seed", "expected key=value"),
        ("a=[1", "not valid YAML"),
    ],
)
def test_a_setting_that_fits_nowhere_is_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.override({"name": "a", "several": [{}]}, [setting])


def test_written_plans_read_back_the_same() -> None:
    record = config.parse(Outer, {"name": "ä: b", "several": [{"rates": [1e300]}]})
    import yaml

    assert config.parse(Outer, yaml.safe_load(config.write(record))) == record


def test_differences_name_every_key() -> None:
    old, new = {"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"b": 2, "c": [1, 3]}, "e": 1}
    assert config.differences(old, new) == [
        "a.b: 1 -> 2",
        "a.c.1: 2 -> 3",
        "d: 1 -> '(absent)'",
        "e: '(absent)' -> 1",
    ]


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        config.read(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML"):
        config.read(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="found list"):
        config.read(tmp_path / "list.yaml")
