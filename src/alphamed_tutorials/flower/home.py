"""The folder in which a data owner keeps what it keeps, and what its operator sets: name, data, folder."""

import hashlib
import io
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engines.settings import changed
from ..engines.share import Plan
from ..errors import TutorialError, WrongUse
from ..runs.folder import Run
from ..runs.writing import let_reach_the_disk, write_whole
from ..texts import to_json
from .wire import SetUp, State

NODE_CONFIG = 'flower-supernode --node-config \'name="node1" data="/srv/data" folder="/srv/kept"\''


class FarRun(Run):
    """A run whose folder lies on the aggregator's machine; there it can be resumed."""

    can_resume = True


class Home:
    """A data owner's folder for one run.

    Args:
        settings: Its SuperNode's `--node-config`.
        run: Which run.
        node: Whom the run takes it for.

    Raises:
        WrongUse: A setting is missing, or does not fit.
    """

    def __init__(self, settings: Mapping[str, Any], run: str, node: str):
        for wanted in ("name", "data", "folder"):
            if not settings.get(wanted):
                raise WrongUse(f"this SuperNode's --node-config lacks {wanted}. Start it like this: {NODE_CONFIG}")
        if settings["name"] != node:
            raise WrongUse(
                f"this SuperNode's --node-config says name={settings['name']}, and its key was registered at the "
                f"SuperLink under --name {node}: let both say the same"
            )
        self.name, self.data = node, Path(str(settings["data"]))
        if not self.data.is_dir():
            raise WrongUse(f"{self.data} is no folder on {node}'s machine: mend data= in its SuperNode's --node-config")
        self.folder = Path(str(settings["folder"])).absolute() / run
        self.code, self.states = self.folder / "code", self.folder / "states"
        self._task = self.folder / "task.json"

    def unpack(self, asked: SetUp, code: bytes) -> None:
        """Keep the task, in the place of an older version of it."""
        for place in (self.states, self.folder / "logs"):
            place.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.code, ignore_errors=True)
        zipfile.ZipFile(io.BytesIO(code)).extractall(self.code)
        write_whole(self._task, to_json(asked.model_dump()))

    def task(self) -> SetUp:
        """Return the task as it was given.

        Raises:
            TutorialError: It is gone.
        """
        try:
            return SetUp.model_validate_json(self._task.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TutorialError(f"{self._task} cannot be read any more ({error}): it may have been removed") from error

    def plan(self, asked: SetUp) -> Plan:
        """Return what the node's process knows of the run, with the task's code in reach."""
        sys.path.insert(0, str(self.code))
        run = FarRun(asked.path)
        nodes = dict.fromkeys(asked.members, "") | {self.name: str(self.data.resolve())}
        run.record = {"engine": "flower", "nodes": nodes, "seed": asked.seed, "rounds_done": asked.round}
        entry = (self.code / "entry.pickle").read_bytes()
        return Plan(run, self.folder, changed(entry, asked.changed))

    def find(self, state: State) -> Path:
        """Return the file of a state, and give back the room of all others.

        Raises:
            TutorialError: It is gone, or another one.
        """
        file = self.states / state.file
        if not file.is_file() or _sha256(file) != state.sha256:
            raise TutorialError(
                f"{file}, from which {self.name} goes on, is {'another one' if file.is_file() else 'gone'}: bring it "
                "back, or start the run anew"
            )
        for other in self.states.iterdir():
            if other != file:
                other.unlink()
        return file

    def keep(self, file: Path) -> State:
        """Return what to say of a state that was just written, once it outlives a power cut."""
        let_reach_the_disk([file])
        return State(file=file.name, sha256=_sha256(file))


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
