"""What several tests share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets that may lie beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here: ../shared/data, beside the project's folder, is missing")
    return folder


@dataclass
class Site:
    """The built site and what the builds printed."""

    path: Path
    output: str

    @property
    def pages(self) -> list[str]:
        """Addresses of all pages of both languages, without the error pages."""
        found = (file.relative_to(self.path).as_posix() for file in self.path.rglob("*.html"))
        return sorted(page for page in found if not page.endswith("404.html"))


def build(config: Path, out: Path) -> str:
    """Build one language as `make site` does and return what MkDocs printed."""
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        str(config),
        "--site-dir",
        str(out),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # Material's advertisement of another tool
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Site:
    """The site in a temporary folder: Chinese first, because its build empties the folder."""
    path = tmp_path_factory.mktemp("built") / "site"
    return Site(path, build(ROOT / "mkdocs.yml", path) + build(ROOT / "mkdocs.en.yml", path / "en"))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """Return the folder of a small finished run, with its data in it; tests only read it, or copy it first."""
    from alphamed_tutorials.catalogue import find
    from alphamed_tutorials.data.partition import Partition
    from alphamed_tutorials.data.prepare import prepare
    from alphamed_tutorials.engines.local import run_local
    from alphamed_tutorials.runs.folder import Run

    mnist, run = find("mnist"), Run.create(tmp_path_factory.mktemp("finished") / "run")
    prepare(mnist, run.path / "data", 2, Partition(), None, 0)
    run_local(mnist.build_scheduler(2, 0), run.path / "data", run, target="mnist")
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
    from alphamed_tutorials import command as cli

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
