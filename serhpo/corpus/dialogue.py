"""Who says what in the synthetic corpus, and the label and transcript files IEMOCAP has for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from serhpo.corpus.ratings import Rating, draw_classes, draw_other_codes, rate
from serhpo.corpus.sentences import SENTENCES

OTHER_TURNS = 0.25
"""Turns without one of the four classes, for each turn with one (IEMOCAP: 0.81)."""

# Lengths of IEMOCAP's 5,531 four-class turns: a log-normal with this median and 95th percentile
# also meets their mean (4.5 s).
_MEDIAN_SECONDS, _SIGMA = 3.58, math.log(11.1 / 3.58) / 1.645
_LONGEST = 20.0
_EDGES = 0.5  # seconds of silence around and between sentences
_CHARACTERS_PER_SECOND = 15.5  # of the average voice
_TURNS_PER_DIALOGUE = 12  # of each speaker


@dataclass(frozen=True)
class Turn:
    """One utterance to be spoken.

    Attributes:
        name: As in IEMOCAP, e.g. ``Ses01F_impro01_M003``.
        letter: F or M, who speaks.
        text: What is said.
        rating: How it is acted and rated.
    """

    name: str
    letter: str
    text: str
    rating: Rating


@dataclass(frozen=True)
class Dialogue:
    """Turns of two speakers, alternating."""

    name: str
    turns: tuple[Turn, ...]


def plan_session(
    seed: int, session: int, utterances: int | Mapping[str, Mapping[str, int]]
) -> list[Dialogue]:
    """Lay out all dialogues of one woman and one man.

    Improvised and scripted dialogues alternate. A scripted one has the same words in every session,
    but every session acts it in its own way.

    Args:
        seed: Of the corpus.
        session: 1, 2, ...
        utterances: Turns of each speaker that carry one of the four classes; or, of ``F`` and ``M``,
            the exact number of turns of every class, and then there are no others.
    """
    rng = np.random.default_rng([seed, session, 1])
    if isinstance(utterances, int):
        labels = {letter: _draw_labels(rng, utterances) for letter in "FM"}
    else:
        labels = {letter: _shuffle_labels(rng, utterances[letter]) for letter in "FM"}
    count = max(2, math.ceil(max(map(len, labels.values())) / _TURNS_PER_DIALOGUE))
    shares = {letter: np.array_split(np.array(labels[letter]), count) for letter in "FM"}
    return [
        _plan_dialogue(rng, seed, session, number, {x: shares[x][number].tolist() for x in "FM"})
        for number in range(count)
    ]


def _shuffle_labels(rng: np.random.Generator, counts: Mapping[str, int]) -> list[str]:
    labels = [name for name, count in counts.items() for _ in range(count)]
    return [labels[index] for index in rng.permutation(len(labels))]


def _draw_labels(rng: np.random.Generator, utterances: int) -> list[str]:
    labels = draw_classes(rng, utterances) + draw_other_codes(rng, round(OTHER_TURNS * utterances))
    return [labels[index] for index in rng.permutation(len(labels))]


def _plan_dialogue(
    rng: np.random.Generator, seed: int, session: int, number: int, labels: dict[str, list[str]]
) -> Dialogue:
    scripted = number % 2 == 1
    scene = number // 2
    part = f"script{scene // 3 + 1:02d}_{scene % 3 + 1}" if scripted else f"impro{scene + 1:02d}"
    name = f"Ses{session:02d}{'FM'[scene % 2]}_{part}"
    longest = max(map(len, labels.values()))
    order = [(index, letter) for index in range(longest) for letter in "FM" if index < len(labels[letter])]
    words = np.random.default_rng([seed, number, 2]) if scripted else rng
    texts = [compose(words, seconds) for seconds in draw_seconds(words, len(order))]
    turns = [
        Turn(f"{name}_{letter}{index:03d}", letter, text, rate(rng, labels[letter][index]))
        for (index, letter), text in zip(order, texts, strict=True)
    ]
    return Dialogue(name, tuple(turns))


def draw_seconds(rng: np.random.Generator, count: int) -> list[float]:
    """Lengths of the turns of one dialogue, spread evenly over the quantiles of IEMOCAP's.

    A small corpus has few scripts, so independent draws would give it another median each time.
    """
    quantiles = (rng.permutation(count) + rng.uniform(0.01, 0.99, count)) / count
    normal = NormalDist(math.log(_MEDIAN_SECONDS), _SIGMA)
    return [min(math.exp(normal.inv_cdf(quantile)), _LONGEST) for quantile in quantiles]


def compose(rng: np.random.Generator, seconds: float) -> str:
    """Sentences that take an average voice about so long."""
    room = (seconds - _EDGES) * _CHARACTERS_PER_SECOND
    chosen: list[str] = []
    while not chosen or room > len(SENTENCES[0]):
        fitting = [text for text in SENTENCES if room / 3 <= len(text) <= room] or [
            min(SENTENCES, key=lambda text: abs(len(text) - room))
        ]
        chosen.append(fitting[rng.integers(len(fitting))])
        room -= len(chosen[-1]) + 1
    return " ".join(chosen)


def label_file(dialogue: Dialogue, spans: Sequence[tuple[float, float]]) -> str:
    """The dialogue's ``EmoEvaluation`` file; spans are start and end of each turn in seconds."""
    head = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
    blocks = (_block(turn, *span) for turn, span in zip(dialogue.turns, spans, strict=True))
    return head + "\n".join(blocks)


def transcript_file(dialogue: Dialogue, spans: Sequence[tuple[float, float]]) -> str:
    """The dialogue's ``transcriptions`` file."""
    return "".join(
        f"{turn.name} [{start:08.4f}-{end:08.4f}]: {turn.text}\n"
        for turn, (start, end) in zip(dialogue.turns, spans, strict=True)
    )


def _block(turn: Turn, start: float, end: float) -> str:
    rating, actor = turn.rating, f"{turn.letter}1"
    summary = ", ".join(f"{value:.4f}" for value in rating.summary)
    votes = [(f"E{number}", word) for number, word in enumerate(rating.votes, start=2)]
    scores = [(f"E{number}", values) for number, values in enumerate(rating.scores, start=3)]
    lines = [f"[{start:.4f} - {end:.4f}]\t{turn.name}\t{rating.code}\t[{summary}]"]
    lines += [f"C-{rater}:\t{word};\t()" for rater, word in [*votes, (actor, rating.self_vote)]]
    lines += [
        f"A-{rater}:\tval {v:.0f}; act {a:.0f}; dom  {d:.0f};\t()"
        for rater, (v, a, d) in [*scores, (actor, rating.self_scores)]
    ]
    return "\n".join(lines) + "\n"
