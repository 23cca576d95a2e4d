"""Independent pieces of work on the machines of a search: one Ray task each, results as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from serhpo.cluster import lost_process
from serhpo.errors import RayDiedError, ResourceError, SearchInterruptedError, SerhpoError
from serhpo.search.settings import SearchSettings

SharedT = TypeVar("SharedT")
WorkT = TypeVar("WorkT")
ResultT = TypeVar("ResultT")


def run_tasks(
    function: Callable[[SharedT, WorkT], ResultT],
    shared: SharedT,
    work: Sequence[WorkT],
    settings: SearchSettings,
    at_once: int,
    interrupted: Callable[[], bool],
) -> Iterator[tuple[WorkT, ResultT]]:
    """Apply a function to every piece of work, in workers with the resources of a trial.

    A task whose machine goes away is run again by Ray. When the caller stops listening, or one piece
    fails, those under way are stopped.

    Args:
        function: Of what all share and one piece; a function of a module, as workers import it.
        shared: Sent to every machine once.
        work: The pieces.
        settings: CPU cores and GPUs of each.
        at_once: How many run side by side.
        interrupted: Asked every second whether to stop.

    Yields:
        A piece and what it came to.

    Raises:
        SearchInterruptedError: The user stopped it.
        RayDiedError: One of Ray's own processes died.
        ResourceError: A worker died again and again.
        SerhpoError: What the function raised.
    """
    task = ray.remote(num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial)(function)
    common = ray.put(shared)
    waiting, running = iter(work), dict[Any, WorkT]()
    try:
        while True:
            while len(running) < at_once and (piece := next(waiting, None)) is not None:
                running[task.remote(common, piece)] = piece
            if not running:
                return
            ready, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
            require_ray()
            if interrupted():
                raise SearchInterruptedError("Stopped; everything is saved", hint="the same command goes on")
            for reference in ready:
                result = result_of(reference)
                yield running.pop(reference), result
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def require_ray() -> None:
    """Make sure that Ray still runs: its client may wait for ever where it does not.

    Raises:
        RayDiedError: One of Ray's own processes died.
    """
    if process := lost_process():
        again = "run the command again; if this happens again, look whether memory runs out"
        raise RayDiedError("One of Ray's own processes died", got=process, hint=again)


def result_of(reference: Any) -> Any:
    """What a task came to.

    Raises:
        SerhpoError: What the task raised, or that it raised something else.
        ResourceError: Its worker died, each time Ray tried.
    """
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, SerhpoError):
            raise error.cause from None
        reason = str(error.cause).strip().partition("\n")[0]
        raise SerhpoError(
            "A worker met an error of its own",
            got=f"{type(error.cause).__name__}: {reason}",
            hint="--debug shows where; the same command goes on with what is missing",
        ) from error
    except RayError as error:
        raise ResourceError(
            "A worker died, each time it was tried",
            got=str(error).strip().partition("\n")[0],
            hint="look whether memory runs out; the same command goes on with what is missing",
        ) from error
