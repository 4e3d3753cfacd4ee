"""The `playground` command: reads arguments, calls the library, shows what came of it."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from .errors import TutorialError, WrongUse
from .progress import RunProgress, console, show_table

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Run AlphaMed's federated learning examples on this machine.",
    epilog="Exit codes: 0 done, 1 the thing asked for failed, 2 wrong use.",
)

ExampleName = Annotated[str, typer.Argument(metavar="EXAMPLE", help="Name of an example, or a folder with an example.toml")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/mnist-1")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr")]
Nodes = Annotated[int | None, typer.Option(help="Number of data owners", min=1, show_default="the example's")]
Rounds = Annotated[int | None, typer.Option(help="Number of rounds", min=1, show_default="the example's")]
Seed = Annotated[int, typer.Option(help="Start of all random numbers", min=0)]
PartitionText = Annotated[str, typer.Option(metavar="iid|dirichlet:ALPHA", help="How the data is split over the nodes")]
Source = Annotated[Path | None, typer.Option(help="Folder of the real data set", show_default="embedded data")]


def example_of_use(line: str) -> str:
    """Return the epilog of a command's help."""
    return f"Example: [bold]{line}[/bold]"


@contextlib.contextmanager
def output(as_json: bool) -> Iterator[dict[str, Any]]:
    """Collect what a command returns; print it as JSON if asked, and keep all else off stdout then."""
    result: dict[str, Any] = {}
    if not as_json:
        yield result
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield result
    print(json.dumps(result, ensure_ascii=False))


@contextlib.contextmanager
def resumable(run: Path) -> Iterator[None]:
    """Say how to go on when a run stops before its end."""
    from .engines.nodes import NodeFailed

    advice = f"Logs: {run / 'logs'}. To go on after the last whole round: playground resume {run}"
    try:
        yield
    except NodeFailed as failure:
        raise TutorialError(f"{failure}\n{advice}") from failure
    except KeyboardInterrupt:
        raise TutorialError(f"stopped by Ctrl-C. {advice}") from None


@app.command("list", epilog=example_of_use("playground list"))
def list_examples(as_json: AsJson = False) -> None:
    """List the examples."""
    from .examples import find_all

    with output(as_json) as result:
        result["examples"] = [{"name": x.name, "title": x.facts["title"], "data": x.facts["data"]} for x in find_all()]
        rows = [(x["name"], x["title"]["zh"], x["title"]["en"], x["data"]["licence"]) for x in result["examples"]]
        show_table("Examples", ("name", "", "", "licence of the data"), rows)


