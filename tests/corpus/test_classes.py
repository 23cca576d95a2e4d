from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.classes import ClassMap, ReadSettings, parse_classes
from serhpo.errors import ConfigError

FOUR = ClassMap.from_codes({"angry": ("ang",), "happy": ("hap", "exc"), "neutral": ("neu",), "sad": ("sad",)})


@pytest.mark.parametrize(
    ("votes", "shares"),
    [
        ([("neu",), ("neu",), ("exc",)], {"happy": 1 / 3, "neutral": 2 / 3}),
        ([("neu",), ("neu", "oth"), ("hap",)], {"happy": 0.4, "neutral": 0.6}),  # 1.5 : 1 of 2.5 votes
        ([("hap", "exc"), ("fru",)], {"happy": 1.0}),
        ([("fru",), ("oth",)], None),
        ([], None),
    ],
)
def test_soft_labels_worked_out_by_hand(
    votes: list[tuple[str, ...]], shares: dict[str, float] | None
) -> None:
    assert FOUR.distribution(votes) == (None if shares is None else pytest.approx(shares))


def test_what_may_be_typed(tmp_path: Path) -> None:
    assert parse_classes(None) == ReadSettings()
    assert parse_classes("5") == ReadSettings(classes=5)
    file = tmp_path / "classes.yaml"
    file.write_text("good: [hap, exc]\nbad: [ang, fru]\n")
    settings = parse_classes(str(file))
    assert settings == ReadSettings(classes={"good": ("hap", "exc"), "bad": ("ang", "fru")})
    assert ReadSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("good: [hap]\n", "two classes are the least"),
        ("good: [hap]\nbad: []\n", "no code makes the class bad"),
        ("good: [hap]\nbad: [ang, hap]\n", "the code hap stands twice"),
    ],
)
def test_maps_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        parse_classes(str(tmp_path / "c.yaml"))
    assert any(message in problem.what for problem in caught.value.problems)


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read the file"):
        parse_classes(str(tmp_path / "gone.yaml"))


def test_five_classes_keep_excitement_apart(tiny: Path) -> None:
    corpus = read_corpus(tiny, ReadSettings(classes=5))
    assert corpus.scheme.classes == ("angry", "excited", "happy", "neutral", "sad")
    assert corpus.column("label") == ["neutral", "excited", None, "angry", None]


def test_classes_of_ones_own_in_their_own_order(tiny: Path) -> None:
    corpus = read_corpus(tiny, ReadSettings(classes={"calm": ("neu",), "bad": ("ang", "fru")}))
    assert corpus.scheme.classes == ("calm", "bad")
    assert corpus.column("label") == ["calm", None, None, "bad", "bad"]


def test_a_misspelt_code(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"no code `happ`\. Did you mean `hap`") as caught:
        read_corpus(tiny, ReadSettings(classes={"good": ("happ",), "bad": ("ang",)}))
    assert caught.value.where == "--classes, class good"


def test_other_classes_are_another_digest(tiny: Path) -> None:
    assert read_corpus(tiny).digest != read_corpus(tiny, ReadSettings(classes=5)).digest
