"""Hand a run to a SuperLink, follow it, and say how it ended; the run folder is that of the local engine."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler

from ..catalogue import find
from ..data.folders import AGGREGATOR
from ..engines import sources
from ..engines.failures import NodeFailed, failure_record
from ..engines.journal import Listener
from ..engines.local import begin, pickled, read_entry
from ..engines.refusals import refuse_unsupported
from ..engines.settings import Settings, readable
from ..errors import TutorialError, WrongUse
from ..playground.source import source
from ..runs.folder import Run, RunError
from ..runs.writing import write_whole
from ..target import Target
from ..texts import from_json, to_json
from .control import Standing, SuperLink, Unreachable
from .events import Events
from .local import Cluster, loopback
from .server import CODE, FAILURE

LOOK_SECONDS = 0.5  # between two looks at what happened
AWAY_SECONDS = 60  # a SuperLink that does not answer so long is gone
END_SECONDS = 30  # for the process of the aggregator to leave the run folder


def run_flower(
    scheduler: FedAvgScheduler,
    task: Target,
    folders: Mapping[str, Path],
    run: Run,
    seed: int,
    num_rounds: int | None,
    given: Mapping[str, Any],
    on_event: Listener,
    sample: float = 1.0,
    superlink: str | None = None,
) -> Run:
    """Run a federated task on Flower's deployment engine.

    Args:
        scheduler: The task, made as for `submit()`.
        task: Its code.
        folders: Each node's data; only the aggregator's where a SuperLink is named, whose SuperNodes know their own.
        run: A run folder just made, on the SuperLink's machine.
        seed: Start of all random numbers that the scheduler does not seed itself.
        num_rounds: Rounds to run; the target's own number if None.
        given: Arguments of the scheduler that differ from their defaults.
        on_event: Called with each event of the run.
        sample: Share of the data owners that train in each round.
        superlink: Its name in Flower's own configuration; one is started on this machine if None.

    Returns:
        The finished run.

    Raises:
        NodeFailed: Code on a node raised, or its SuperNode is gone; the run can be resumed.
        WrongUse: Something asked for makes no sense.
        TutorialError: Flower, or the machine, refuses.
    """
    refuse_unsupported(scheduler)
    entry = pickled(scheduler)
    code = source(task, scheduler, entry, num_rounds, seed, given).train
    names = list(folders) if superlink is None else [AGGREGATOR, *registered(superlink)]
    with run.lock():
        begin(run, "flower", scheduler, entry, folders, seed, task.facts.run.num_threads, task.key)
        kept = {"id": secrets.token_hex(8), "superlink": superlink, "given": dict(given), "num_rounds": num_rounds}
        nodes = {name: run.record["nodes"].get(name, "") for name in names}
        run.update(nodes=nodes, flower=kept, sample=sample, workers=1)
        (run.path / "flower").mkdir()
        write_whole(run.path / "flower" / CODE, code)
    on_event({"event": "created", "path": str(run.path)})
    return follow(run, {}, on_event)


def resume_flower(run: Run, settings: Settings, on_event: Listener) -> Run:
    """Continue a run on Flower after its last whole round; see `resume_local`."""
    with run.lock():
        if run.state == "done" and not settings:
            return run
        sources.import_anew(run)
        _, scheduler = read_entry(run)
        values = readable(scheduler, settings)
        if run.record.get("target"):
            kept, task = run.record["flower"], find(run.record["target"])
            code = source(task, scheduler, b"", kept["num_rounds"], run.record["seed"], kept["given"])
            write_whole(run.path / "flower" / CODE, code.train)
    return follow(run, values, on_event)


def registered(superlink: str) -> list[str]:
    """Return the names of a SuperLink's SuperNodes.

    Raises:
        WrongUse: It has none, or a name will not do.
    """
    with contextlib.closing(SuperLink.named(superlink)) as asked:
        names = asked.node_names()
    if not names:
        raise WrongUse(
            f"no SuperNode is registered at the SuperLink {superlink}: flwr supernode register node1.pub {superlink} "
            "--name node1"
        )
    if AGGREGATOR in names:
        raise WrongUse(
            f"a SuperNode is registered under --name {AGGREGATOR}, which the SuperLink's side has: take another"
        )
    return names


def follow(run: Run, settings: Settings, on_event: Listener) -> Run:
    """Let a SuperLink run what a run folder holds, to its end."""
    folder = run.path.resolve() / "flower"
    (folder / FAILURE).unlink(missing_ok=True)
    events = Events(folder.parent / "events.jsonl", on_event)
    try:
        with _cluster(run, folder) as cluster:
            _run_on(cluster, run, settings, events)
    except BaseException as error:
        _close(run, error)
        raise
    finally:
        events.hand_on()
        _keep_folders(folder)
    return Run.open(run.path)


@contextlib.contextmanager
def _cluster(run: Run, folder: Path) -> Iterator[Cluster]:
    """Reach the SuperLink of a run, or start one."""
    name = run.record["flower"]["superlink"]
    if name is None:
        nodes = {node: Path(data) for node, data in run.record["nodes"].items() if node != AGGREGATOR}
        with loopback(folder, nodes) as cluster:
            yield cluster
    else:
        with contextlib.closing(SuperLink.named(name)) as superlink:
            yield Cluster(superlink, [])


def _run_on(cluster: Cluster, run: Run, settings: Settings, events: Events) -> None:
    """Start a run and wait for its end.

    Raises:
        TutorialError: It did not come to a good one.
    """
    superlink = cluster.superlink
    number = superlink.start({"run-folder": str(run.path.resolve()), "settings": to_json(dict(settings))})
    try:
        standing = _wait(cluster, number, events)
    except BaseException as error:
        with contextlib.suppress(TutorialError):
            superlink.stop(number)
        if isinstance(error, TutorialError):
            raise TutorialError(_with_advice(str(error), run)) from error
        raise
    if not standing.is_done:
        raise _failure(run, standing)


def _wait(cluster: Cluster, number: int, events: Events) -> Standing:
    """Hand on what happens until a run is over, and return how it ended.

    Raises:
        TutorialError: A process has ended that it needs, or the SuperLink does not answer any more.
    """
    answered = time.monotonic()
    while True:
        events.hand_on()
        if cluster.ended:
            raise TutorialError(cluster.ended)
        try:
            standing = cluster.superlink.standing(number)
            answered = time.monotonic()
            if standing.is_over:
                return standing
        except Unreachable:
            if time.monotonic() - answered > AWAY_SECONDS:
                raise
        time.sleep(LOOK_SECONDS)


def _failure(run: Run, standing: Standing) -> TutorialError:
    """Return what failed, in the words of whoever noticed it."""
    try:
        said = from_json((run.path / "flower" / FAILURE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = {"text": f"Flower ended the run: {standing.details}"}
    if "node" in said:
        return NodeFailed.reported(said["node"], said)
    if said.get("is_wrong_use"):
        return WrongUse(said["text"])
    return TutorialError(_with_advice(said["text"], run))


def _with_advice(text: str, run: Run) -> str:
    return f"{text}. Logs: {run.path / 'flower'}. To go on after the last whole round: {run.resume_command()}"


def _close(run: Run, error: BaseException) -> None:
    """Write how a run ended whose aggregator cannot do that any more, or was ended itself."""
    if isinstance(error, WrongUse):
        return
    with contextlib.suppress(RunError), _freed(run):
        found = Run.open(run.path)
        if found.state != "done":
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            found.update(state=state, failure=failure_record(error), metrics=found.metrics)


@contextlib.contextmanager
def _freed(run: Run) -> Iterator[None]:
    """Hold a run folder as soon as the aggregator's process has left it."""
    until = time.monotonic() + END_SECONDS
    while True:
        try:
            lock = run.lock()
        except RunError:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_SECONDS)
        else:
            with lock:
                yield
            return


def _keep_folders(folder: Path) -> None:
    """Put logs, and what data owners on this machine wrote, where the local engine has them."""
    for log in folder.glob("*/*/logs/*.log"):
        shutil.copyfile(log, folder.parent / "logs" / log.name)
    for root in folder.glob("*/*/nodes/*"):
        shutil.copytree(root, folder.parent / "nodes" / root.name, dirs_exist_ok=True)
