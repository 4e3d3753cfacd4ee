"""The `playground` command: reads arguments, calls the library, shows what came of it."""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from .errors import TutorialError, WrongUse
from .progress import RunProgress, console, say, show_table

# Torch takes seconds to import: what needs it is imported inside the commands, after what is cheap to refuse.

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Run AlphaMed's federated learning examples on this machine.",
    epilog="Exit codes: 0 done, 1 the thing asked for failed, 2 wrong use.",
)

ExampleName = Annotated[str, typer.Argument(metavar="EXAMPLE", help="An example, or a folder with an example.toml")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, such as runs/mnist-1")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr")]
Nodes = Annotated[int | None, typer.Option(help="Number of data owners", min=1, show_default="the example's")]
Rounds = Annotated[int | None, typer.Option(help="Number of rounds", min=1, show_default="the example's")]
Seed = Annotated[int, typer.Option(help="Start of all random numbers", min=0)]
PartitionText = Annotated[
    str, typer.Option(metavar="iid|dirichlet:ALPHA|skew:SHARE|owners", help="How the data is split over the nodes")
]
Source = Annotated[Path | None, typer.Option(help="The real data set, folder or archive", show_default="embedded data")]


def example_of_use(line: str) -> str:
    """Return the epilog of a command's help."""
    return f"Example: [bold]{line}[/bold]"


@contextlib.contextmanager
def output(as_json: bool) -> Iterator[dict[str, Any]]:
    """Collect what a command returns, with `error` if it fails; if asked, print it as JSON and all else on stderr."""
    result: dict[str, Any] = {}
    if not as_json:
        yield result
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield result
    except TutorialError as error:
        result["error"] = str(error)
        raise
    finally:
        if result:
            print(json.dumps(result, ensure_ascii=False), flush=True)


@contextlib.contextmanager
def new_folder(out: Path | None, name: str) -> Iterator[Any]:
    """Make a run folder, and remove it again if no run came of it."""
    from .runs import Run

    folder = Run.create(out) if out else Run.create_numbered(name)
    try:
        yield folder
    except BaseException:
        if not any(folder.path.rglob("run.json")):
            shutil.rmtree(folder.path)
        raise


@contextlib.contextmanager
def resumable(path: Path, result: dict[str, Any]) -> Iterator[None]:
    """Report how far a run came, and how to go on when it stops before its end."""
    from .engines.nodes import NodeFailed
    from .runs import Run

    advice = f"Logs: {path / 'logs'}. To go on after the last whole round: playground resume {path}"
    try:
        yield
    except NodeFailed as failure:
        raise TutorialError(f"{failure}\n{advice}") from failure
    except KeyboardInterrupt:
        raise TutorialError(f"stopped by Ctrl-C. {advice}") from None
    finally:
        if (path / "run.json").exists():
            run = Run.open(path)
            result |= {"run": str(path), "state": run.state, "seconds": run.record["seconds"], "metrics": run.metrics}


def refuse_existing(*files: Path | None) -> None:
    """Refuse to write over a file, or into a folder that is not there."""
    for file in filter(None, files):
        if file.exists():
            raise WrongUse(f"{file} exists already and is left as it is: name another file")
        if not file.parent.is_dir():
            raise WrongUse(f"{file.parent} is no folder: make it first, or name another file")


@app.command("list", epilog=example_of_use("playground list"))
def list_examples(as_json: AsJson = False) -> None:
    """List the examples."""
    from .examples import find_all

    with output(as_json) as result:
        result["examples"] = [{"name": x.name, "title": x.facts["title"], "data": x.facts["data"]} for x in find_all()]
        rows = [(x["name"], x["title"]["zh"], x["title"]["en"], x["data"]["licence"]) for x in result["examples"]]
        show_table("Examples", ("name", "中文", "English", "licence of the data"), rows)


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
        found, split = find(example), Partition.parse(partition)
        with console.status("preparing"):
            result |= preparation.prepare(found, out, nodes or found.facts["run"]["nodes"], source, split, seed)
            preparation.plot_counts(result["counts"], out / "counts.png")
        show_counts(result["counts"])
        say(f"Written to {out}, with a picture in {out / 'counts.png'}. Next: playground verify {example} --data {out}")


