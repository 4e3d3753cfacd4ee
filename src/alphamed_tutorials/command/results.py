"""Commands about what runs are good for: export, compare."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import TutorialError
from .options import (
    AggregatorFolder,
    AsJson,
    Data,
    NodeFolders,
    NumNodes,
    NumRounds,
    PartitionText,
    RunFolder,
    Seed,
    SettingTexts,
    Source,
    TargetName,
    example_of_use,
    output,
    pairs,
    setting_values,
)
from .progress import RunProgress, advise, say, show_table, status

app = typer.Typer()


@app.command(epilog=example_of_use("playground export runs/mnist-1"))
def export(
    run: RunFolder,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="TARGET", help="Your own code of the task: nothing of the run folder runs", show_default="the run's"
        ),
    ] = None,
    aggregator: AggregatorFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write the trained model as TorchScript, by torch.export and as ONNX, and check that they predict the same.

    Export runs you made yourself: this runs the code that a run folder holds in entry.pickle and names in run.json.
    With --target TARGET it runs TARGET's code instead, and takes settings and parameters alone from the folder.
    """
    from ..runs.folder import Run

    with output(as_json) as result:
        found = Run.open(run)
        with status("exporting"):
            from ..runs.export import export as export_run

            result |= export_run(found, target, aggregator)
        forms = {name: form for name, form in result.items() if isinstance(form, dict)}
        rows = [(name, form.get("file", ""), *agreement(form)) for name, form in forms.items()]
        show_table(f"Exported and compared on {result['inputs']} inputs", ("form", "file", "agrees", "note"), rows)
        say(f"Exported: {result['model']}")


def agreement(form: dict[str, Any]) -> tuple[str, str]:
    """Return how far an exported form predicts what the model does, and what else to know of it."""
    if "error" in form:
        return "none", form["error"]
    difference = form["max_difference"]
    note = "; ".join(filter(None, (f"takes {form['takes']}" if "takes" in form else "", form.get("note"))))
    return f"within {difference:.1g}" if difference else "exactly", note


@app.command(epilog=example_of_use("playground compare mnist --partition dirichlet:0.3 --rounds 20"))
def compare(
    target: TargetName,
    data: Data = None,
    nodes: NodeFolders = [],
    aggregator: AggregatorFolder = None,
    num_nodes: NumNodes = None,
    num_rounds: NumRounds = None,
    partition: PartitionText = "iid",
    source: Source = None,
    seed: Seed = 0,
    settings: SettingTexts = [],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New folder", show_default="runs/TARGET-compare-NUMBER")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare training in one place, on each node alone, and federated."""
    from ..catalogue import find

    with output(as_json) as result:
        found = find(target)
        values = setting_values(found, settings)
        with RunProgress() as progress:
            from ..experiments.compare import compare as compare_runs

            with told_where(progress) as listen:
                result |= compare_runs(
                    found, data, pairs(nodes, "--node"), aggregator, num_nodes, num_rounds, partition, source, seed,
                    values, out, listen,
                )  # fmt: skip
        show_comparison(found, result)


@contextlib.contextmanager
def told_where(progress: RunProgress) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Follow the runs of a comparison; where the user stops them, say where the one under way lies."""
    known: dict[str, Path] = {}

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "created":
            known["path"] = Path(event["path"])
        progress(event)

    try:
        yield listen
    except KeyboardInterrupt:
        raise TutorialError(
            f"stopped by Ctrl-C. The runs so far lie in {known['path'].parent}" if known else "stopped by Ctrl-C"
        ) from None


def show_comparison(target: Any, result: dict[str, Any]) -> None:
    """Show the last value of each metric, the rounds and the seconds of every run."""
    formats = {metric["name"]: metric["format"] for metric in result["metrics"]}
    names = [name for name in target.facts.metrics or formats if name in formats]
    rows = []
    for run in result["runs"]:
        if "left_out" in run:
            say(f"{run['name']} is left out: {run['left_out']}")
            continue
        last = {name: points[-1][1] for name, points in run["metrics"].items()}
        cells = [format(last[name], formats[name]) if name in last else "" for name in names]
        early = " (finished early)" if run["finished_early"] else ""
        rows.append((run["name"], *cells, f"{run['rounds']}{early}", f"{run['seconds']:.1f}"))
    parts = [target.name, result["partition"], f"{result['rounds']} rounds"]
    show_table(", ".join(filter(None, parts)), ("", *names, "rounds", "seconds"), rows)
    advise(result.get("advice", ""))
    picture = Path(result["folder"]) / "compare.png"
    say(f"Picture: {picture}" if picture.exists() else f"The runs lie in {result['folder']}; they wrote no test metric")
