"""What the agent tells its child: `child.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Attributes:
        memory: Bytes of memory of its own, in each of its processes; 0 for any.
        file: Bytes of a single file.
        open_files: Files open at a time.
        processes: Processes that its main process may have started and that live, workers of data loaders.
    """

    memory: int = 0
    file: int = 4 * 2**30
    open_files: int = 4096
    processes: int = 16


@dataclass(frozen=True)
class Assignment:
    """One child's work.

    Attributes:
        folder: Where it works.
        kind: `train`, `verify` or `export`.
        base: The agent's address for this child, as the SDK wants it: `http://127.0.0.1:PORT/SECRET/fed-service/api/v2`.
        task: The task's id.
        pseudonym: What the node is called in the task.
        name: The node's own name: it starts the random numbers and never leaves the node.
        role: `aggregator` or `owner`.
        data: The node's data folder.
        seed: Start of the task's random numbers.
        num_threads: Torch's.
        settings: Attributes of the scheduler that differ from its pickle.
        form: Which an export is to have: `torchscript` or `onnx`.
        forbidden: Files and folders that are not even to be read: the node's keys, the agent's database.
        limits: See there.
    """

    folder: Path
    kind: str
    task: str
    name: str
    role: str
    data: Path
    base: str = ""
    pseudonym: str = ""
    seed: int = 0
    num_threads: int = 1
    settings: dict = field(default_factory=dict)
    form: str = ""
    forbidden: tuple[Path, ...] = ()
    limits: Limits = Limits()

    @classmethod
    def read(cls, folder: Path) -> "Assignment":
        """Read a folder's `child.json`; what it says beside is the agent's."""
        found = json.loads((folder / "child.json").read_text(encoding="utf-8"))
        known = {name: value for name, value in found.items() if name in cls.__dataclass_fields__}
        known |= {"folder": folder, "data": Path(known["data"])}
        known["forbidden"] = tuple(Path(path) for path in known.get("forbidden", ()))
        known["limits"] = Limits(**known.get("limits", {}))
        return cls(**known)

    @property
    def code(self) -> Path:
        """Where the task's code lies."""
        return self.folder / "code"

    @property
    def is_aggregator(self) -> bool:
        """Whether the node started the task and averages."""
        return self.role == "aggregator"

    def made(self, name: str) -> Path:
        """Return a folder below that of the child, and make it where it is missing."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place
