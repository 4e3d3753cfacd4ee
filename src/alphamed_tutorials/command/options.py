"""What several commands share: their arguments and options, and how a result becomes JSON."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..arguments import convert
from ..errors import TutorialError, WrongUse
from ..symptoms import symptom_of
from ..target import Target
from ..texts import to_json
from .streams import set_aside_stdout

TargetName = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="An example, a folder, or a file such as my_task.py (or my_task.py:CLASS)"),
]
ExampleName = Annotated[str, typer.Argument(metavar="EXAMPLE", help="An example, or a folder that holds a prepare.py")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/mnist-1")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr")]
NumNodes = Annotated[
    int | None, typer.Option("--nodes", metavar="N", help="Number of data owners", min=1, show_default="the example's")
]
NumWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="K",
        min=1,
        help="Processes that train data owners at the same time; with 1, breakpoint() works, and prints come at once",
        show_default="as many as help on this machine",
    ),
]
NumRounds = Annotated[
    int | None, typer.Option("--rounds", metavar="N", help="Number of rounds", min=1, show_default="the target's")
]
Seed = Annotated[int, typer.Option(metavar="N", help="Start of all random numbers", min=0)]
PartitionText = Annotated[
    str, typer.Option(metavar="iid|dirichlet:ALPHA|skew:SHARE|owners", help="How the data is split over the nodes")
]
Source = Annotated[
    Path | None, typer.Option(metavar="PATH", help="The real data set, folder or archive", show_default="embedded data")
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="A folder with one sub-folder for each node", show_default="the target's, or embedded data"
    ),
]
NodeFolders = Annotated[
    list[str], typer.Option("--node", metavar="NAME=DIR", help="The folder of one data owner; may be repeated")
]
AggregatorFolder = Annotated[
    Path | None, typer.Option("--aggregator", metavar="DIR", help="The folder with the test data")
]
SettingTexts = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="An argument of the scheduler; may be repeated")
]


def example_of_use(line: str) -> str:
    """Return the epilog of a command's help."""
    return f"Example: [bold]{line}[/bold]"


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """Return NAME=VALUE texts as a dictionary.

    Raises:
        WrongUse: A text has no `=`, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise WrongUse(f"{option} {text}: write it as NAME=VALUE")
        if name.strip() in found:
            raise WrongUse(f"{option} {name.strip()} is given twice")
        found[name.strip()] = value
    return found


def setting_values(target: Target, texts: list[str]) -> dict[str, Any]:
    """Return the values of `--set` for a target's scheduler, whose code is loaded only where something is set.

    Raises:
        WrongUse: A text is no NAME=VALUE, no argument has that name, or the text is no value for it.
    """
    return convert(target.scheduler_class, pairs(texts, "--set")) if texts else {}


@contextlib.contextmanager
def output(as_json: bool) -> Iterator[dict[str, Any]]:
    """Collect what a command returns, with `error` if it fails; if asked, print it as JSON and all else on stderr."""
    result: dict[str, Any] = {}
    if not as_json:
        yield result
        return
    stdout = set_aside_stdout()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield result
    except (TutorialError, OSError) as error:
        result["error"] = str(error)
        if name := symptom_of(str(error)):
            result["symptom"] = name  # for `playground explain`
        raise
    finally:
        if result:
            print(to_json(result), file=stdout, flush=True)


def refuse_existing(*files: Path | None) -> None:
    """Refuse to write over a file, or into a folder that is not there."""
    for file in filter(None, files):
        if file.exists():
            raise WrongUse(f"{file} exists already and is left as it is: name another file")
        if not file.parent.is_dir():
            raise WrongUse(f"{file.parent} is no folder: make it first, or name another file")
