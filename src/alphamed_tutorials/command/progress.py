"""What the command line shows while it works, and its tables."""

import contextlib
import os
import pdb
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..prints import no_bars
from ..texts import in_line, printable

console = Console(stderr=True, highlight=False, markup=False)
PIPE_WIDTH = 200  # of tables that no terminal shows: nothing there should be folded at 80


def say(text: str, style: str | None = None) -> None:
    """Print a message on stderr, without line breaks of our own: commands and paths in it can be copied."""
    console.print(printable(text), style=style, soft_wrap=True)


@contextlib.contextmanager
def status(text: str) -> Iterator[None]:
    """Show that something is going on; bars of the user's code do not mix with it."""
    with console.status(text), no_bars():
        yield


def advise(advice: str) -> None:
    """Print what to do, if anything."""
    if advice:
        say(advice, style="yellow")


def number(value: float) -> str:
    """Return a metric as it is shown: with four decimals, but where these say nothing."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e9 else f"{value:.4g}"


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print a table on stdout, numbers to the right."""
    rows = [[_printable(cell) for cell in row] for row in rows]
    table = Table()
    for name, cells in zip(columns, zip(*rows) if rows else [()] * len(columns)):
        is_number = all(str(cell).replace(".", "").isdigit() for cell in cells)
        table.add_column(in_line(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    stdout = Console(highlight=False, markup=False, width=width)
    stdout.print(printable(title), style="italic", soft_wrap=True)  # a title may be longer than a narrow table
    stdout.print(table)


def _printable(cell: str | Text) -> str | Text:
    return printable(cell) if isinstance(cell, str) else cell


class RunProgress:
    """Show the course of a run, or of one run after another: a bar on a terminal, a line a round elsewhere.

    Args:
        num_rounds: Rounds of the run; an event with `rounds` knows better.
        rounds_done: Rounds that a resumed run has behind it.
    """

    def __init__(self, num_rounds: int | None = None, rounds_done: int = 0):
        self.num_rounds = num_rounds
        self.warned: set[str] = set()  # what one node does, the others do too
        self.progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"),
            TimeElapsedColumn(),
            console=console, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty(),
        )  # fmt: skip
        self.bar = self.progress.add_task("setting up", total=num_rounds, completed=rounds_done)

    def __enter__(self) -> "RunProgress":
        self.outer_hook, sys.breakpointhook = sys.breakpointhook, self._breakpoint
        self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()
        sys.breakpointhook = self.outer_hook

    def __call__(self, event: dict[str, Any]) -> None:
        """Take an event of the run."""
        run = printable(f"{event['run']}: ") if "run" in event else ""
        if event["event"] == "started":
            self.num_rounds = event.get("rounds", self.num_rounds)
            self.progress.update(self.bar, completed=event["round"], total=self.num_rounds)
        elif event["event"] == "training":
            self.progress.update(
                self.bar, description=f"{run}round {event['round']}, {printable(event['node'])} trains"
            )
        elif event["event"] == "round_done":
            text = ", ".join(f"{in_line(name)} {number(value)}" for name, value in event["metrics"].items())
            self.progress.update(self.bar, completed=event["round"], description=f"{run}round {event['round']}")
            say(f"{run}round {event['round']}/{self.num_rounds or '?'}: {text}")
        elif event["event"] == "warning" and event["text"] not in self.warned:
            self.warned.add(event["text"])
            say(f"{run}Warning ({event['node']}): {event['text']}", style="yellow")

    def _breakpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Take the bar out of the way of the debugger."""
        self.progress.stop()
        if "PYTHONBREAKPOINT" in os.environ:
            return self.outer_hook(*args, **kwargs)
        return pdb.Pdb().set_trace(sys._getframe(1))


class DownloadProgress:
    """Show a bar for each file that is downloaded."""

    def __init__(self):
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console)
        self.bars: dict[str, Any] = {}

    def __enter__(self) -> "DownloadProgress":
        self.progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    def __call__(self, file: str, done: int, total: int | None) -> None:
        """Take the state of one file's download, in bytes."""
        if file not in self.bars:
            self.bars[file] = self.progress.add_task(file, total=total)
        self.progress.update(self.bars[file], completed=done, total=total)