def show_counts(counts: dict[str, dict[str, dict[str, int]]]) -> None:
    """Show how many samples of each class each node holds."""
    parts = {f"{node} {split}": classes for node, splits in counts.items() for split, classes in splits.items()}
    classes = list(dict.fromkeys(name for part in parts.values() for name in part))
    rows = [("class", *classes, "all")]
    rows += [(name, *(str(part.get(c, 0)) for c in classes), str(sum(part.values()))) for name, part in parts.items()]
    if len(parts) < len(classes):  # a screen is longer than wide
        rows = list(zip(*rows))
    show_table("Samples", rows[0], rows[1:])


@app.command(epilog=example_of_use("playground verify mnist --data data"))
def verify(
    example: ExampleName,
    data: Annotated[Path, typer.Option(help="A prepared folder, or the data folder of one node")],
    as_json: AsJson = False,
) -> None:
    """Check the data of every node with the example's DatasetVerify."""
    from .examples import find

    with output(as_json) as result:
        found = find(example)
        with console.status("verifying"):
            from .verification import verify_nodes

            result["nodes"] = verify_nodes(found, data)
        marks = {True: "ok", False: Text("refused", style="red")}
        rows = [(node, marks[x["ok"]], x["reason"].replace(f"{node}: ", "")) for node, x in result["nodes"].items()]
        show_table("Data verification", ("node", "", "reason"), rows)
        refused = [node for node, verdict in result["nodes"].items() if not verdict["ok"]]
        if refused:
            raise TutorialError(f"data verification refused {', '.join(refused)}: mend what is named and verify again")


