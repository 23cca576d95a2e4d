"""The tables of ``serhpo evaluate`` on terminals of any width: no figure is cut, no row loses its name."""

import io

import pytest

from serhpo.cli import console
from serhpo.cli.evaluation_tables import print_document

CLASSES = ("angry", "bored", "contempt", "disgusted", "excited", "fearful", "happy", "neutral", "surprised")
FIGURES = ("wa", "ua", "ccc", "macro_f1", "ccc_valence", "ccc_arousal", "ccc_dominance")
OTHERS = (("trial 10, λ=1", "control"), ("posterior class means", "baseline"))


def make_document(candidates):
    """Every figure of every row is another number."""
    named = [(f"trial {10 + number}", "candidate") for number in range(candidates)]
    rows, count = [], iter(range(1000, 10_000))

    def figure():
        told = {"value": next(count) / 1e4, "se": next(count) / 1e4, "fold_mean": next(count) / 1e4}
        return {**told, "se_folds": next(count) / 1e4, "se_seeds": next(count) / 1e4}

    for name, kind in (*named, *OTHERS):
        figures = {name: figure() for name in (*FIGURES, *(f"recall_{name}" for name in CLASSES))}
        groups = {"speaker": {"1F [b]": {"utterances": 10, "ua": next(count) / 1e4, "ccc": 0.5}}}
        rows.append({"name": name, "kind": kind, "seeds": [0, 1], "figures": figures, "groups": groups})
    return {
        "study": "demo",
        "corpus": "emo",
        "protocol": "holdout",
        "level": "held-out session",
        "configuration_selected_on_these_speakers": False,
        "folds": ["1"],
        "folds_of_protocol": 1,
        "test_speakers": ["1F"],
        "test_utterances": 10,
        "configurations_compared": candidates,
        "configurations_searched": 20,
        "readings": 1,
        "standard_errors": {"se": "bootstrap"},
        "rows": rows,
        "published": None,
        "comparisons": {"between_candidates": [], "with_references": []},
        "left_out": [],
        "failures": [],
        "predictions": "evaluations",
    }


@pytest.fixture
def printed(monkeypatch):
    def printed(document, width):
        file = io.StringIO()
        out = console._Console(file=file, width=width, highlight=False, soft_wrap=True)
        monkeypatch.setattr(console, "out", out)
        print_document(document)
        return file.getvalue().partition("Test: ")[0]

    return printed


@pytest.mark.parametrize(("candidates", "width"), [(12, 80), (2, 80), (3, 40), (12, 200)])
def test_every_figure_is_there_whole_and_every_row_has_its_name(printed, candidates, width):
    document = make_document(candidates)
    text = printed(document, width)
    for row in document["rows"]:
        for figure in row["figures"].values():
            assert f"{figure['value']:.3f} ± {figure['se']:.3f}" in text
        if row["kind"] != "baseline":
            assert f"{row['groups']['speaker']['1F [b]']['ua']:.3f}" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for name in ("trial 10", "trial 10, λ=1", "speaker 1F [b]", *CLASSES):
        assert name in words
    assert all(line.startswith(("trial", "post")) for line in text.splitlines() if "± 0." in line)


def test_what_does_not_fit_follows_below_with_its_rows_named_again(printed):
    document = make_document(2)
    wide, narrow = (printed(document, width) for width in (200, 80))
    assert narrow.count("\ntrial 11 ") > wide.count("\ntrial 11 ")
    titles = [text.count("Recall of each class") for text in (wide, narrow)]
    caption = "held-out session; 1 fold, 2 seeds"
    captions = [" ".join(text.split()).count(caption) for text in (wide, narrow)]
    assert (titles, captions) == ([1, 1], [6, 6])  # once a table, in however many parts
