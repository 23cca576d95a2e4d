# %% [markdown]
# # Review the front of a study
#
# Open this file as a notebook (VS Code, Jupytext) and name your study below, or run it:
# `python analysis/review_front.py NAME`. With matplotlib (`pip install "serhpo[figures]"`) it also draws.

# %%
import sys

import serhpo

STUDY = sys.argv[1] if len(sys.argv) > 1 and "ipykernel" not in sys.modules else "NAME"  # or a folder

study = serhpo.open_study(STUDY)
first, second = study.objectives[:2]
trials = study.trials().to_pylist()
complete = [row for row in trials if row["state"] == "COMPLETE"]
front = study.front().to_pylist()
print(study)
print(f"{study.settings.corpus_name}, {study.settings.protocol.name}: {study.settings.claim}.")
print("All figures are of validation speakers, on whom the configurations were chosen too.")


# %% [markdown]
# ## The front, and what it is read beside
# A head that cannot beat the CCC of the class means has learnt nothing beyond the class.


# %%
def measured(row: dict, metric: str) -> str:
    """A figure with its standard error."""
    error = row.get(f"se_{metric}")
    return f"{row[metric]:.3f}" + ("" if error is None else f" ± {error:.3f}")


def told(name: str, row: dict) -> None:
    """A line of the table."""
    print(f"{name:>21}  {first} {measured(row, first)}  {second} {measured(row, second)}")


PARAMETERS = [name for name in study.trials().column_names if name.startswith("params.")]
for row in front:
    told(f"trial {row['number']}", row)
    values = {name.removeprefix("params."): row[name] for name in PARAMETERS if row[name] is not None}
    short = [f"{name} {v:.3g}" if isinstance(v, float) else f"{name} {v}" for name, v in values.items()]
    print(f"{'':>21}  {', '.join(short)}")
for row in study.baselines().to_pylist():
    told(row["label"], row)
tied = [row["number"] for row in complete if row["tie"]]
print(f"Not beaten, only inside one standard error of the front: {tied or 'none'}")

# %% [markdown]
# ## One trial to take home

# %%
if front:
    for wish in ("knee", f"best-{first}", f"best-{second}"):
        choice = study.pick(wish)
        print(f"{wish}: trial {choice.number}, {choice.why}")

# %% [markdown]
# ## Does a setting show among the good ones?
# Mean of the complete trials with each value. Pruning keeps the better trials, so this says what went
# together with good figures, not what caused them; the report has intervals.

# %%
for name in PARAMETERS:
    values = sorted({row[name] for row in complete if row[name] is not None}, key=str)
    if len(values) < 2 or isinstance(values[0], float):
        continue
    print(name.removeprefix("params."))
    for value in values:
        own = [row for row in complete if row[name] == value]
        means = "  ".join(f"{m} {sum(row[m] for row in own) / len(own):.3f}" for m in (first, second))
        print(f"  {value!s:>24}  {means}  ({len(own)} of {len(complete)})")

# %% [markdown]
# ## The picture: front and curves

# %%
try:
    import matplotlib.pyplot as plt
except ImportError:
    print('No picture without matplotlib: pip install "serhpo[figures]"')
else:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for state, mark in (("PRUNED", "x"), ("COMPLETE", "o")):
        own = [row for row in trials if row["state"] == state]
        xs, ys = [row[first] for row in own], [row[second] for row in own]
        left.plot(xs, ys, mark, color="0.6", label=state.lower())
    errors = {
        f"{axis}err": [row.get(f"se_{metric}") or 0 for row in front]
        for axis, metric in (("x", first), ("y", second))
    }
    xs, ys = [row[first] for row in front], [row[second] for row in front]
    left.errorbar(xs, ys, **errors, fmt="o-", label="front")
    left.set(xlabel=first.upper(), ylabel=second.upper())
    left.legend()
    epochs = study.epochs().to_pylist()
    for row in trials:
        own = [epoch for epoch in epochs if epoch["trial"] == row["number"]]
        chosen = {"lw": 2, "label": f"trial {row['number']}"}
        look = chosen if row["on_front"] else {"lw": 0.7, "color": "0.7"}
        right.plot([epoch["epoch"] for epoch in own], [epoch[first] for epoch in own], **look)
    right.set(xlabel="epoch", ylabel=first.upper())
    if front:
        right.legend()
    figure.savefig("review_front.png", dpi=150)
    print("drawn: review_front.png")
