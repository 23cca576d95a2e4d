from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.model_selection import StratifiedGroupKFold

from serhpo.corpus.folds import (
    Fold,
    ProtocolConfig,
    check_leakage,
    level,
    make_folds,
    require_labels,
    taking_part,
)
from serhpo.corpus.stratify import stratified_parts
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import ConfigError, CorpusError, LeakageError

FIVE_SESSIONS = {f"Session{number}": [f"{number}F", f"{number}M"] for number in range(1, 6)}


def corpus_of(
    groups: dict[str, list[str]], turns: dict[str, int] | None = None, split: dict[str, str] | None = None
) -> Corpus:
    """A corpus with so many turns of each speaker, one if not given."""
    rows = [
        {
            "utt_id": f"{group}_{speaker}_{number}",
            "audio": "/nowhere.wav",
            "corpus": "made up",
            "speaker": speaker,
            "group": group,
            "split": (split or {}).get(speaker),
            "source": "nowhere:1",
        }
        for group, speakers in groups.items()
        for speaker in speakers
        for number in range((turns or {}).get(speaker, 1))
    ]
    return Corpus.from_rows("made up", Path("/"), rows, LabelScheme())


def test_holdout_keeps_the_last_session() -> None:
    turns = {"1F": 9, "1M": 9, "2F": 5, "2M": 5, "3F": 4, "3M": 4, "4F": 1, "4M": 1}
    folds = make_folds(corpus_of(FIVE_SESSIONS, turns), ProtocolConfig())
    # 18, 10, 8 and 2 turns, largest first into the smaller part: {1, 4} and {2, 3}
    assert folds == (
        Fold("fold1", ("2F", "2M", "3F", "3M"), ("1F", "1M", "4F", "4M"), ("5F", "5M")),
        Fold("fold2", ("1F", "1M", "4F", "4M"), ("2F", "2M", "3F", "3M"), ("5F", "5M")),
    )


def test_holdout_of_a_named_session() -> None:
    folds = make_folds(corpus_of(FIVE_SESSIONS), ProtocolConfig(held_out="Session2", folds=4))
    assert [fold.validation for fold in folds] == [("1F", "1M"), ("3F", "3M"), ("4F", "4M"), ("5F", "5M")]
    assert {fold.test for fold in folds} == {("2F", "2M")}


def test_leave_one_session_out() -> None:
    folds = make_folds(corpus_of(FIVE_SESSIONS), ProtocolConfig(name="leave_one_session_out"))
    assert [fold.name for fold in folds] == list(FIVE_SESSIONS)
    assert folds[4] == Fold("Session5", ("2F", "2M", "3F", "3M", "4F", "4M"), ("1F", "1M"), ("5F", "5M"))


def test_leave_one_speaker_out() -> None:
    folds = make_folds(corpus_of(FIVE_SESSIONS), ProtocolConfig(name="leave_one_speaker_out"))
    assert [fold.test for fold in folds] == [
        (speaker,) for pair in FIVE_SESSIONS.values() for speaker in pair
    ]
    assert folds[3] == Fold("2M", ("1F", "1M", "3F", "3M", "4F", "4M", "5F", "5M"), ("2F",), ("2M",))


def test_predefined() -> None:
    split = {
        "1F": "Train",
        "1M": "train",
        "2F": "Development",
        "2M": "Validation",
        "3F": "Test",
        "4F": "Test3",
    }
    folds = make_folds(corpus_of(FIVE_SESSIONS, split=split), ProtocolConfig(name="predefined"))
    assert folds == (Fold("predefined", ("1F", "1M"), ("2F", "2M"), ("3F",)),)
    with pytest.raises(CorpusError, match="nothing marked train or validation or test"):
        make_folds(corpus_of(FIVE_SESSIONS), ProtocolConfig(name="predefined"))


