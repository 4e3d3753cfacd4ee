"""Commands about runs: run, resume, metrics."""

import contextlib
import inspect
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import TutorialError
from ..texts import in_line
from .options import (
    AggregatorFolder,
    AsJson,
    Data,
    NodeFolders,
    NumNodes,
    NumRounds,
    NumWorkers,
    RunFolder,
    Seed,
    SettingTexts,
    TargetName,
    example_of_use,
    output,
    pairs,
    refuse_existing,
    setting_values,
)
from .progress import RunProgress, advise, number, say, show_table

# Torch takes seconds to import: what needs it is imported inside the commands, after what is cheap to refuse.

app = typer.Typer()


@contextlib.contextmanager
def resumable(result: dict[str, Any], known: dict[str, Any]) -> Iterator[None]:
    """Report how far a run came, and how to go on when it stops before its end.

    Args:
        result: Gets what is reported.
        known: `path` of the run folder, as soon as it is known.
    """
    from ..engines.failures import NodeFailed
    from ..runs.folder import Run

    def advice(settings: Mapping[str, Any] = {}) -> str:
        run = Run.open(known["path"])
        lost = run.record.get("not_resumable") or "what it needs cannot be pickled"
        if run.record.get("engine") == "playground":
            lost = "its nodes are gone with their processes"
        way = (
            "To go on after the last whole round" if run.can_resume else f"It cannot be resumed: {lost}. To start anew"
        )
        return f"Logs: {run.path / 'logs'}. {way}: {run.resume_command(settings)}"

    try:
        yield
    except NodeFailed as failure:
        settings = getattr(failure.error, "settings", {})  # which training that diverged needs
        raise TutorialError(f"{failure}\n{advice(settings)}") from failure
    except KeyboardInterrupt:
        raise TutorialError(f"stopped by Ctrl-C. {advice()}" if known else "stopped by Ctrl-C") from None
    finally:
        if known and (known["path"] / "run.json").exists():
            run = Run.open(known["path"])
            result |= {"run": str(run.path), "state": run.state, "outcome": run.outcome}
            result |= {"seconds": run.record["seconds"], "metrics": run.metrics}


@app.command(epilog=example_of_use("playground run my_task.py --data data --set learning_rate=0.01"))
def run(
    target: TargetName,
    data: Data = None,
    nodes: NodeFolders = [],
    aggregator: AggregatorFolder = None,
    num_nodes: NumNodes = None,
    num_rounds: NumRounds = None,
    seed: Seed = 0,
    settings: SettingTexts = [],
    show_settings: Annotated[
        bool, typer.Option("--settings", help="Show the scheduler's arguments, defaults and meanings, and run nothing")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="New run folder", show_default="runs/TARGET-NUMBER")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="local|playground|flower",
            help="Run all nodes in this process, each in one of its own with the unmodified SDK, by way of a hub, or "
            "each behind a SuperNode of Flower",
        ),
    ] = "local",
    num_workers: NumWorkers = None,
    sample: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the data owners that train in each round, drawn anew")
    ] = 1.0,
    superlink: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For flower: this machine's SuperLink, as Flower's configuration calls it; its SuperNodes know their data",
            show_default="one of the run's own, with a SuperNode for each data owner",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a federated task on this machine: an example, or your own folder or file."""
    from ..catalogue import find

    with output(as_json) as result:
        found = find(target)
        if show_settings:
            show_arguments(found, result)
            return
        values = setting_values(found, settings)
        known: dict[str, Any] = {}
        with RunProgress() as progress:
            from ..engines.run import run as run_task

            def listen(event: dict[str, Any]) -> None:
                if event["event"] == "created":
                    known["path"] = Path(event["path"])
                progress(event)

            with resumable(result, known):
                finished = run_task(
                    found, data, pairs(nodes, "--node"), aggregator, num_nodes, num_rounds, seed, values, out, listen,
                    engine, num_workers, sample, superlink,
                )  # fmt: skip
        show_run(finished)


def show_arguments(target: Any, result: dict[str, Any]) -> None:
    """Show what can be set from outside."""
    from ..arguments import arguments

    known = arguments(target.scheduler_class).values()
    rows = [
        (
            each.name,
            inspect.formatannotation(each.kind),
            "" if each.is_required else repr(each.default),
            each.meaning,
        )
        for each in known
    ]
    result["arguments"] = [dict(zip(("name", "kind", "default", "meaning"), row, strict=True)) for row in rows]
    show_table(f"{target.scheduler_class.__name__}: --set NAME=VALUE", ("name", "kind", "default", "meaning"), rows)


@app.command(epilog=example_of_use("playground resume runs/mnist-1 --set learning_rate=0.01"))
def resume(
    run: RunFolder,
    settings: SettingTexts = [],
    num_workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="K", min=1, help="Processes that train at the same time", show_default="as before"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Continue a run that was stopped or failed, after its last whole round.

    What changed since the run began is told, and whether it takes effect. --set changes an argument of the scheduler
    from the next round on; --set max_rounds=N lets a run that is done go on.

    Resume runs you made yourself: this runs the code that a run folder holds in entry.pickle, checkpoint.pt and
    states/, and names in run.json.
    """
    from ..runs.folder import Run

    with output(as_json) as result:
        record = Run.open(run).record
        result |= {"changes": [], "warnings": []}
        with RunProgress(record.get("rounds"), record["rounds_done"]) as progress:
            from ..engines.run import resume as resume_task

            def listen(event: dict[str, Any]) -> None:
                if event["event"] == "compared":
                    for kind, style in (("changes", None), ("warnings", "yellow")):
                        result[kind] += event[kind]
                        for line in event[kind]:
                            say(line, style=style)
                progress(event)

            with resumable(result, {"path": run}):
                finished = resume_task(run, pairs(settings, "--set"), listen, num_workers)
        show_run(finished)


