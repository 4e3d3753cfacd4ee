"""The `playground` command: reads arguments, calls the library, shows what came of it."""

import sys
from pathlib import Path

import typer

from ..errors import TutorialError
from ..faults import cure, fault_behind
from ..symptoms import symptom_of
from . import about, check, data, explain, playground, results, runs, share, task
from .progress import say
from .streams import outlive_readers

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Run federated learning tasks for AlphaMed on this machine: the examples, and your own.",
    epilog="Exit codes: 0 done, 1 the thing asked for failed, 2 wrong use.",
)
for group in (about, explain, check, data, results, runs, share, playground):
    app.registered_commands += group.app.registered_commands
app.add_typer(task.app, name="task")
app.add_typer(playground.hub_app, name="hub")


def main() -> None:
    """Run the command line; an error the user can act on ends in its text and its exit code, without a traceback."""
    outlive_readers()
    try:
        app()
    except TutorialError as error:
        fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "alphafed":
            raise
        fail("AlphaMed's SDK is missing: pip install --no-deps alphamed-federated==0.4.9")
    except Exception as error:
        fault = fault_behind(error)
        if fault is None and not isinstance(error, OSError):
            raise
        advice = f": {cure(fault, Path(fault.filename or '.'))}" if fault else ""
        fail(f"{fault or error}{advice}")  # the system's own words name the file


def fail(text: str, exit_code: int = 1) -> None:
    """Show an error, and where more is said about it; end the command."""
    say(f"Error: {text}", style="red")
    if name := symptom_of(text):
        say(f"More about it: playground explain {name}")
    sys.exit(exit_code)
