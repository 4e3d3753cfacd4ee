"""What several tests share."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets that may lie beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here: ../shared/data, beside the project's folder, is missing")
    return folder


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site of both languages, strictly, and return its folder."""
    site = tmp_path_factory.mktemp("site")
    for configuration, folder in (("mkdocs.yml", site), ("mkdocs.en.yml", site / "en")):  # the first wipes its folder
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", configuration, "-d", str(folder)]
        build = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
        assert build.returncode == 0, build.stderr
    return site


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Return the folder of a small finished run, with its data in it; tests only read it, or copy it first."""
    from alphamed_tutorials.engines.local import run_local
    from alphamed_tutorials.examples import find
    from alphamed_tutorials.partition import Partition
    from alphamed_tutorials.preparation import prepare
    from alphamed_tutorials.runs import Run

    mnist, run = find("mnist"), Run.create(tmp_path_factory.mktemp("finished") / "run")
    prepare(mnist, run.path / "data", 2, None, Partition(), 0)
    run_local(mnist.build_scheduler(2, 0), run.path / "data", run, example="mnist")
    return run.path


@dataclass
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        """The one JSON object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        return json.loads(lines[0])


@pytest.fixture
def playground(tmp_path, monkeypatch, capsys) -> Callable[..., Finished]:
    """Return a function that runs `playground` in this process, in an empty folder, as its script would."""
    from alphamed_tutorials import cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())

    def call(*arguments: str | Path) -> Finished:
        monkeypatch.setattr(sys, "argv", ["playground", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return Finished(stopped.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.CompletedProcess]:
    """Return a function that runs the real `playground` in a process of its own."""
    program = str(Path(sys.executable).with_name("playground"))

    def call(*arguments: str | Path, cwd: Path, **kwargs) -> subprocess.CompletedProcess:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, **kwargs)

    return call


@pytest.fixture(scope="session")
def chain(start, tmp_path_factory) -> dict:
    """Return `folder`, and what each step said of the whole way from nothing to an exported model."""
    folder = tmp_path_factory.mktemp("chain")
    steps = {
        "prepare": "prepare mnist --nodes 2 --out data --json",
        "verify": "verify mnist --data data --json",
        "run": "run mnist --data data --rounds 2 --seed 1 --json",
        "metrics": "metrics runs/mnist-1 --csv metrics.csv --plot metrics.png --json",
        "export": "export runs/mnist-1 --json",
    }
    return {"folder": folder} | {name: start(*step.split(), cwd=folder) for name, step in steps.items()}
