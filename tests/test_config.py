import hashlib
import string
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from serhpo.config import Config, canonical_json, digest, home, parse, read_yaml, read_yaml_value, write_yaml
from serhpo.errors import ConfigError, SpaceError


class Inner(Config):
    width: int = Field(3, ge=1)
    depth: int = 1


class Fixed(Config):
    name: Literal["fixed"] = "fixed"
    share: float = Field(0.5, alias="lambda")


class Moving(Config):
    name: Literal["moving"] = "moving"
    temperature: float = 2.0


class Outer(Config):
    rate: float = 0.1
    inner: Inner = Inner()
    many: dict[str, Inner] = Field(default_factory=dict)
    some: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    scheme: Annotated[Fixed | Moving, Field(discriminator="name")] = Moving()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E3", 1000.0),
        ("+2e+2", 200.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("3.25e-4", 3.25e-4),
        ("32", 32),
        ("-4", -4),
        ("true", True),
        ("null", None),
        ("[mfcc, mel]", ["mfcc", "mel"]),
        ("'1e-5'", "1e-5"),
        ("1e", "1e"),
        ("e5", "e5"),
        (".", "."),
        ("none", "none"),
        ("1e5x", "1e5x"),
        ("", None),
    ],
)
def test_a_value_is_read_as_people_mean_it(text, value):
    found = read_yaml_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["[1, 2", "{a: 1, a: 2}", "2025-02-30"])
def test_what_is_no_yaml_value_is_refused_with_the_text(text):
    with pytest.raises(ConfigError) as caught:
        read_yaml_value(text)
    assert caught.value.got == text


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "x:\n  - {b: 1, b: 1}\n", "a: {'b': 1, b: 2}\n"])
def test_a_key_given_twice_is_refused_with_its_line(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match="stands twice") as caught:
        read_yaml(path)
    line = 1 + text[: text.rindex("b: " if "b" in text else "a: ")].count("\n")
    assert caught.value.where == f"{path}:{line}"


def test_the_same_key_at_two_places_is_fine(tmp_path):
    assert read_yaml(written(tmp_path, "a: {x: 1}\nb: {x: 2}\n")) == {"a": {"x": 1}, "b": {"x": 2}}


def test_an_anchor_can_be_merged(tmp_path):
    text = "a: &base {x: 1, y: 2}\nb:\n  <<: *base\n  y: 3\n"
    assert read_yaml(written(tmp_path, text))["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "just text", "a: [1\n", "a: \t- x", "? [1, 2]\n: 3\n", "a: 2025-02-30\n"]
)
def test_what_is_no_mapping_is_refused_with_the_file(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(path) in caught.value.where


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    for path in (tmp_path / "missing.yaml", tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert caught.value.where == str(path)


def test_yaml_runs_no_code(tmp_path):
    with pytest.raises(ConfigError):
        read_yaml(written(tmp_path, "a: !!python/object/apply:os.getcwd []\n"))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], include_characters="\n\t"))
    | st.text(string.digits + "eE+-._:")
)


@given(st.dictionaries(st.text(string.ascii_letters + "._"), scalars | st.lists(scalars), max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    write_yaml(path, data)
    assert read_yaml(path) == data
    assert list(read_yaml(path)) == list(data)


def test_all_problems_are_told_at_once():
    data = {"rate": "fast", "iner": {}, "inner": {"width": 0, "widht": 2}}
    with pytest.raises(ConfigError) as caught:
        parse(Outer, data, "conf.yaml")
    error = caught.value
    told = {problem.key: problem.what for problem in error.problems}
    assert set(told) == {"rate", "iner", "inner.width", "inner.widht"}
    assert "'fast'" in told["rate"]
    assert "greater than or equal to 1" in told["inner.width"]
    assert "got 0" in told["inner.width"]
    assert "Did you mean `width`?" in told["inner.widht"]
    assert "Known: depth, width" in told["inner.widht"]
    assert "Did you mean `inner`?" in told["iner"]
    assert {problem.file for problem in error.problems} == {"conf.yaml"}
    assert error.what == "4 problems in conf.yaml"


@pytest.mark.parametrize(
    ("data", "key", "hint"),
    [
        ({"many": {"a": {"widht": 1}}}, "many.a.widht", "`width`"),
        ({"some": [{}, {"widht": 1}]}, "some.1.widht", "`width`"),
        ({"maybe": {"widht": 1}}, "maybe.widht", "`width`"),
        ({"scheme": {"name": "fixed", "lamda": 1}}, "scheme.fixed.lamda", "`lambda`"),
        ({"scheme": {"name": "moving", "temprature": 1}}, "scheme.moving.temprature", "`temperature`"),
    ],
)
def test_a_misspelt_key_is_understood_wherever_it_stands(data, key, hint):
    with pytest.raises(ConfigError) as caught:
        parse(Outer, data)
    assert [problem.key for problem in caught.value.problems] == [key]
    assert hint in caught.value.problems[0].what


def test_a_missing_key_is_named():
    class Needs(Config):
        name: str

    with pytest.raises(ConfigError, match="1 problem in Needs") as caught:
        parse(Needs, {})
    assert caught.value.problems[0].key == "name"
    assert "required" in caught.value.problems[0].what


def test_the_caller_chooses_the_kind_of_error():
    with pytest.raises(SpaceError):
        parse(Outer, {"x": 1}, error_type=SpaceError)


def test_a_config_is_frozen_and_finite_and_equal_by_value():
    config = parse(Outer, {"inner": {"width": 5}})
    with pytest.raises(ValidationError):
        config.rate = 2.0
    with pytest.raises(ConfigError):
        parse(Outer, {"rate": float("nan")})
    assert config == Outer(inner=Inner(width=5))
    assert Inner(width=5) in {Inner(width=5)}


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": [1, 2.5], "a": {"d": None, "c": "é"}}) == canonical_json(
        {"a": {"c": "é", "d": None}, "b": [1, 2.5]}
    )
    assert canonical_json({"b": 1, "a": True}) == '{"a":true,"b":1}'
    assert canonical_json(Inner()) == '{"depth":1,"width":3}'
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_digest_is_the_same_on_every_machine():
    # Written out, because studies keep digests: BLAKE2b, 16 bytes, each value ended by a zero byte.
    expected = hashlib.blake2b(b'"mel"\x001\x00{"depth":1,"width":3}\x00', digest_size=16).hexdigest()
    assert digest("mel", 1, Inner()) == expected
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_digests_differ_where_values_differ():
    values = [("ab",), ("a", "b"), ("a",), (1,), (1.5,), (True,), (["a", "b"],), ({"a": "b"},), ()]
    assert len({digest(*value) for value in values}) == len(values)


def test_home_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "x" / ".." / "y"))
    assert home() == (tmp_path / "y").resolve()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SERHPO_HOME", "~/z")
    assert home() == (tmp_path / "z").resolve()
    monkeypatch.setenv("SERHPO_HOME", "")
    assert home().is_absolute()
    assert home().name == "serhpo"
