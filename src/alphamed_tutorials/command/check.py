"""The command check."""

from typing import Any

import typer
from rich.text import Text

from ..errors import TutorialError
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
    as_json: AsJson = False,
) -> None:
    """Look for what goes wrong on AlphaMed before a task goes there, and say how to mend it.

    Runs the task several times over two data owners, for two rounds at most; nothing is left behind.
    """
    with output(as_json) as result:
        with console.status("starting") as status:
            from ..catalogue import find
            from ..experiments.check import check as check_task

            found = find(target)
            values = setting_values(found, settings)

            def tell(question: str) -> None:
                status.update(f"{question}?")

            answers = check_task(found, data, pairs(nodes, "--node"), aggregator, seed, values, tell)
        result["rows"] = [vars(answer) for answer in answers]
        show_answers(f"Check of {found.name}", result["rows"])
        failed = [answer.id for answer in answers if answer.answer == "failed"]
        if failed:
            raise TutorialError(f"{len(failed)} of {len(answers)} failed: {', '.join(failed)}")


def show_answers(title: str, rows: list[dict[str, Any]]) -> None:
    """Show each question with its answer, what was found, and how to mend it."""
    cells = [
        (row["question"], Text(row["answer"], STYLES.get(row["answer"], "")), row["reason"], row["mend"])
        for row in rows
    ]
    show_table(title, ("question", "answer", "found", "how to mend it"), cells)
