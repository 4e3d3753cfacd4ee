"""The folder a run leaves behind, readable at any moment, also after a crash."""

import csv
import io
import shlex
import time
from collections.abc import Iterable, Mapping
from operator import methodcaller
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from filelock import AcquireReturnProxy, FileLock, Timeout

from ..data.folders import AGGREGATOR
from ..errors import WrongUse
from ..faults import cure, explained, fault_behind
from ..texts import from_json, to_json
from .writing import Write, append_whole, write_json, write_together, write_whole

CURE = "put back the file that the run wrote, as UTF-8, or start the run again"
KINDS: dict[str, type] = {
    "state": str,
    "folder": str,
    "import_folder": str,
    "nodes": dict,
    "settings": dict,
    "code": dict,
    "data": dict,
    "versions": dict,
    "changes": list,
    "rounds": int,
    "rounds_done": int,
    "seed": int,
    "num_threads": int,
    "seconds": float,
}  # fmt: skip  (of what `run.json` says)


class RunError(WrongUse):
    """A run folder that cannot be used as asked; the text says why and what to do."""


class RunExists(RunError):
    """A new run was to get the folder of an older one."""


class Metric(NamedTuple):
    """One value a node logged through `tb_writer`."""

    round: int
    node: str
    name: str
    value: float

    @property
    def is_detail(self) -> bool:
        """Whether it is one of many of a kind, as `test/confusion/yes/no`: kept, but in no overview."""
        return self.name.count("/") > 1


def data_options(folders: Mapping[str, str]) -> list[str]:
    """Return the options that name the nodes' folders: the one they all lie in, or each of them."""
    homes = {Path(folder).parent for folder in folders.values()}
    if len(homes) == 1 and all(Path(folder).name == name for name, folder in folders.items()):
        home = homes.pop()
        return ["--data", str(home.parent if home.name == "nodes" else home)]
    owners = [f"--node={name}={folder}" for name, folder in folders.items() if name != AGGREGATOR]
    return [*owners, f"--aggregator={folders[AGGREGATOR]}"]


def overview(rows: Iterable[Metric]) -> list[Metric]:
    """Return the rows without details, or all of them where there is nothing else."""
    rows = list(rows)
    return [row for row in rows if not row.is_detail] or rows