def show_run(run: Any) -> None:
    """Show a finished run's metrics by round and what to do next."""
    from ..runs.metrics import tested

    curves = {name: dict(points) for name, points in tested(run.rows).items()}
    rounds = sorted({number for points in curves.values() for number in points})
    rows = [(str(n), *(number(points[n]) if n in points else "" for points in curves.values())) for n in rounds]
    show_table(f"{run.path}: {run.outcome} in {run.record['seconds']:.1f} s", ("round", *curves), rows)
    say_untested(run)
    following = shlex.join(["playground", "export", str(run.path)])
    say(f"Model: {run.path / 'model.pt'}. Next: {following}")


def say_untested(run: Any) -> None:
    """Tell where the metrics shown are not those of the saved model."""
    if run.untested:
        say(f"{run.untested}.", style="yellow")


@app.command(epilog=example_of_use("playground metrics runs/mnist-1 --csv metrics.csv --plot metrics.png"))
def metrics(
    run: RunFolder,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write round, node, name, value to this file")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw every metric to this file (.png, .svg, .pdf)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's metrics, and save them as a table or a picture.

    This reads run.json and metrics.csv as data and is safe with any folder.
    """
    from ..runs.folder import Run, RunError
    from ..runs.metrics import curves, details
    from ..runs.plots import plot as draw
    from ..runs.writing import write_whole

    with output(as_json) as result:
        found = Run.open(run)
        if not found.rows:
            raise RunError(
                f"{run} has no metrics yet: its state is {found.state}. Numbers come here that a task writes with "
                "tb_writer.add_scalar(); for pictures, texts and the like: "
                f"{shlex.join(['tensorboard', '--logdir', str(run / 'nodes')])}"
            )
        refuse_existing(csv, plot)
        if plot:
            advise(draw(curves(found.rows), plot))
        if csv:
            write_whole(csv, (run / "metrics.csv").read_bytes())
        result |= {"run": str(run), "state": found.state, "outcome": found.outcome, "metrics": found.metrics}
        rounds = result["rounds"] = found.last_rounds
        rows = [(in_line(name), number(value), str(rounds[name])) for name, value in found.metrics.items()]
        show_table(f"{run}: {found.outcome}", ("metric", "last value", "round"), rows)
        left_out = [name for name in details(found.rows) if name not in rounds]
        if left_out:
            say(f"{len(left_out)} more, such as {in_line(left_out[0])}, are in {run / 'metrics.csv'}")
        say_untested(found)
