"""Commands about data: prepare, fetch, verify."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ..errors import TutorialError, WrongUse
from .options import (
    AggregatorFolder,
    AsJson,
    ExampleName,
    NodeFolders,
    NumNodes,
    PartitionText,
    Seed,
    Source,
    TargetName,
    example_of_use,
    output,
    pairs,
)
from .progress import DownloadProgress, advise, say, show_table, status

# Torch takes seconds to import: what needs it is imported inside the commands, after what is cheap to refuse.

app = typer.Typer()


@app.command(epilog=example_of_use("playground prepare mnist --nodes 3 --partition dirichlet:0.3 --out data"))
def prepare(
    example: ExampleName,
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the nodes' data")],
    num_nodes: NumNodes = None,
    source: Source = None,
    partition: PartitionText = "iid",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make one data folder for each node, from the real data set or from embedded data."""
    from ..data.partition import Partition
    from ..data.prepare import prepare as prepare_data
    from ..runs.plots import plot_counts

    with output(as_json) as result:
        split = Partition.parse(partition)
        with status("preparing"):
            result |= prepare_data(example, out, num_nodes, split, source, seed)
            advice = plot_counts(result["counts"], out / "counts.png")
        show_counts(result["counts"])
        advise(advice)
        following = shlex.join(["playground", "verify", str(example), "--data", str(out)])
        say(f"Written to {out}, with a picture in {out / 'counts.png'}. Next: {following}")


def show_counts(counts: dict[str, dict[str, dict[str, int]]]) -> None:
    """Show how many samples of each class each node holds."""
    parts = {f"{node} {split}": classes for node, splits in counts.items() for split, classes in splits.items()}
    classes = list(dict.fromkeys(name for part in parts.values() for name in part))
    rows = [("class", *classes, "all")]
    rows += [(name, *(str(part.get(c, 0)) for c in classes), str(sum(part.values()))) for name, part in parts.items()]
    if len(parts) < len(classes):  # a screen is longer than wide
        rows = list(zip(*rows, strict=True))
    show_table("Samples", rows[0], rows[1:])


@app.command(epilog=example_of_use("playground verify mnist --data data"))
def verify(
    target: TargetName,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder with one sub-folder for each node, or one node's folder",
            show_default="the target's",
        ),
    ] = None,
    nodes: NodeFolders = [],
    aggregator: AggregatorFolder = None,
    as_json: AsJson = False,
) -> None:
    """Check the data of every node with the target's DatasetVerify."""
    with output(as_json) as result:
        with status("verifying"):
            from ..data.verify import verify as verify_data

            result["nodes"] = verify_data(target, data, pairs(nodes, "--node"), aggregator)
        marks: dict[bool, str | Text] = {True: "ok", False: Text("refused", style="red")}
        rows = [(node, marks[x["ok"]], _without(node, x["reason"])) for node, x in result["nodes"].items()]
        show_table("Data verification", ("node", "", "reason"), rows)
        refused = [node for node, verdict in result["nodes"].items() if not verdict["ok"]]
        if refused:
            raise TutorialError(f"data verification refused {', '.join(refused)}: mend what is named and verify again")


def _without(node: str, reason: str) -> str:
    """Return a reason without the node at the beginning of its lines: it stands in a column of its own."""
    return "\n".join(line.removeprefix(f"{node}: ") for line in reason.splitlines())


@app.command(epilog=example_of_use("playground fetch mnist --out mnist"))
def fetch(
    example: ExampleName,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the official data set")],
    as_json: AsJson = False,
) -> None:
    """Download the official data set, checked and resumable."""
    from ..catalogue import find
    from ..data import download

    with output(as_json) as result:
        tables = [table.model_dump() for table in find(example).facts.download]
        if not tables:
            raise WrongUse(f"the example.toml of {example} names no files to download")
        with DownloadProgress() as progress:
            result["files"] = [str(file) for file in download.fetch(tables, out, progress)]
        following = shlex.join(["playground", "prepare", str(example), "--source", str(out), "--out", "data"])
        say(f"{len(result['files'])} files in {out}. Next: {following}")
