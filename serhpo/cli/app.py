"""``serhpo``: the commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from serhpo import __version__
from serhpo.cli import (
    cache,
    check,
    console,
    corpus,
    evaluate,
    export,
    features,
    front,
    launched,
    read,
    search,
    space,
    supervise,
    train,
)
from serhpo.errors import ResourceError, SearchInterruptedError, SerhpoError, UsageError

HELP = """Search joint speech-emotion models: emotion classes and valence/arousal/dominance at once.

`serhpo search --space full` runs Ray Tune and Optuna over encoders, attention and loss weighting, prunes
on accuracy and CCC together, and leaves a Pareto front to review: `serhpo front`, `serhpo report`.
"""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # of which Typer makes an exit code without a word
            raise typer.Abort from None


app = typer.Typer(
    cls=_Commands,
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(corpus.app, name="corpus")
app.add_typer(cache.app, name="cache")
app.add_typer(space.app, name="space")
app.command()(check.check)
app.command()(features.features)
app.command()(search.search)
app.command()(search.resume)
app.command()(train.train)
app.command()(read.status)
app.command()(front.front)
app.command()(read.report)
app.command()(launched.fetch)
app.command()(evaluate.evaluate)
app.command()(export.export)
app.command()(export.predict)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"serhpo {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress, only results and errors; works after any command.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; works after any command.")] = False,
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line and end the process with the exit code of what happened."""
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--debug", "--quiet")]
    debug, quiet = "--debug" in sys.argv[1:], "--quiet" in sys.argv[1:]
    as_json = "--json" in arguments
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    console.err.quiet = quiet
    if sys.stdout is None:
        console.error("Standard output is closed\n  next: > /dev/null, if nobody is to read it")
        sys.exit(ResourceError.exit_code)
    console.spell_out()
    try:
        code = _run(arguments, as_json, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # `| head` closed our output
        code = 0
    except OSError as error:  # stdout is a full disk
        code = ResourceError.exit_code
        with suppress(OSError):
            console.error(f"Cannot write the output: {error}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    supervise.leave(code)


def _run(arguments: list[str], as_json: bool, debug: bool) -> int:
    """Run one command and tell what went wrong; only errors of writing the output escape."""
    try:
        return app(arguments, standalone_mode=False, prog_name="serhpo") or 0
    except (typer.Abort, KeyboardInterrupt):
        hint = "what was computed is kept; the same command, or `serhpo resume`, goes on"
        return _tell(SearchInterruptedError("Interrupted", hint=hint), as_json, debug)
    except _USAGE_ERROR as error:
        if not str(error):  # a group without a command has printed its help
            return UsageError.exit_code
        return _tell(_misused(error), as_json, debug)
    except SerhpoError as error:
        return _tell(error, as_json, debug)
    except (BrokenPipeError, console.OutputError):
        raise
    except Exception as error:
        bug = SerhpoError(
            f"A bug in serhpo: {type(error).__name__}: {error}",
            hint="run again with --debug for the traceback",
        )
        return _tell(bug, as_json, debug)


# Typer carries its own copy of click; its base of all usage errors is public through BadParameter only.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]


def _misused(error: Any) -> UsageError:
    """What Typer found wrong: the option it is about, and the command whose help tells more."""
    command = error.ctx.command_path if error.ctx else "serhpo"
    return UsageError(error.format_message().rstrip("."), hint=f"{command} --help")


def _tell(error: SerhpoError, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    if as_json:
        console.print_json(error.to_json())
    else:
        console.error(str(error))
    return error.exit_code


if __name__ == "__main__":
    main()
