"""The rules of rungs and rankings once more, from their descriptions, comparing all with all."""

import itertools
import math

from scipy.stats import kendalltau

from serhpo.pareto import standard_objectives
from serhpo.search.rungs import Rungs
from serhpo.search.settings import SearchSettings

BOTH = standard_objectives(4)
SETTINGS = {"epochs": 9, "grace_period": 1, "reduction_factor": 3, "ranking": "union", "controls": 0}


def rungs(**changed) -> Rungs:
    return Rungs(BOTH, SearchSettings(**{**SETTINGS, **changed}))


def better(one, other) -> bool:
    """One dominates the other; a broken one dominates nothing and is dominated by every sound one."""
    if not all(map(math.isfinite, one)):
        return False
    if not all(map(math.isfinite, other)):
        return True
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def front_after_front(values) -> list[list[int]]:
    left, fronts = list(range(len(values))), []
    while left:
        best = [i for i in left if not any(better(values[j], values[i]) for j in left)]
        fronts.append(best)
        left = [i for i in left if i not in best]
    return fronts


def on_the_unit_cube(values) -> list[tuple[float, ...]]:
    """0 for the best of the sound ones at this rung, 1 for the worst."""
    sound = list(zip(*[row for row in values if all(map(math.isfinite, row))], strict=True))
    spans = [max(column) - min(column) or 1.0 for column in sound]
    return [
        tuple((max(column) - v) / span for v, column, span in zip(row, sound, spans, strict=True))
        for row in values
    ]


def by_net(points) -> list[int]:
    """Indices of a front, each next one farthest from all before it."""
    order = [min(range(len(points)), key=lambda i: (round(sum(points[i]), 9), i))]
    while len(order) < len(points):
        rest = [i for i in range(len(points)) if i not in order]
        order.append(
            max(rest, key=lambda i: (round(min(math.dist(points[i], points[j]) for j in order), 9), -i))
        )
    return order


def by_crowding(points) -> list[int]:
    """The largest sum of distances between both neighbours first; ends of a column before all."""
    lonely = [0.0] * len(points)
    for axis in range(len(points[0])):
        line = sorted(range(len(points)), key=lambda i: (points[i][axis], i))
        for before, here, after in zip(line, line[1:], line[2:], strict=False):
            lonely[here] += points[after][axis] - points[before][axis]
        lonely[line[0]] = lonely[line[-1]] = math.inf
    return sorted(range(len(points)), key=lambda i: (-round(lonely[i], 9), i))


def volume(points, worst) -> float:
    """What lies between any of the points and the worst, slice after slice of the last axis."""
    if not points or len(worst) == 1:
        return max((worst[0] - point[0] for point in points), default=0.0)
    cuts = [*sorted({point[-1] for point in points}), worst[-1]]
    return sum(
        (high - low) * volume([point[:-1] for point in points if point[-1] <= low], worst[:-1])
        for low, high in itertools.pairwise(cuts)
    )


def by_contribution(points) -> list[int]:
    """The largest volume first that no other point covers, up to 1.1 on every axis."""
    worst = (1.1,) * len(points[0])
    whole = volume(points, worst)
    lost = [whole - volume(points[:i] + points[i + 1 :], worst) for i in range(len(points))]
    return sorted(range(len(points)), key=lambda i: (-round(lost[i], 9), i))


DIVIDED = {"epsilon_net": by_net, "crowding": by_crowding, "hypervolume": by_contribution}


def best_in(values, index, quota, axes) -> bool:
    sound = [row for row in values if all(map(math.isfinite, row))]
    return any(sum(row[axis] > values[index][axis] for row in sound) < quota for axis in axes)


def kept(ranking, values, index, eta) -> bool:
    if not all(map(math.isfinite, values[index])):
        return False
    quota = max(1.0, len(values) / eta)
    if ranking in ("ua", "ccc"):
        return best_in(values, index, quota, [("ua", "ccc").index(ranking)])
    if ranking == "either":
        return best_in(values, index, quota, range(len(values[0])))
    if ranking in ("union", "adaptive"):
        return kept("either", values, index, eta) or kept("epsilon_net", values, index, eta)
    points = on_the_unit_cube(values)
    if ranking == "scalarised":
        sums = [
            round(sum(p), 9) for p, row in zip(points, values, strict=True) if all(map(math.isfinite, row))
        ]
        return sum(s < round(sum(points[index]), 9) for s in sums) < quota
    position = 0
    for members in front_after_front(values):
        if index in members:
            order = [members[i] for i in DIVIDED[ranking]([points[i] for i in members])]
            return position + order.index(index) < quota
        position += len(members)
    raise AssertionError


def foretold(seen, epoch, levels) -> bool:
    """Are the taus from rung to rung, up to the last, 0.4 or more when multiplied?

    Each is the smaller one of both objectives, over the last eight or more trials of both rungs.
    """
    pairs = list(itertools.pairwise(levels))
    left = [pair for pair in pairs if pair[0] >= epoch] or pairs[-1:]
    product = 1.0 if left else 0.0
    for earlier, later in left:
        early, late = seen.get(earlier, {}), seen.get(later, {})
        nowhere = (math.nan,)
        both = [t for t in late if all(map(math.isfinite, (*late[t], *early.get(t, nowhere))))]
        taus = [
            kendalltau([early[t][axis] for t in both], [late[t][axis] for t in both]).statistic
            for axis in range(2)
            if len(both) >= 8
        ]
        product *= min(taus) if len(taus) == 2 and min(taus) > 0 and not any(map(math.isnan, taus)) else 0.0
    return product >= 0.4
