"""What ``serhpo search`` says before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serhpo.cli import console

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.search.prepare import Plan


def announce(plan: Plan) -> None:
    """Say what a search is about to do, and what in it looks like a mistake."""
    from serhpo.search.rungs import early_rungs, expected_epochs, rung_levels

    _tell_of_a_larger_grid(plan)
    s = plan.space.search
    labelled = len(plan.corpus) - plan.corpus.summary()["unlabelled"]
    shape = (s.epochs, s.grace_period, s.reduction_factor)
    levels = rung_levels(*shape)
    if early := early_rungs(levels, plan.space.peak_epoch(), s.epochs):
        console.say(early)
    about = expected_epochs(s.trials, *shape, s.ranking, len(s.objectives))
    console.say(
        f"Corpus {plan.corpus.name}: {len(plan.corpus)} utterances, {labelled} of them labelled, "
        f"{len(plan.corpus.speakers)} speakers; {plan.space.protocol.name}, {len(plan.folds)} folds"
    )
    console.say(
        f"Search: {s.trials} trials over {len(plan.space.parameters)} parameters, "
        f"compared at epochs {', '.join(map(str, levels)) or 'none'}; "
        f"about {about} epochs instead of {s.trials * s.epochs} without pruning; "
        f"{f'{s.concurrent} trials' if s.concurrent else 'as many as fit'} at a time"
    )


def _tell_of_a_larger_grid(plan: Plan) -> None:
    from itertools import islice

    from serhpo.search.grid import points

    search = plan.space.search
    if search.sampler != "grid":
        return
    if sum(1 for _ in islice(points(plan.space), search.trials + 1)) > search.trials:
        console.say(f"The grid has more points than {search.trials}: --trials sets how many are tried")