class Run:
    """Keep the record of one run: `run.json`, `metrics.csv`, `events.jsonl` and the files beside them.

    Args:
        path: The run folder.

    Attributes:
        path: The run folder.
        record: The content of `run.json`.
        rows: The content of `metrics.csv`.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._folder = self.path.absolute()  # a task's code may change the working folder
        self.record: dict[str, Any] = {}
        self.rows: list[Metric] = []

    @classmethod
    def create(cls, out: str | Path) -> "Run":
        """Make the folder of a new run; an existing one is never touched.

        Raises:
            RunExists: `out` exists already.
            RunError: `out` cannot be made.
        """
        run = cls(out)
        try:
            run.path.mkdir(parents=True)
        except FileExistsError:
            raise RunExists(f"{out} exists already and is left as it is: name another folder with --out") from None
        except OSError as error:
            raise RunError(f"{out} cannot be made ({error}): name another folder with --out") from error
        return run

    @classmethod
    def create_numbered(cls, name: str, parent: str | Path = "runs") -> "Run":
        """Make the first free folder of `runs/NAME-1`, `runs/NAME-2`, …

        Raises:
            RunError: No folder can be made there.
        """
        number = 1
        while True:
            try:
                return cls.create(Path(parent) / f"{name}-{number}")
            except RunExists:
                number += 1

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Read the record of an existing run.

        Raises:
            RunError: `path` is not a run folder, or its `run.json` is damaged.
        """
        run = cls(path)
        try:
            run.record = _read_record(run.path / "run.json")
            run._follow_move()
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{path} is not a run folder: it holds no run.json. Runs lie in runs/ by default") from None
        except (ValueError, TypeError, RecursionError) as error:
            raise RunError(f"{path}/run.json is damaged ({error}): {CURE}") from None
        run.rows = _read_metrics(run.path / "metrics.csv")
        return run

    def _follow_move(self) -> None:
        """Let data that lies inside the run folder be found again after the folder was moved."""
        new = self._folder.resolve()
        old = Path(self.record.get("folder", new))
        self.record["folder"] = str(new)
        for name, folder in self.record.get("nodes", {}).items():
            if Path(folder).is_relative_to(old):
                self.record["nodes"][name] = str(new / Path(folder).relative_to(old))

    @property
    def state(self) -> str:
        """`running`, `done`, `failed` or `interrupted`; `running` also after the process was killed."""
        return self.record["state"]

    @property
    def outcome(self) -> str:
        """The state, and where the task ended by itself, after which round."""
        if not self.record.get("finished_early"):
            return self.state
        return f"finished early, round {self.record['rounds_done']} of {self.record['rounds']}"

    @property
    def metrics(self) -> dict[str, float]:
        """The value of each metric in its last round, without details; where several nodes logged it then, their mean."""
        return {name: sum(values.values()) / len(values) for name, (_, values) in self._last().items()}

    @property
    def last_rounds(self) -> dict[str, int]:
        """The round that each value in `metrics` is of."""
        return {name: number for name, (number, _) in self._last().items()}

    @property
    def untested(self) -> str:
        """What to know where the last test is older than the saved model; empty where it is not."""
        tests = [row.round for row in self.rows if row.node == AGGREGATOR]
        rounds_done = self.record.get("rounds_done", 0)
        if self.state != "done" or not tests or tests[-1] == rounds_done:
            return ""
        return f"The saved model is that of round {rounds_done}; the last test was in round {tests[-1]}"

    def _last(self) -> dict[str, tuple[int, dict[str, float]]]:
        """Return of each metric the last round and, by node, the value logged last in it."""
        last: dict[str, tuple[int, dict[str, float]]] = {}
        for row in overview(self.rows):
            number, values = last.get(row.name, (row.round, {}))
            if row.round >= number:
                last[row.name] = (row.round, {**(values if row.round == number else {}), row.node: row.value})
        return last

    @property
    def can_resume(self) -> bool:
        """Whether there is what to go on from; a model that cannot be pickled leaves no checkpoint."""
        if self.record.get("engine", "local") == "playground":
            return False
        return not self.record.get("rounds_done") or (self._folder / "checkpoint.pt").exists()

    def resume_command(self, settings: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Return the command that goes on with this run, or starts it anew, as it can be pasted into a shell."""
        if self.can_resume:
            words = ["playground", "resume", str(self.path)]
        else:
            words = ["playground", "run", self.record.get("target") or "TARGET", *data_options(self.record["nodes"])]
        changed = (word for name, value in settings.items() for word in ("--set", f"{name}={value}"))
        return shlex.join([*words, *changed])

    def lock(self) -> AcquireReturnProxy:
        """Hold the folder for this process, to the end of a `with` block.

        Raises:
            RunError: Another process is working on this run, or the folder cannot be written.
        """
        try:
            return FileLock(self._folder / ".lock").acquire(timeout=0)
        except Timeout:
            raise RunError(f"{self.path} is being worked on by another process: wait for it, or stop it") from None
        except OSError as error:
            advice = f": {cure(error, self.path)}" if fault_behind(error) else ""
            raise RunError(f"{self.path} cannot be written ({error}){advice}") from error

    def update(self, **fields: Any) -> None:
        """Change fields of `run.json`."""
        self.record.update(fields)
        write_json(self._folder / "run.json", self.record)

    def write_metrics(self) -> None:
        """Write `metrics.csv` from `rows`."""
        write_whole(self._folder / "metrics.csv", self._metrics_text())

    def write_with(self, files: Mapping[Path, Write], **fields: Any) -> None:
        """Write files, `metrics.csv`, and `run.json` with some fields changed: as if all were one file.

        Args:
            files: The first of all tells whether they were written: it is put in its place first.
            fields: Of `run.json`.
        """
        texts = {"metrics.csv": self._metrics_text(), "run.json": to_json({**self.record, **fields}, indent=2) + "\n"}
        writes = {self._folder / name: methodcaller("write", text.encode()) for name, text in texts.items()}
        write_together({**files, **writes}, lambda: self.record.update(fields))

    def _metrics_text(self) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([Metric._fields, *self.rows])
        return text.getvalue()

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Append one line to `events.jsonl`, or nothing."""
        line = to_json({"time": round(time.time(), 3), **event}) + "\n"
        with explained(self._folder):
            append_whole(self._folder / "events.jsonl", line.encode())


class _Record(dict[str, Any]):
    """The content of a `run.json`, which says so where it lacks something."""

    def __init__(self, file: Path, content: dict[str, Any]):
        super().__init__(content)
        self.file = file

    def __missing__(self, name: str) -> Any:
        raise RunError(f"{self.file} does not say {name}: {CURE}")


def _read_record(file: Path) -> _Record:
    """Return the content of a `run.json`, also of one that an editor saved with a mark at its start.

    Raises:
        ValueError: It is no JSON, no UTF-8, or what it says is of another kind than a run's.
    """
    content = from_json(file.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    for name, kind in KINDS.items():
        if not isinstance(content.get(name, kind()), kind | int if kind is float else kind):
            raise ValueError(f"{name} is {content[name]!r}")
    return _Record(file, content)


def _read_metrics(file: Path) -> list[Metric]:
    """Return the rows of a `metrics.csv`, also of one that a spreadsheet program wrote; none where there is no file."""
    if not file.exists():
        return []
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            return [
                Metric(int(row["round"]), row["node"], row["name"], float(row["value"]))
                for row in csv.DictReader(lines)
            ]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(
            f"{file} is damaged ({error}): put back the file that the run wrote, with the columns "
            f"{', '.join(Metric._fields)}"
        ) from None
