# %% [markdown]
# # The paper's table, from a study of your own
#
# Bautista & Shin (Applied Sciences 2025, 15(2), 623) table what encoders and loss weighting are worth in
# WA, UA and CCC. This makes such a table of a study: of every combination of streams and weighting the best
# complete trial, the baselines below. Name your study, or run `python analysis/papers_table.py NAME`.

# %%
import sys
from pathlib import Path

import serhpo

STUDY = sys.argv[1] if len(sys.argv) > 1 and "ipykernel" not in sys.modules else "NAME"  # or a folder

study = serhpo.open_study(STUDY)
settings = study.settings
complete = [row for row in study.trials().to_pylist() if row["state"] == "COMPLETE"]

# %% [markdown]
# ## The best trial of each kind
# Best in (UA + CCC)/2 on *validation* speakers, by whom it was chosen, so its figures flatter it: quote them
# with that sentence, or quote what the chosen trials reach on held-out speakers instead.

# %%
MEASURES = ("wa", "ua", "ccc_valence", "ccc_arousal", "ccc_dominance", "ccc")
HEADS = ("WA", "UA", "CCC valence", "arousal", "dominance", "mean")


def kind(row: dict) -> tuple[str, str]:
    """Streams and weighting of a trial, as far as the study searched them."""
    share = row.get("params.weighting.lambda")
    scheme = row.get("params.weighting.name") or ("fixed" if share is not None else "as in the space")
    return str(row.get("params.streams") or "as in the space"), str(scheme)


def figure(row: dict, measure: str) -> str:
    """Accuracies in per cent, as the paper has them; CCC as it is."""
    value = row.get(measure)
    if value is None:
        return "–"
    return f"{100 * value:.2f}" if measure in ("wa", "ua") else f"{value:z.4f}"


best: dict[tuple[str, str], dict] = {}
for row in sorted(complete, key=lambda row: row["ua"] + row["ccc"]):
    best[kind(row)] = row
counts = {key: sum(kind(row) == key for row in complete) for key in best}
rows = [
    [f"{streams}, {scheme} (best of {counts[streams, scheme]})", *(figure(row, m) for m in MEASURES)]
    for (streams, scheme), row in sorted(best.items())
]
rows += [[row["label"], *(figure(row, m) for m in MEASURES)] for row in study.baselines().to_pylist()]

# %% [markdown]
# ## What test speakers say
# `serhpo evaluate NAME` retrains the front with several seeds and reads the test speakers once: the rows to
# quote. The paper's own row stands only beside rows of the same corpus and protocol.

# %%
evaluation = study.evaluation("leave_one_speaker_out") or study.evaluation()
if evaluation is None:
    print(f"Nothing is measured on test speakers yet: serhpo evaluate {study.name}\n")
else:
    for row in evaluation["rows"]:
        values = {measure: told["value"] for measure, told in row["figures"].items()}
        rows.append([f"test speakers: {row['name']}", *(figure(values, m) for m in MEASURES)])
    if published := evaluation["published"]:
        rows.append([published["name"], *(figure(published["figures"], m) for m in MEASURES)])
    else:
        print("Without the paper's row: it is of all of IEMOCAP, leaving out one speaker at a time.\n")

# %%
print("|  | " + " | ".join(HEADS) + " |")
print("|---|" + "---|" * len(HEADS))
for row in rows:
    print("| " + " | ".join(row) + " |")
protocol = f"{settings.corpus_name}, {settings.protocol.name}, {len(study.lock['folds'])} folds, one seed"
print(f"\n{protocol}; validation speakers, where nothing else is said; {settings.claim}.")
if evaluation:
    print(f"Test speakers: {evaluation['level']}; trials compared: {evaluation['configurations_compared']}.")

# %% [markdown]
# ## For LaTeX

# %%
lines = [
    r"\begin{tabular}{l" + "r" * len(HEADS) + "}",
    " & ".join(["", *HEADS]) + r" \\ \hline",
    *(" & ".join(cell.replace("&", r"\&").replace("_", r"\_") for cell in row) + r" \\" for row in rows),
    r"\end{tabular}",
]
Path("papers_table.tex").write_text("\n".join(lines) + "\n", encoding="utf-8")
print("written: papers_table.tex")
