"""Commands about the examples and this machine: list, doctor, record."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from ..errors import TutorialError, WrongUse
from .options import AsJson, ExampleName, Source, example_of_use, output
from .progress import RunProgress, console, say, show_table

app = typer.Typer()


@app.command("list", epilog=example_of_use("playground list"))
def list_examples(as_json: AsJson = False) -> None:
    """List the examples."""
    from ..catalogue import find_all, find_damaged

    with output(as_json) as result:
        found = [(example.name, example.facts) for example in find_all()]
        result["examples"] = [
            {"name": name, "title": facts.title.model_dump(), "data": facts.data.model_dump()} for name, facts in found
        ]
        rows = [(name, facts.title.zh, facts.title.en, facts.data.licence) for name, facts in found]
        show_table("Examples", ("name", "中文", "English", "licence of the data"), rows)
        result["damaged"] = find_damaged()
        for name, reason in result["damaged"].items():
            say(f"{name} is damaged and left out: {reason}", style="red")


@app.command(epilog=example_of_use("playground record mnist --source mnist"))
def record(
    example: ExampleName,
    source: Source = None,
    results: Annotated[Path, typer.Option(metavar="DIR", help="Folder of recorded results")] = Path("docs/results"),
    only: Annotated[
        list[str], typer.Option(metavar="NAME", help="Run this experiment only, keep the others; may be repeated")
    ] = [],
    num_rounds: Annotated[
        int | None,
        typer.Option("--rounds", metavar="N", help="Rounds of each run", min=1, show_default="the experiments'"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Record nothing: train again, and compare with what was recorded")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Record the results that the example's page shows, or check that they still come out."""
    from ..catalogue import find

    with output(as_json) as result:
        found = find(example)
        if check and num_rounds:
            raise WrongUse("--check trains as many rounds as were recorded: leave out --rounds")
        if not results.is_dir():
            raise WrongUse(f"{results} is no folder: run this in the project's folder, or name one with --results")
        with RunProgress() as progress:
            if check:
                from ..experiments.band import check as train_again

                figures = train_again(found, results, None, source, progress, only)
            else:
                from ..experiments.record import record as record_results

                result["file"] = str(record_results(found, results, None, source, progress, only, num_rounds))
        if check:
            result["figures"] = [{**vars(figure), "inside": figure.inside} for figure in figures]
            show_figures(found, figures)
        else:
            say(f"Recorded in {result['file']}")


def show_figures(example: Any, figures: list[Any]) -> None:
    """Show what was trained again beside what was recorded.

    Raises:
        TutorialError: A figure lies outside of its band.
    """
    formats = {metric.name: metric.format for metric in example.facts.metric}
    rows = []
    for each in figures:
        values = [
            format(value, formats.get(each.metric, ".3g")) for value in (each.recorded, each.low, each.high, each.now)
        ]
        mark = Text("ok", style="green") if each.inside else Text("outside", style="red")
        rows.append((each.experiment, each.run, each.metric, values[0], f"{values[1]} to {values[2]}", values[3], mark))
    show_table("Trained again", ("experiment", "run", "metric", "recorded", "band", "now", ""), rows)
    if outside := sum(not each.inside for each in figures):
        raise TutorialError(f"{outside} of {len(figures)} figures of {example.name} are no longer what was recorded")


@app.command(epilog=example_of_use("playground doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Check that this machine has what the examples need."""
    from .doctor import checks

    with output(as_json) as result:
        with console.status("looking"):
            found = checks()
        result["checks"] = [vars(check) for check in found]
        marks: dict[bool | None, str | Text] = {
            True: Text("ok", style="green"),
            False: Text("missing", style="red"),
            None: "note",
        }
        show_table("Doctor", ("", "", "found", "advice"), [(c.name, marks[c.ok], c.found, c.advice) for c in found])
        bad = [check.name for check in found if check.ok is False]
        if bad:
            raise TutorialError(f"not in order: {', '.join(bad)}")