@pytest.mark.parametrize(
    ("train", "validation", "test"), [("training", "val", "TEST"), ("Train", "valid", "test1")]
)
def test_names_of_predefined_parts(train: str, validation: str, test: str) -> None:
    split = {"a": train, "b": validation, "c": test, "d": "other"}
    corpus = corpus_of({"all": ["a", "b", "c", "d", "e"]}, split=split)
    predefined = ProtocolConfig(name="predefined")
    assert taking_part(corpus, predefined).speakers == ("a", "b", "c")
    assert make_folds(corpus, predefined) == (Fold("predefined", ("a",), ("b",), ("c",)),)


def test_predefined_parts_of_unknown_names_are_not_silently_left_out() -> None:
    split = {"a": "train", "b": "dev", "c": "test", "d": "trian"}
    corpus = corpus_of({"all": ["a", "b", "c", "d"]}, {"d": 3}, split=split)
    with pytest.raises(CorpusError, match="unknown names") as caught:
        taking_part(corpus, ProtocolConfig(name="predefined"))
    assert caught.value.got == "`trian` (3)"
    assert "validation" in str(caught.value.allowed)
    assert taking_part(corpus, ProtocolConfig()) is corpus  # whoever does not use it may call it anything


@pytest.mark.parametrize("name", ["Unknown", "UNKNOWN", "unknown-train"])
def test_unknown_speakers_are_told_in_any_case(name: str) -> None:
    with pytest.raises(CorpusError, match="1 utterances have an unknown speaker"):
        make_folds(corpus_of({**FIVE_SESSIONS, "Session6": [name]}), ProtocolConfig())


@pytest.mark.parametrize("name", ["holdout", "leave_one_session_out", "leave_one_speaker_out"])
def test_a_speaker_of_two_sessions_is_leakage(name: str) -> None:
    groups = {**FIVE_SESSIONS, "Session5": ["5F", "1M"]}
    with pytest.raises(LeakageError) as caught:
        make_folds(corpus_of(groups), ProtocolConfig(name=name))
    assert any("speaker 1M stands in" in problem.what for problem in caught.value.problems)


def test_a_speaker_of_two_predefined_parts_is_leakage() -> None:
    corpus = corpus_of({"a": ["x", "y"], "b": ["z"]}, {"x": 2}, {"x": "train", "y": "dev", "z": "test"})
    rows = corpus.table.to_pylist()
    rows[1]["split"] = "test"
    with pytest.raises(LeakageError, match="speaker x stands in train and test"):
        make_folds(Corpus.from_rows("b", Path("/"), rows, LabelScheme()), ProtocolConfig(name="predefined"))


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (Fold("f", ("1F",), ("1F", "2F"), ("3F",)), "f: speaker 1F stands in train and validation"),
        (Fold("f", ("1F",), ("2F",), ("2F",)), "f: speaker 2F stands in validation and test"),
        (Fold("f", (), ("2F",), ("3F",)), "f: no speaker in train"),
        (Fold("f", ("1F",), ("2F",), ("9F",)), "f: test speaker 9F is not in the corpus"),
    ],
)
def test_check_refuses(fold: Fold, message: str) -> None:
    with pytest.raises(LeakageError, match="share speakers") as caught:
        check_leakage([fold], corpus_of(FIVE_SESSIONS))
    assert message in [str(problem) for problem in caught.value.problems]


def test_a_held_out_speaker_may_not_train_in_another_fold() -> None:
    folds = [Fold("a", ("1F",), ("2F",), ("5F",)), Fold("b", ("5F",), ("1F",), ("3F",))]
    check_leakage(folds, corpus_of(FIVE_SESSIONS))  # fine where every fold has its own test speakers
    with pytest.raises(LeakageError, match="held-out speaker 5F trains or validates"):
        check_leakage(folds, corpus_of(FIVE_SESSIONS), ProtocolConfig())


def test_what_cannot_be_divided() -> None:
    corpus = corpus_of(FIVE_SESSIONS)
    with pytest.raises(ConfigError, match=r"No group `Sesion3`.*Did you mean `Session3`"):
        make_folds(corpus, ProtocolConfig(held_out="Sesion3"))
    with pytest.raises(ConfigError, match="More folds than groups") as caught:
        make_folds(corpus, ProtocolConfig(folds=5))
    assert caught.value.allowed == "2 to 4 with Session5 held out"
    with pytest.raises(CorpusError, match="at least 3 sessions, the corpus has 2"):
        make_folds(corpus_of({"a": ["x"], "b": ["y"]}), ProtocolConfig())
    with pytest.raises(CorpusError, match="two speakers in every session; b has 1"):
        make_folds(corpus_of({"a": ["x", "w"], "b": ["y"]}), ProtocolConfig(name="leave_one_speaker_out"))