@app.command(epilog=example_of_use("playground run mnist --nodes 3 --rounds 10 --seed 1"))
def run(
    example: ExampleName,
    data: Annotated[Path | None, typer.Option(help="A prepared folder", show_default="embedded data")] = None,
    nodes: Nodes = None,
    rounds: Rounds = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="New run folder", show_default="runs/EXAMPLE-NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """Run an example's federated task on this machine."""
    from .examples import find
    from .partition import Partition
    from .preparation import is_embedded, node_folders
    from .preparation import prepare as prepare_data

    with output(as_json) as result:
        found = find(example)
        defaults = found.facts["run"]
        num_rounds = rounds or defaults["rounds"]
        if data and nodes:
            raise WrongUse("--data brings its own nodes: leave --nodes out, or prepare another folder")
        if data:
            node_folders(data)
        with RunProgress(num_rounds) as progress, new_folder(out, found.name) as folder:
            from .engines.local import run_local

            if data is None:
                data = folder.path / "data"
                prepare_data(found, data, nodes or defaults["nodes"], None, Partition(), seed)
            settings = found.embedded_settings if is_embedded(data) else {}
            scheduler = found.build_scheduler(num_rounds, seed, **settings)
            with resumable(folder.path, result):
                run_local(scheduler, data, folder, seed, defaults["num_threads"], example=found.key, on_event=progress)
        show_run(folder)


@app.command(epilog=example_of_use("playground resume runs/mnist-1"))
def resume(run: RunFolder, as_json: AsJson = False) -> None:
    """Continue a run that was stopped or failed, after its last whole round.

    A run folder holds pickled Python objects: resume only runs you made yourself.
    """
    from .runs import Run

    with output(as_json) as result:
        record = Run.open(run).record
        with RunProgress(record["settings"].get("max_rounds"), record["rounds_done"]) as progress:
            from .engines.local import resume_local

            with resumable(run, result):
                finished = resume_local(run, on_event=progress)
        show_run(finished)


def show_run(run: Any) -> None:
    """Show a finished run's metrics by round and what to do next."""
    from .metrics import tested

    curves = {name: dict(points) for name, points in tested(run.rows).items()}
    rounds = sorted({number for points in curves.values() for number in points})
    rows = [(str(n), *(f"{points[n]:.4f}" if n in points else "" for points in curves.values())) for n in rounds]
    show_table(f"{run.path}: {run.state} in {run.record['seconds']:.1f} s", ("round", *curves), rows)
    say(f"Model: {run.path / 'model.pt'}. Next: playground export {run.path}")


@app.command(epilog=example_of_use("playground metrics runs/mnist-1 --csv metrics.csv --plot metrics.png"))
def metrics(
    run: RunFolder,
    csv: Annotated[Path | None, typer.Option(help="Write round, node, name, value to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw every metric to this file (.png, .svg, .pdf)")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's metrics, and save them as a table or a picture."""
    from . import metrics as drawing
    from .runs import Run, RunError

    with output(as_json) as result:
        found = Run.open(run)
        if not found.rows:
            raise RunError(f"{run} has no metrics yet: its state is {found.state}")
        refuse_existing(csv, plot)
        if plot:
            drawing.plot(drawing.curves(found.rows), plot)
        if csv:
            shutil.copyfile(run / "metrics.csv", csv)
        result |= {"run": str(run), "state": found.state, "metrics": found.metrics}
        rows = [(name, f"{value:.4f}") for name, value in found.metrics.items()]
        show_table(f"{run}: {found.state}", ("metric", "last value"), rows)


@app.command(epilog=example_of_use("playground export runs/mnist-1"))
def export(run: RunFolder, as_json: AsJson = False) -> None:
    """Write the trained model as TorchScript and ONNX, and check that they predict the same.

    A run folder holds pickled Python objects: export only runs you made yourself.
    """
    from .runs import Run

    with output(as_json) as result:
        found = Run.open(run)
        with console.status("exporting"):
            from .export import export as export_run

            result |= export_run(found)
        forms = {form: result[form] for form in ("torchscript", "onnx")}
        rows = [(form, x.get("file", ""), x.get("error") or f"{x['max_difference']:.1g}") for form, x in forms.items()]
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
    from .examples import find
    from .partition import Partition

    with output(as_json) as result:
        found, split = find(example), Partition.parse(partition)
        num_nodes, num_rounds = nodes or found.facts["run"]["nodes"], rounds or found.facts["run"]["rounds"]
        with RunProgress(num_rounds) as progress, new_folder(out, f"{found.name}-compare") as folder:
            from .compare import compare as compare_runs

            result |= compare_runs(found, folder.path, num_nodes, num_rounds, split, seed, source, progress)
        result["folder"] = str(folder.path)
        names = found.facts["metrics"]
        rows = [
            (each["name"], *(f"{each['metrics'][name][-1][1]:.4f}" for name in names), f"{each['seconds']:.1f}")
            for each in result["runs"]
        ]
        show_table(f"{found.name}, {partition}, {num_rounds} rounds", ("", *names, "seconds"), rows)
        say(f"Picture: {folder.path / 'compare.png'}")


@app.command(epilog=example_of_use("playground record mnist --source mnist"))
def record(
    example: ExampleName,
    source: Source = None,
    results: Annotated[Path, typer.Option(help="Folder of recorded results")] = Path("docs/results"),
    only: Annotated[
        list[str], typer.Option(metavar="NAME", help="Run this experiment only, keep the others; may be repeated")
    ] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Record the results that the example's page shows."""
    from .examples import find

    with output(as_json) as result:
        found = find(example)
        if not results.is_dir():
            raise WrongUse(f"{results} is no folder: run this in the project's folder, or name one with --results")
        with RunProgress() as progress, new_folder(None, f"{found.name}-record") as folder:
            from .record import record as record_results

            result["file"] = str(record_results(found, results, folder.path, source, progress, only))
        say(f"Recorded in {result['file']}")


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

    with output(as_json) as result:
        tables = find(example).facts.get("download")
        if not tables:
            raise WrongUse(f"the example.toml of {example} names no files to download")
        with DownloadProgress() as progress:
            result["files"] = [str(file) for file in download.fetch(tables, out, progress)]
        say(f"{len(result['files'])} files in {out}. Next: playground prepare {example} --source {out} --out data")


@app.command(epilog=example_of_use("playground doctor"))
def doctor(as_json: AsJson = False) -> None:
    """Check that this machine has what the examples need."""
    from .doctor import checks

    with output(as_json) as result:
        with console.status("looking"):
            found = checks()
        result["checks"] = [vars(check) for check in found]
        marks = {True: Text("ok", style="green"), False: Text("missing", style="red"), None: "note"}
        show_table("Doctor", ("", "", "found", "advice"), [(c.name, marks[c.ok], c.found, c.advice) for c in found])
        bad = [check.name for check in found if check.ok is False]
        if bad:
            raise TutorialError(f"not in order: {', '.join(bad)}")


def main() -> None:
    """Run the command line; an error the user can act on ends in its text and its exit code, without a traceback."""
    try:
        app()
    except TutorialError as error:
        fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "alphafed":
            raise
        fail("AlphaMed's SDK is missing: pip install --no-deps alphamed-federated==0.4.9")
    except OSError as error:  # no space, no permission: the system's own words name the file
        fail(str(error))


def fail(text: str, exit_code: int = 1) -> None:
    """Show an error and end the command."""
    say(f"Error: {text}", style="red")
    sys.exit(exit_code)
