from __future__ import annotations

import re

import numpy as np
import pytest

from serhpo.corpus.dialogue import Dialogue, compose, draw_seconds, label_file, plan_session, transcript_file
from serhpo.corpus.ratings import CLASS_SHARE
from serhpo.corpus.sentences import SENTENCES


def labelled(plan: list[Dialogue], letter: str) -> list[str]:
    classes = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
    turns = [turn for dialogue in plan for turn in dialogue.turns if turn.letter == letter]
    return [classes[turn.rating.code] for turn in turns if turn.rating.code in classes]


@pytest.mark.parametrize("utterances", [4, 32, 100])
def test_so_many_labelled_turns_of_every_class(utterances: int) -> None:
    plan = plan_session(0, 1, utterances)
    for letter in "FM":
        assert len(labelled(plan, letter)) == utterances
        assert set(labelled(plan, letter)) == set(CLASS_SHARE)


def test_names_follow_iemocaps_grammar() -> None:
    plan = plan_session(0, 3, 200)
    pattern = re.compile(r"Ses0[1-5][FM]_(impro\d\d|script0\d_\d)[ab]?_[FM]\d{3}")
    names = [turn.name for dialogue in plan for turn in dialogue.turns]
    assert all(pattern.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)
    assert {"impro", "scrip"} == {dialogue.name[7:12] for dialogue in plan}


def test_scripts_recur_in_every_session_and_improvisations_do_not() -> None:
    first, second = plan_session(0, 1, 32), plan_session(0, 2, 32)
    for one, other in zip(first, second, strict=True):
        texts = [[turn.text for turn in dialogue.turns] for dialogue in (one, other)]
        assert one.name[5:] == other.name[5:]
        assert (texts[0] == texts[1]) == ("script" in one.name)
        assert [turn.rating.code for turn in one.turns] != [turn.rating.code for turn in other.turns]


def test_lengths_are_iemocaps() -> None:
    """Median 3.58 s, mean 4.55 s, 95 % under 11.1 s."""
    seconds = draw_seconds(np.random.default_rng(0), 5531)
    assert np.median(seconds) == pytest.approx(3.58, abs=0.02)
    assert np.percentile(seconds, 95) == pytest.approx(11.1, abs=0.1)
    assert np.mean(seconds) == pytest.approx(4.5, abs=0.1)


def test_texts_grow_with_their_time() -> None:
    rng = np.random.default_rng(0)
    sizes = [np.mean([len(compose(rng, seconds)) for _ in range(50)]) for seconds in (1, 3, 6, 12)]
    assert sizes == sorted(sizes)
    assert sizes[3] == pytest.approx((12 - 0.5) * 15.5, rel=0.1)


def test_sentences_are_plain_and_different() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES)
    for sentence in SENTENCES:
        assert re.fullmatch(r"[A-Z][A-Za-z' ,]*[.?]", sentence), sentence


def test_label_and_transcript_files() -> None:
    dialogue = plan_session(0, 1, 4)[0]
    dialogue = Dialogue(dialogue.name, dialogue.turns[:2])
    lines = label_file(dialogue, [(0.5, 2.25), (3.0, 4.125)]).splitlines()
    turn = dialogue.turns[0]
    v, a, d = turn.rating.summary

    assert lines[0] == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    assert lines[2] == f"[0.5000 - 2.2500]\t{turn.name}\t{turn.rating.code}\t[{v:.4f}, {a:.4f}, {d:.4f}]"
    raters = ["C-E2", "C-E3", "C-E4", "C-F1", "A-E3", "A-E4", "A-F1"]
    assert [line.split(":")[0] for line in lines[3:10]] == raters
    assert all(re.fullmatch(r"C-[EF]\d:\t[A-Z][a-z]+;\t\(\)", line) for line in lines[3:7])
    assert all(re.fullmatch(r"A-[EF]\d:\tval \d; act \d; dom  \d;\t\(\)", line) for line in lines[7:10])
    external = [[int(number) for number in re.findall(r" (\d);", line)] for line in lines[7:9]]
    np.testing.assert_array_equal(np.mean(external, axis=0), [v, a, d])  # not the actor's own
    assert transcript_file(dialogue, [(0.5, 2.25), (3.0, 4.125)]).splitlines()[1] == (
        f"{dialogue.turns[1].name} [003.0000-004.1250]: {dialogue.turns[1].text}"
    )
