"""Figures of a row against the metrics of the package, worked out the long way."""

import numpy as np
import pytest

from serhpo.evaluate.rows import Row, Utterances
from serhpo.evaluate.summary import by_group, summarise
from serhpo.metrics import ccc, confusion, ua, wa

CLASSES = ("a", "b")


def make_row(speakers, seeds=3, each=12, **changes):
    generator = np.random.default_rng(1)
    size = len(speakers) * each
    names = np.repeat(np.array(speakers, dtype=object), each)
    labels = generator.integers(-1, 2, size)
    targets = generator.uniform(1, 5, (size, 3))
    tested = Utterances(
        utterances=np.array([f"u{i}" for i in range(size)], dtype=object),
        folds=np.where(np.arange(size) < size // 2, "one", "two").astype(object),
        speakers=names,
        genders=np.array([name[0] for name in names], dtype=object),
        styles=np.full(size, None, dtype=object),
        labels=labels,
        targets=targets,
    )
    right = generator.uniform(size=(seeds, size)) < 0.7
    predicted = np.where(right, np.maximum(labels, 0), 1 - np.maximum(labels, 0))
    ratings = targets + generator.normal(0, 1, (seeds, size, 3))
    settings = {"name": "trial 1", "kind": "candidate", "trial": 1, "seeds": tuple(range(seeds))}
    return Row(**settings, tested=tested, classes=CLASSES, predicted=predicted, dimensions=ratings, **changes)


def long_way(row, seed, part):
    tested = row.tested
    known = part & (tested.labels >= 0)
    matrix = confusion(tested.labels[known], row.predicted[seed][known], 2)
    cccs = [ccc(row.dimensions[seed][part, d], tested.targets[part, d]) for d in range(3)]
    return {"ua": ua(matrix), "wa": wa(matrix), "ccc": np.mean(cccs)}


@pytest.mark.parametrize("figure", ["ua", "wa", "ccc"])
def test_pooled_seeds_folds_and_speakers(figure):
    row = make_row(["F1", "F2", "F3", "M1", "M2", "M3"])
    found = summarise(row)[figure]
    everyone = np.ones(len(row.tested.labels), dtype=bool)
    by_seed = np.array([long_way(row, s, everyone)[figure] for s in range(3)])
    assert found.value == pytest.approx(by_seed.mean())
    assert found.se_seeds == pytest.approx(by_seed.std(ddof=1) / np.sqrt(3))
    folds = [
        np.mean([long_way(row, s, row.tested.folds == fold)[figure] for s in range(3)])
        for fold in ("one", "two")
    ]
    assert found.fold_mean == pytest.approx(np.mean(folds))
    assert found.se_folds == pytest.approx(abs(folds[0] - folds[1]) / 2)  # s/√2 of two values
    left_out = np.array(
        [
            np.mean([long_way(row, s, row.tested.speakers != name)[figure] for s in range(3)])
            for name in sorted(set(row.tested.speakers))
        ]
    )
    assert found.se == pytest.approx(np.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum()))


def test_the_bootstrap_draws_an_utterance_with_all_its_folds():
    row = make_row(["F1", "M1"], seeds=1)
    once = summarise(row)["ua"]
    twice = np.tile(np.arange(len(row.tested.labels)), 2)
    columns = {name: getattr(row.tested, name)[twice] for name in vars(row.tested)}
    doubled = Row(
        "x",
        "candidate",
        1,
        (0,),
        Utterances(**columns),
        CLASSES,
        row.predicted[:, twice],
        row.dimensions[:, twice],
    )
    assert summarise(doubled)["ua"].value == pytest.approx(once.value)
    assert summarise(doubled)["ua"].se == pytest.approx(once.se, rel=0.35)  # not smaller by √2
    assert summarise(doubled)["ua"].se_seeds is None


def test_what_a_row_was_not_trained_for_is_not_told():
    found = summarise(make_row(["F1", "M1"], unasked=("wa", "ua", "macro_f1")))
    assert {"ccc", "ccc_valence"} <= set(found)
    assert not {"wa", "ua", "macro_f1", "recall_a"} & set(found)


def test_groups_count_utterances_and_leave_out_what_the_corpus_does_not_tell():
    row = make_row(["F1", "F2", "M1"])
    groups = by_group(row)
    assert set(groups) == {"speaker", "gender"}
    assert groups["gender"]["F"]["utterances"] == 24
    part = row.tested.genders == "F"
    expected = np.mean([long_way(row, s, part)["ccc"] for s in range(3)])
    assert groups["gender"]["F"]["ccc"] == pytest.approx(expected)
