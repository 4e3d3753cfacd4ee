"""The command check."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from ..errors import TutorialError, WrongUse
from .options import (
    AggregatorFolder,
    AsJson,
    Data,
    NodeFolders,
    Seed,
    SettingTexts,
    TargetName,
    example_of_use,
    output,
    pairs,
    setting_values,
)
from .progress import console, show_table

app = typer.Typer()
STYLES = {"ok": "green", "failed": "red"}


@app.command(epilog=example_of_use("playground check my_task.py --data data"))
def check(
    target: TargetName,
    data: Data = None,
    nodes: NodeFolders = [],
    aggregator: AggregatorFolder = None,
    seed: Seed = 0,
    settings: SettingTexts = [],
    page: Annotated[
        bool, typer.Option("--page", help="Ask of an example in the project's repository, and its pages, what CI asks")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for what goes wrong on AlphaMed before a task goes there, and say how to mend it.

    Runs the task several times over two data owners, for two rounds at most; nothing is left behind.
    """
    if page and (data or nodes or aggregator or settings):
        raise WrongUse("--page asks of an example as it is: leave out data and settings")
    with output(as_json) as result:
        with console.status("starting") as status:
            if page:
                answers = ask_page(target, status.update)
            else:
                from ..catalogue import find
                from ..experiments.check import check as check_task

                found = find(target)
                values = setting_values(found, settings)

                def tell(question: str) -> None:
                    status.update(f"{question}?")

                answers = check_task(found, data, pairs(nodes, "--node"), aggregator, seed, values, tell)
                target = found.name
        result["rows"] = [vars(answer) for answer in answers]
        show_answers(f"Check of {target}", result["rows"])
        failed = [answer.id for answer in answers if answer.answer == "failed"]
        if failed:
            raise TutorialError(f"{len(failed)} of {len(answers)} failed: {', '.join(failed)}")


def ask_page(name: str, tell: Callable[[str], None]) -> list[Any]:
    """Return what CI would say of an example of the repository that the current folder lies in."""
    from ..contribute.page_check import check_page
    from ..contribute.repository import find_repository

    return check_page(find_repository(), name, tell)


def show_answers(title: str, rows: list[dict[str, Any]]) -> None:
    """Show each question with its answer, what was found, and how to mend it."""
    cells = [
        (row["question"], Text(row["answer"], STYLES.get(row["answer"], "")), row["reason"], row["mend"])
        for row in rows
    ]
    show_table(title, ("question", "answer", "found", "how to mend it"), cells)
