# %% [markdown]
# # Compare studies
#
# Which search found more, and at what cost? Name your studies below, or run
# `python analysis/compare_studies.py A B …`. Hypervolumes can be compared only where corpus, classes and
# protocol are the same; this says where they are not.

# %%
import sys

import serhpo

STUDIES = sys.argv[1:] if len(sys.argv) > 1 and "ipykernel" not in sys.modules else ["A", "B"]

studies = [serhpo.open_study(name) for name in STUDIES]

# %% [markdown]
# ## May they be compared?

# %%
about = {
    "recordings and labels": [study.lock.get("corpus_digest") for study in studies],
    "classes": [study.settings.classes for study in studies],
    "protocol": [study.settings.protocol for study in studies],
    "folds": [study.lock.get("folds") for study in studies],
    "epochs of a trial": [study.settings.epochs for study in studies],
    "objectives": [study.objectives for study in studies],
}
different = [name for name, values in about.items() if any(value != values[0] for value in values)]
print(f"Not the same in all: {', '.join(different) or 'nothing; they may be compared'}.")
if "objectives" in different:
    raise SystemExit("Studies of different objectives have nothing to compare.")

# %% [markdown]
# ## What each found, and what it cost

# %%
first, second = studies[0].objectives[:2]
print(f"{'study':24} trials epochs  hours front  volume {first:>6} {second:>6}")
for study in studies:
    epochs, front = study.epochs(), study.front().to_pylist()
    hours = sum(row.get("seconds") or 0 for row in epochs.to_pylist()) / 3600
    best = [max((row[metric] for row in front), default=float("nan")) for metric in (first, second)]
    ended = sum(study.counts()[state] for state in ("COMPLETE", "PRUNED", "FAIL"))
    print(
        f"{study.name:24} {ended:>6} {epochs.num_rows:>6} {hours:>6.2f} {len(front):>5} "
        f"{study.hypervolume():>7.4f} {best[0]:>6.3f} {best[1]:>6.3f}"
    )

# %% [markdown]
# ## Whose trials make up the front of all together?

# %%
fronts = {study.name: study.front().to_pylist() for study in studies}
members = [(name, row["number"], row[first], row[second]) for name, front in fronts.items() for row in front]
for name, number, x, y in sorted(members, key=lambda member: -member[2]):
    beaten = any(a >= x and b >= y and (a, b) != (x, y) for _, _, a, b in members)
    if not beaten:
        print(f"{name}: trial {number}  {first} {x:.3f}  {second} {y:.3f}")

# %% [markdown]
# ## The picture: fronts, and hypervolume over trials

# %%
try:
    import matplotlib.pyplot as plt
except ImportError:
    print('No picture without matplotlib: pip install "serhpo[figures]"')
else:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for study in studies:
        front, growth = study.front().to_pylist(), study.growth().to_pylist()
        left.plot([row[first] for row in front], [row[second] for row in front], "o-", label=study.name)
        finished, volumes = [row["finished"] for row in growth], [row["hypervolume"] for row in growth]
        right.step(finished, volumes, where="post", label=study.name)
    left.set(xlabel=first.upper(), ylabel=second.upper())
    right.set(xlabel="finished trials", ylabel="hypervolume")
    left.legend()
    figure.savefig("compare_studies.png", dpi=150)
    print("drawn: compare_studies.png")
