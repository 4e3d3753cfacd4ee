"""The ServerApp: the aggregator of a run, in the process that Flower starts for it beside the SuperLink."""

import os
import threading
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from ..engines.failures import NodeFailed, told
from ..engines.local import reopened
from ..engines.share import Plan
from ..errors import TutorialError, WrongUse
from ..runs.folder import Run
from ..runs.writing import write_json
from ..texts import from_json
from .supernodes import SuperNodes

CODE, FAILURE = "src.zip", "failure.json"  # below the run folder's `flower/`
LOOK_SECONDS = 0.5  # between two looks whether the SuperLink's side is still there

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Begin the run of a run folder, or go on with it, to its end."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    folder = Path(str(context.run_config["run-folder"]))
    if not (folder / "run.json").is_file():
        raise TutorialError(f"{folder} is no run folder on the SuperLink's machine: give the command there")
    settings = from_json(str(context.run_config["settings"]))
    try:
        with Run.open(folder).lock():
            run = Run.open(folder)
            code = (folder / "flower" / CODE).read_bytes()

            def owners(plan: Plan, names: list[str]) -> SuperNodes:
                return SuperNodes(plan, names, grid, code)

            reopened(run, settings, lambda event: None, owners).finish()
    except TutorialError as error:
        write_json(folder / "flower" / FAILURE, _report(error))
        raise


def _end_with(parent: int) -> None:
    """End this process when its parent has ended: Flower would ask a SuperLink that is gone again and again.

    Flower's own signal for that does not wake a process that waits. What was reached lies in the run folder.
    """
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def _report(error: TutorialError) -> dict[str, object]:
    """Return what whoever waits for the run is told of how it failed."""
    said = {"text": str(error), "is_wrong_use": isinstance(error, WrongUse)}
    if isinstance(error, NodeFailed):
        said |= {"node": error.node, **told(error)}
    return said