@app.command(epilog=example_of_use("playground prepare mnist --nodes 3 --partition dirichlet:0.3 --out data"))
def prepare(
    example: ExampleName,
    out: Annotated[Path, typer.Option(help="New folder for the nodes' data")],
    nodes: Nodes = None,
    source: Source = None,
    partition: PartitionText = "iid",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make one data folder for each node, from the real data set or from embedded data."""
    from . import preparation
    from .examples import find
    from .partition import Partition

    with output(as_json) as result:
        found = find(example)
        result |= preparation.prepare(found, out, nodes or found.facts["run"]["nodes"], source, Partition.parse(partition), seed)
        preparation.plot_counts(result["counts"], out / "counts.png")
        show_counts(result["counts"])
        console.print(f"Written to {out}, with a picture in {out / 'counts.png'}. Next: playground verify {example} --data {out}")


def show_counts(counts: dict[str, dict[str, dict[str, int]]]) -> None:
    """Show how many samples of each class each node holds."""
    classes = sorted({name for splits in counts.values() for split in splits.values() for name in split})
    rows = [
        (node, split, *(str(found.get(name, 0)) for name in classes), str(sum(found.values())))
        for node, splits in counts.items()
        for split, found in splits.items()
    ]
    show_table("Samples", ("node", "split", *classes, "all"), rows)


@app.command(epilog=example_of_use("playground verify mnist --data data"))
def verify(
    example: ExampleName,
    data: Annotated[Path, typer.Option(help="A prepared folder, or the data folder of one node")],
    as_json: AsJson = False,
) -> None:
    """Check the data of every node with the example's DatasetVerify."""
    from .examples import find
    from .verification import verify_nodes

    with output(as_json) as result:
        result["nodes"] = verify_nodes(find(example), data)
        rows = [(node, "ok" if found["ok"] else "[red]refused[/red]", found["reason"]) for node, found in result["nodes"].items()]
        show_table("Data verification", ("node", "", "reason"), rows)
        refused = [node for node, found in result["nodes"].items() if not found["ok"]]
    if refused:
        raise TutorialError(f"data verification refused {', '.join(refused)}: mend what the reasons name and verify again")


@app.command(epilog=example_of_use("playground run mnist --nodes 3 --rounds 10 --seed 1"))
def run(
    example: ExampleName,
    data: Annotated[Path | None, typer.Option(help="A prepared folder", show_default="embedded data, made for this run")] = None,
    nodes: Nodes = None,
    rounds: Rounds = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="New run folder", show_default="runs/EXAMPLE-NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """Run an example's federated task on this machine."""
    from .engines.local import run_local
    from .examples import find
    from .partition import Partition
    from .preparation import prepare as prepare_data
    from .runs import Run

    if data and nodes:
        raise WrongUse("--data brings its own nodes: leave --nodes out, or prepare another folder")
    with output(as_json) as result:
        found = find(example)
        defaults = found.facts["run"]
        folder = Run.create(out) if out else Run.create_numbered(found.name)
        if data is None:
            data = folder.path / "data"
            prepare_data(found, data, nodes or defaults["nodes"], None, Partition(), seed)
        scheduler = found.build_scheduler(rounds or defaults["rounds"], seed)
        with resumable(folder.path), RunProgress(scheduler.max_rounds) as progress:
            run_local(scheduler, data, folder, seed, defaults["num_threads"], example=found.key, on_event=progress)
        show_run(folder, result)


@app.command(epilog=example_of_use("playground resume runs/mnist-1"))
def resume(run: RunFolder, as_json: AsJson = False) -> None:
    """Continue a run that was stopped or failed, after its last whole round.

    A run folder holds pickled Python objects: resume only runs you made yourself.
    """
    from .engines.local import resume_local
    from .runs import Run

    with output(as_json) as result:
        record = Run.open(run).record
        with resumable(run), RunProgress(record["settings"].get("max_rounds", 0), record["rounds_done"]) as progress:
            finished = resume_local(run, on_event=progress)
        show_run(finished, result)


def show_run(run: Any, result: dict[str, Any]) -> None:
    """Show a finished run's metrics by round and what to do next."""
    from .metrics import curves

    result |= {"run": str(run.path), "state": run.state, "seconds": run.record["seconds"], "metrics": run.metrics}
    tested = {name: dict(nodes["aggregator"]) for name, nodes in curves(run.rows).items() if "aggregator" in nodes}
    rounds = sorted({number for points in tested.values() for number in points})
    rows = [(str(n), *(f"{points[n]:.4f}" if n in points else "" for points in tested.values())) for n in rounds]
    show_table(f"{run.path}: {run.state} in {run.record['seconds']:.1f} s", ("round", *tested), rows)
    console.print(f"Model: {run.path / 'model.pt'}. Next: playground export {run.path}")


@app.command(epilog=example_of_use("playground metrics runs/mnist-1 --csv metrics.csv --plot metrics.png"))
def metrics(
    run: RunFolder,
    csv: Annotated[Path | None, typer.Option(help="Write round, node, name, value to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw every metric to this file (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's metrics, and save them as a table or a picture."""
    from . import metrics as drawing
    from .runs import Run, RunError, refuse_existing

    with output(as_json) as result:
        found = Run.open(run)
        if not found.rows:
            raise RunError(f"{run} has no metrics yet: its state is {found.state}")
        refuse_existing(csv, plot)
        if csv:
            csv.write_bytes((run / "metrics.csv").read_bytes())
        if plot:
            drawing.plot(drawing.curves(found.rows), plot)
        result |= {"run": str(run), "state": found.state, "metrics": found.metrics}
        show_table(f"{run}: {found.state}", ("metric", "last value"), [(n, f"{v:.4f}") for n, v in found.metrics.items()])


@app.command(epilog=example_of_use("playground export runs/mnist-1"))
def export(run: RunFolder, as_json: AsJson = False) -> None:
    """Write the trained model as TorchScript and ONNX, and check that they predict the same.

    A run folder holds pickled Python objects: export only runs you made yourself.
    """
    from . import export as exporting
    from .runs import Run

    with output(as_json) as result:
        result |= exporting.export(Run.open(run))
        rows = [
            (kind, result[kind].get("file", "[red]none[/red]"), result[kind].get("error") or f"{result[kind]['max_difference']:.1e}")
            for kind in ("torchscript", "onnx")
        ]
        show_table(f"Exported and compared on {result['inputs']} inputs", ("form", "file", "largest difference"), rows)


@app.command(epilog=example_of_use("playground compare mnist --partition dirichlet:0.3 --rounds 20"))
def compare(
    example: ExampleName,
    source: Source = None,
    nodes: Nodes = None,
    partition: PartitionText = "iid",
    rounds: Rounds = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="New folder", show_default="runs/EXAMPLE-compare-NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare training in one place, on each node alone, and federated."""
    from . import compare as comparing
    from .examples import find
    from .partition import Partition
    from .runs import Run

    with output(as_json) as result:
        found = find(example)
        defaults = found.facts["run"]
        split = Partition.parse(partition)
        folder = (Run.create(out) if out else Run.create_numbered(f"{found.name}-compare")).path
        num_rounds = rounds or defaults["rounds"]
        with RunProgress(num_rounds) as progress:
            result |= comparing.compare(
                found, folder, nodes or defaults["nodes"], num_rounds, split, seed, source, progress
            )  # fmt: skip
        names = found.facts["metrics"]
        rows = [(r["name"], *(f"{r['metrics'][name][-1][1]:.4f}" for name in names), f"{r['seconds']:.1f}") for r in result["runs"]]
        show_table(f"{found.name}, {partition}, {num_rounds} rounds", ("", *names, "seconds"), rows)
        console.print(f"Picture: {folder / 'compare.png'}")


@app.command(epilog=example_of_use("playground record mnist --source ../shared/data/mnist"))
def record(
    example: ExampleName,
    source: Source = None,
    results: Annotated[Path, typer.Option(help="Folder of recorded results")] = Path("docs/results"),
    as_json: AsJson = False,
) -> None:
    """Record the results that the example's page shows."""
    from . import record as recording
    from .examples import find
    from .runs import Run

    if not results.is_dir():
        raise WrongUse(f"{results} is not there: run this in the project's folder, or name one with --results")
    with output(as_json) as result:
        found = find(example)
        work = Run.create_numbered(f"{found.name}-record").path
        with RunProgress(max(plan["rounds"] for plan in found.facts["record"])) as progress:
            result["file"] = str(recording.record(found, results, work, source, progress))
        console.print(f"Recorded in {result['file']}")


@app.command(epilog=example_of_use("playground fetch mnist --out mnist"))
def fetch(
    example: ExampleName,
    out: Annotated[Path, typer.Option(help="Folder for the official data set")],
    as_json: AsJson = False,
) -> None:
    """Download the official data set, checked and resumable."""
    from . import download
    from .examples import find
    from .progress import DownloadProgress

    with output(as_json) as result, DownloadProgress() as progress:
        result["files"] = [str(file) for file in download.fetch(find(example).facts["download"], out, progress)]
        console.print(f"{len(result['files'])} files in {out}. Next: playground prepare {example} --source {out} --out data")


@app.command(epilog=example_of_use("playground doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Check that this machine has what the examples need."""
    from .doctor import checks

    with output(as_json) as result:
        found = checks()
        result["checks"] = [vars(check) for check in found]
        marks = {True: "[green]ok[/green]", False: "[red]missing[/red]", None: "note"}
        show_table("Doctor", ("", "", "found", "advice"), [(c.name, marks[c.ok], c.found, c.advice) for c in found])
        bad = [check.name for check in found if check.ok is False]
    if bad:
        raise TutorialError(f"not in order: {', '.join(bad)}")


def main() -> None:
    """Run the command line; an error the user can act on ends in its text and its exit code, without a traceback."""
    try:
        app()
    except TutorialError as error:
        console.print(f"Error: {error}", style="red", markup=False)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "alphafed":
            raise
        console.print("AlphaMed's SDK is missing: pip install --no-deps alphamed-federated==0.4.9", style="red")
        sys.exit(1)