def test_every_protocol_says_what_may_be_claimed() -> None:
    assert "no figure here is measured on it" in level(ProtocolConfig())
    assert "stay untouched" in level(ProtocolConfig(name="predefined"))
    nested = level(ProtocolConfig(name="nested", held_out="Session1"))
    assert "none of which saw its test speakers" in nested
    assert "pooled" in nested
    for name in ("leave_one_session_out", "leave_one_speaker_out", "k_fold"):
        assert "configuration selected on these speakers" in level(ProtocolConfig(name=name))


@st.composite
def divisions(draw: st.DrawFn) -> tuple[Corpus, ProtocolConfig]:
    members = draw(st.lists(st.integers(1, 4), min_size=3, max_size=8))
    groups = {f"g{i}": [f"s{i}_{j}" for j in range(count)] for i, count in enumerate(members)}
    turns = {speaker: draw(st.integers(1, 30)) for names in groups.values() for speaker in names}
    protocol = ProtocolConfig(
        folds=draw(st.integers(2, len(members) - 1)), held_out=draw(st.sampled_from(sorted(groups)))
    )
    return corpus_of(groups, turns), protocol


@given(divisions())
def test_holdout_is_a_partition(division: tuple[Corpus, ProtocolConfig]) -> None:
    corpus, protocol = division
    folds = make_folds(corpus, protocol)
    held_out = corpus.groups[str(protocol.held_out)]
    others = set(corpus.speakers) - set(held_out)
    validated = [speaker for fold in folds for speaker in fold.validation]

    assert len(folds) == protocol.folds
    assert sorted(validated) == sorted(others)  # each once
    for fold in folds:
        assert fold.test == held_out
        assert set(fold.train) | set(fold.validation) == others
        assert not set(fold.train) & set(fold.validation)
        assert fold.train
        for members in corpus.groups.values():  # sessions are never torn apart
            assert set(members) <= set(fold.validation) or not set(members) & set(fold.validation)


def test_nested_is_a_holdout_that_must_name_its_session() -> None:
    corpus = corpus_of(FIVE_SESSIONS)
    with pytest.raises(ConfigError, match="one search for every session") as caught:
        make_folds(corpus, ProtocolConfig(name="nested"))
    assert caught.value.allowed == "Session1, Session2, Session3, Session4, Session5"
    assert "protocol.held_out=" in str(caught.value.hint)
    tested = []
    for session in FIVE_SESSIONS:
        folds = make_folds(corpus, ProtocolConfig(name="nested", held_out=session))
        assert folds == make_folds(corpus, ProtocolConfig(held_out=session))
        tested += folds[0].test
    assert sorted(tested) == sorted(corpus.speakers)  # the five searches together test everyone once


def test_nested_refuses_a_held_out_speaker_in_training() -> None:
    folds = [Fold("a", ("1F",), ("2F",), ("5F",)), Fold("b", ("5F",), ("1F",), ("3F",))]
    with pytest.raises(LeakageError, match="held-out speaker 5F"):
        check_leakage(folds, corpus_of(FIVE_SESSIONS), ProtocolConfig(name="nested", held_out="Session5"))


