"""What several tests share. What takes long to make is made once for all workers: see `once`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from preloaded import stand_ins

from chromium import CHROMIUM, launched

ROOT = Path(__file__).parents[1]
Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Once:
    """Return a function that makes a folder once for all workers. Tests read it; one that writes copies it first."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    home.mkdir(exist_ok=True)

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, finished = home / name, home / f"{name}.finished"
        with FileLock(home / f"{name}.lock"):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)  # a worker was interrupted
                make(folder)
                finished.touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data sets that may lie beside the project."""
    folder = ROOT.parent / "shared" / "data"
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
        """Addresses of all pages of both languages, without the error pages and what only leads to a page."""
        found = {file.relative_to(self.path).as_posix() for file in self.path.rglob("*.html")}
        leading = {page for page in found if f"{page.removesuffix('/index.html')}.html" in found}
        return sorted(page for page in found - leading if not page.endswith("404.html"))


def build(config: Path, out: Path) -> str:
    """Build one language as `make site` does and return what MkDocs printed."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    command += ["--config-file", str(config), "--site-dir", str(out)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # Material's advertisement of another tool
    environment.pop("SITE_URL", None)  # the error pages would look for everything below its path
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def site(once) -> Site:
    """The site in a temporary folder; both languages are built at once, because the other workers wait for them."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with ThreadPoolExecutor() as pool:
            printed = list(
                pool.map(build, [ROOT / "mkdocs.yml", ROOT / "mkdocs.en.yml"], [folder / "site", folder / "en"])
            )
        (folder / "en").rename(folder / "site" / "en")
        (folder / "output.txt").write_text("".join(printed), "utf-8")

    folder = once("site", make)
    return Site(folder / "site", (folder / "output.txt").read_text("utf-8"))


@pytest.fixture(scope="session")
def finished_run(once) -> Path:
    """Return the folder of a small finished run, with its data in it; tests only read it, or copy it first."""
    from alphamed_tutorials.engines.run import run

    return once("finished_run", lambda folder: run("mnist", num_nodes=2, num_rounds=2, out=folder))


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
    """Return a function that runs the real `playground` in a process of its own, in which torch is loaded already."""
    program = str(stand_ins() / "playground")

    def call(*arguments: str | Path, cwd: Path, **kwargs) -> subprocess.CompletedProcess:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, **kwargs)

    return call


@pytest.fixture(scope="session")
def server() -> Iterator:
    """One server of clean processes for all tests: it takes seconds to start."""
    from alphamed_tutorials.clean import Server

    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    """One browser for all tests of a worker that look at pages: its driver cannot be started twice."""
    pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def chain(start, once) -> dict:
    """Return `folder`, and what each step said of the whole way from nothing to an exported model."""
    steps = {
        "prepare": "prepare mnist --nodes 2 --out data --json",
        "verify": "verify mnist --data data --json",
        "run": "run mnist --data data --rounds 2 --seed 1 --json",
        "metrics": "metrics runs/mnist-1 --csv metrics.csv --plot metrics.png --json",
        "export": "export runs/mnist-1 --json",
    }

    def make(folder: Path) -> None:
        (folder / "work").mkdir(parents=True)
        said = {name: vars(start(*step.split(), cwd=folder / "work")) for name, step in steps.items()}
        (folder / "said.json").write_text(json.dumps(said), "utf-8")

    folder = once("chain", make)
    said = json.loads((folder / "said.json").read_text("utf-8"))
    return {"folder": folder / "work"} | {name: subprocess.CompletedProcess(**each) for name, each in said.items()}
