"""What an evaluation's tables mean, in sentences: the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serhpo.text import counted

TITLES = {
    "wa": "WA",
    "ua": "UA",
    "macro_f1": "macro-F1",
    "ccc": "CCC",
    "ccc_valence": "valence",
    "ccc_arousal": "arousal",
    "ccc_dominance": "dominance",
}
"""Headings of figures; a dimension's is that of its CCC."""

_NAMED = 6
"""Folds that a sentence names."""


def level(document: Mapping[str, Any]) -> str:
    """Corpus, protocol and what may be claimed: stands with every table."""
    seeds = max((len(row["seeds"]) for row in document["rows"]), default=0)
    corpus, protocol, claim = (document[name] for name in ("corpus", "protocol", "level"))
    return f"{corpus}, {protocol}: {claim}; {folds(document)}, {counted(seeds, 'seed')}"


def folds(document: Mapping[str, Any]) -> str:
    """How many folds were measured, by name where there are more of them."""
    names, of = document["folds"], document["folds_of_protocol"]
    return f"{len(names)} of {of} folds ({_some(names)})" if len(names) < of else counted(of, "fold")


def notes(document: Mapping[str, Any]) -> list[str]:
    """Who was heard how often, what ± means, where rows come from, what is not in them, what failed."""
    compared = document["configurations_compared"]
    chosen = document["configuration_selected_on_these_speakers"]
    said = [
        f"Test: {counted(document['test_utterances'], 'utterance')} of "
        f"{counted(len(document['test_speakers']), 'speaker')}, on "
        + (
            "some of whom the configurations were chosen, too."
            if chosen
            else "whom no configuration was chosen."
        ),
        f"{counted(compared, 'configuration')} measured on these speakers, in "
        f"{counted(document['readings'], 'reading')}, of {document['configurations_searched']} that the "
        f"search compared on validation speakers"
        + ("; the best of several flatters itself." if compared > 1 else "."),
        f"Pooled over folds, mean over seeds; ± is one standard error ({document['standard_errors']['se']}), "
        "without that over seeds. Epochs were chosen on validation speakers.",
    ]
    if any(row["kind"] == "control" for row in document["rows"]):
        said.append("λ=1: the same configuration trained for classes only; λ=0: for dimensions only.")
    if published := document["published"]:
        said.append(f"{published['name']}: {published['source']}")
    for one in document["left_out"]:
        said.append(
            f"trial {one['trial']} ({one['variant']}), {_seeds(one['seeds'])}: measured, but not in these "
            f"tables, without a result for {_some(one['missing'])}."
        )
    for failure in document["failures"]:
        said.append(
            f"trial {failure['trial']} ({failure['variant']}), seed {failure['seed']}, {failure['fold']} "
            f"failed: {failure['reason']}"
        )
    return said


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _seeds(numbers: Sequence[int]) -> str:
    return f"{'seed' if len(numbers) == 1 else 'seeds'} {', '.join(map(str, numbers))}"


def exchanged(comparisons: list[Mapping[str, Any]]) -> str:
    """What the paired tests exchanged, and what that limits them to."""
    if comparisons and comparisons[0]["over"] == "speakers":
        return "speakers exchanged"
    return "utterances exchanged: of these speakers only"
