"""What is published on its own: the wheel, in an empty folder without the repository, and the sources it is built from."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src", "alphamed_tutorials")
STYLE = "ruff.toml"  # for those who write code here
README = (ROOT / "README.md").read_text("utf-8")

pytestmark = [pytest.mark.soak, pytest.mark.slow]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program that knows nothing of the repository, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def built(once) -> Path:
    """Return the folder with the sources' archive and the wheel, built of what git has."""

    def make(folder: Path) -> None:
        listed = run("git", "ls-files", "-z", "--cached", cwd=ROOT).split("\0")
        for name in filter(None, listed):
            (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "project" / name, follow_symlinks=False)  # skills are a link
        run(sys.executable, "-m", "build", "--outdir", folder / "dist", cwd=folder / "project")

    return once("built", make) / "dist"


@pytest.fixture(scope="session")
def wheel(built) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(once, wheel) -> Path:
    """Return the programs of an environment into which the wheel was installed as README says.

    What this project needs is taken from here, gigabytes of it; pip looks whether it is what the wheel asks for.
    """
    (sdk,) = re.findall(r"^pip (install --no-deps alphamed-federated\S+)", README, re.MULTILINE)

    def make(folder: Path) -> None:
        place = folder / "联邦学习 的 环境"
        venv.create(place, with_pip=True)
        (packages,) = place.glob("lib/python*/site-packages")
        (packages / "needed.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
        pip = [place / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run(*pip, "install", "--no-deps", "--force-reinstall", wheel, cwd=folder)
        run(*pip, "install", wheel, cwd=folder)
        run(*pip, *shlex.split(sdk), "--ignore-installed", cwd=folder)

    return once("installed", make) / "联邦学习 的 环境" / "bin"


def test_both_are_sound(built, wheel):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)
    tree = "--package", built.parent / "project" / PACKAGE, "--package-omit", STYLE
    run(sys.executable, "-m", "check_wheel_contents", *tree, wheel, cwd=built)


def test_the_sources_hold_what_the_wheel_is_built_from(built):
    project = built.parent / "project"
    files = [file for file in (project / PACKAGE).rglob("*") if file.is_file() and file.name != STYLE]
    listed = {file.relative_to(project).as_posix() for file in files}
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {*listed, "README.md", "LICENSE", "NOTICE", "pyproject.toml"} - names == set()


def test_it_runs_in_a_folder_far_from_the_repository(installed, tmp_path):
    folder = tmp_path / "我的 文件夹"
    folder.mkdir()
    where = run(installed / "python", "-c", "import alphamed_tutorials; print(alphamed_tutorials.__file__)", cwd=folder)
    assert where.startswith(str(installed.parent))
    said = json.loads(run(installed / "playground", "run", "mnist", "--seed", "1", "--json", cwd=folder))
    assert said["metrics"]["test/accuracy"] > 0.5 and (folder / "runs/mnist-1/model.pt").is_file()
    run(installed / "playground", "new", "my_task", cwd=folder)
    run(installed / "playground", "run", "my_task", "--rounds", "1", cwd=folder)
    assert (folder / "runs/my_task-1/model.pt").is_file()
