from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serhpo.corpus.folds import Fold, ProtocolConfig, check_leakage, level, make_folds
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
    for name in ("leave_one_session_out", "leave_one_speaker_out"):
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