def crowd(seed: int, speakers: int) -> Corpus:
    """Many speakers, unequal in how much they say and in which mood; some turns unlabelled."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        moods = rng.dirichlet([0.4, 0.8, 2.0, 0.5])
        for turn in range(1 + rng.geometric(1 / 30)):
            label = None if rng.random() < 0.1 else LabelScheme().classes[rng.choice(4, p=moods)]
            name = f"s{speaker:04d}"
            row = {"utt_id": f"{name}_{turn}", "audio": "/x.wav", "corpus": "c", "source": "x:1"}
            rows.append({**row, "speaker": name, "group": name, "label": label})
    return Corpus.from_rows("c", Path("/"), rows, LabelScheme())


def unevenness(corpus: Corpus, parts: list[list[str]]) -> float:
    """Largest distance of a part's share of a class's turns from an equal share."""
    part_of = {speaker: number for number, part in enumerate(parts) for speaker in part}
    labels = [str(label) for label in corpus.column("label")]
    worst = 0.0
    for label in set(labels):
        counts = np.zeros(len(parts))
        for speaker, own in zip(corpus.column("speaker"), labels, strict=True):
            counts[part_of[speaker]] += own == label
        worst = max(worst, float(np.abs(counts / counts.sum() - 1 / len(parts)).max()))
    return worst


@pytest.mark.parametrize("seed", range(4))
def test_stratified_parts_are_as_even_as_scikit_learns(seed: int) -> None:
    corpus = crowd(seed, 200)
    speakers, labels = corpus.column("speaker"), [str(label) for label in corpus.column("label")]
    parts = stratified_parts(corpus, 5)
    peer = StratifiedGroupKFold(5).split(labels, labels, speakers)
    theirs = [sorted({speakers[row] for row in test}) for _, test in peer]
    assert unevenness(corpus, parts) < max(0.02, 1.5 * unevenness(corpus, theirs))
    assert parts == stratified_parts(corpus.select(np.arange(len(corpus))[::-1]), 5)  # whatever the order


@given(st.integers(0, 99), st.integers(3, 12), st.data())
def test_k_fold_tests_every_speaker_once(seed: int, speakers: int, data: st.DataObject) -> None:
    corpus = crowd(seed, speakers)
    count = data.draw(st.integers(3, speakers))
    folds = make_folds(corpus, ProtocolConfig(name="k_fold", folds=count))
    assert len(folds) == count
    assert sorted(speaker for fold in folds for speaker in fold.test) == list(corpus.speakers)
    assert sorted(speaker for fold in folds for speaker in fold.validation) == list(corpus.speakers)
    for fold in folds:
        assert fold.train
        assert sorted(fold.train + fold.validation + fold.test) == list(corpus.speakers)


def test_k_fold_needs_three_parts() -> None:
    with pytest.raises(ConfigError, match="different parts") as caught:
        make_folds(corpus_of(FIVE_SESSIONS), ProtocolConfig(name="k_fold"))
    assert caught.value.allowed == "3 to 10"


def test_holdout_without_sessions_keeps_a_fifth_of_the_speakers() -> None:
    corpus = crowd(7, 90)
    folds = make_folds(corpus, ProtocolConfig())
    held_out = set(folds[0].test)
    turns = sum(speaker in held_out for speaker in corpus.column("speaker"))
    assert 0.18 < turns / len(corpus) < 0.22
    assert all(set(fold.test) == held_out for fold in folds)
    one = make_folds(corpus, ProtocolConfig(held_out="s0003"))  # a group is still what its name says
    assert one[0].test == ("s0003",)


def test_parts_without_any_label_or_rating_are_told_before_a_search() -> None:
    corpus = corpus_of(FIVE_SESSIONS)
    folds = make_folds(corpus, ProtocolConfig())
    rows = corpus.table.to_pylist()
    for row in rows:
        row["label"] = "happy"
        row["arousal"] = None if row["group"] in ("Session1", "Session3") else 3.0
    corpus = Corpus.from_rows("c", Path("/"), rows, LabelScheme())
    with pytest.raises(CorpusError) as caught:
        require_labels(folds, corpus)
    assert [str(problem) for problem in caught.value.problems] == [
        "fold1: no validation speaker has a rating",
        "fold2: no train speaker has a rating",
    ]
    rows[0]["valence"] = 2.0  # one is enough: what is missing only masks its task
    require_labels(folds, Corpus.from_rows("c", Path("/"), rows, LabelScheme()))


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "leave_one_speaker_out", "folds": 5},
        {"name": "predefined", "folds": 3},
        {"name": "k_fold", "held_out": "Session5"},
    ],
)
def test_what_a_protocol_would_not_heed_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="leave out"):
        ProtocolConfig.model_validate(settings)
