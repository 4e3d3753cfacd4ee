"""Run the tests in other environments than ours, and record what came of it: `make lanes`.

    python tools/run_lanes.py [LANE ...]      (all of them without a name)

Each lane makes its environment in a folder that is removed again: gigabytes, once at a time. It needs nothing but Python,
and a `python3.12` in the path for the lane of that name. `docs/lanes.json` holds what the last run of each lane gave.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "lanes.json"
TESTS = (
    "tests/test_arguments.py",
    "tests/test_facts.py",
    "tests/data/test_partition.py",
    "tests/engines/test_averaging.py",
    "tests/engines/test_contract.py",
    "tests/engines/test_equivalence.py",
    "tests/engines/test_local_engine.py",
    "tests/runs",
    "tests/examples/test_every_example.py",
)
MARKS = "not slow and not soak and not pages and not browser and not real_data"
PROJECT = ("--editable", ".", "--group", "site", "--group", "test")
PINNED = ("--constraint", "constraints.txt", *PROJECT)
SDK = ("--no-deps", "alphamed-federated==0.4.9")
CONFIGURATIONS = ("mkdocs.yml", "mkdocs.en.yml")
SITE = ("docs", "hooks", "snippets", "src")  # what it is made of


@dataclass(frozen=True)
class Lane:
    """An environment, and what runs in it.

    Attributes:
        install: What pip installs, in one call each.
        python: The interpreter; ours if it is empty.
        tests: Files and folders of tests; the site is built by Zensical where there are none.
    """

    install: tuple[tuple[str, ...], ...]
    python: str = ""
    tests: tuple[str, ...] = TESTS


LANES = {
    "newest": Lane((("--upgrade", *PROJECT), SDK)),
    "oldest": Lane(((*PROJECT, "torch==2.3.*", "torchvision==0.18.*", "torchaudio==2.3.*", "numpy<2"), SDK)),
    **{f"python{version}": Lane((PINNED, SDK), f"python{version}") for version in ("3.12", "3.13", "3.14")},
    "torchtext": Lane(
        (("--constraint", "constraints-torchtext.txt", "--editable", ".[torchtext]", "pytest", "pytest-codeblocks"),),
        tests=("tests/torchtext",),
    ),
    # What Flower allows of other packages is not what constraints.txt has.
    "flower": Lane(
        (("--editable", ".[flower]", "--group", "site", "--group", "test"), SDK),
        tests=("tests/flower", "tests/engines/test_equivalence.py", "tests/playground"),
    ),
    "zensical": Lane((("--constraint", "constraints.txt", "--group", "site"), ("--upgrade", "zensical")), tests=()),
}


class NotRun(Exception):
    """A lane that this machine cannot run: `interpreter` or `pip` as the reason, and what it is about."""


def run(lane: Lane, environment: Path) -> dict:
    """Make a lane's environment, run what it has to run, and return what came of it."""
    started = time.monotonic()
    python = make(lane, environment)
    found = run_tests(python, lane.tests, environment) if lane.tests else build_site(python, environment)
    return {"versions": versions(python)} | found | {"seconds": round(time.monotonic() - started)}


def make(lane: Lane, environment: Path) -> str:
    """Make a lane's environment and return its interpreter.

    Raises:
        NotRun: The interpreter is not there, or a package has no version for it.
    """
    base = lane.python or sys.executable
    if shutil.which(base) is None or subprocess.run([base, "-c", ""], capture_output=True).returncode:
        raise NotRun("interpreter", base)
    subprocess.run([base, "-m", "venv", environment], check=True)
    python = str(environment / "bin" / "python")
    for packages in (("--upgrade", "pip>=25.1"), *lane.install):
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True, cwd=ROOT
        )
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            raise NotRun("pip", errors[-1].removeprefix("ERROR: ") if errors else "pip failed")
    return python


def versions(python: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that a lane is about."""
    wanted = ("torch", "torchvision", "torchaudio", "torchtext", "flwr", "numpy", "mkdocs", "zensical")
    program = (
        "import importlib.metadata as m, json, platform\n"
        f"found = {{d.name: d.version for d in m.distributions() if d.name in {wanted}}}\n"
        "print(json.dumps({'python': platform.python_version()} | dict(sorted(found.items()))))"
    )
    return json.loads(subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout)


def run_tests(python: str, tests: tuple[str, ...], folder: Path) -> dict:
    """Run tests and return how many passed and were skipped, and the names of those that failed."""
    report = folder / "report.xml"
    command = [python, "-m", "pytest", "--quiet", "-m", MARKS, f"--junitxml={report}", *tests]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if not report.exists():
        return {"passed": 0, "skipped": 0, "failed": ["pytest did not start"]}
    cases = ElementTree.parse(report).getroot().findall(".//testcase")
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    names = [f"{case.get('classname')}.{case.get('name')}" for case in bad]
    return {"passed": len(cases) - len(bad) - len(skipped), "skipped": len(skipped), "failed": names}


def build_site(python: str, folder: Path) -> dict:
    """Build both languages with Zensical and return how far it comes: pages, and placeholders that no hook has filled."""
    failed, pages, left = [], 0, 0
    for configuration in CONFIGURATIONS:
        copy = folder / configuration
        for part in SITE:
            shutil.copytree(ROOT / part, copy / part)
        for file in ROOT.glob("mkdocs*.yml"):
            shutil.copy(file, copy)
        command = [python, "-m", "zensical", "build", "--config-file", configuration]
        done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout)
        if done.returncode:
            failed.append(f"{configuration}: {reason(done.stdout)}")
        for page in (copy / "site").rglob("*.html"):
            pages += 1
            left += page.read_text("utf-8").count("{{ ")
    return {"pages": pages, "placeholders": left, "failed": failed}


def reason(printed: str) -> str:
    """Return the line that says why a program gave up: that of the error, else the last one."""
    lines = printed.strip().splitlines() or ["it printed nothing"]
    return next((line for line in lines if "Error:" in line), lines[-1])


def record(name: str, found: dict) -> None:
    """Write what came of a lane beside what came of the others."""
    before = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    now = before | {name: {"date": time.strftime("%Y-%m-%d"), **found}}
    content = {each: now[each] for each in LANES if each in now}
    FILE.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


def summary(name: str, found: dict) -> str:
    """Return a line about what came of a lane."""
    if "not_run" in found:
        return f"{name}: not run, {': '.join(found['not_run'])}"
    counts = ", ".join(
        f"{found[what]} {what}" for what in ("passed", "skipped", "pages", "placeholders") if what in found
    )
    packages = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
    return f"{name}: {counts}, {len(found['failed'])} failed, {found['seconds']} s ({packages})"


def main(names: list[str]) -> int:
    """Run lanes, and return 1 if a test failed in one of them."""
    if unknown := sorted(set(names) - set(LANES)):
        raise SystemExit(f"there is no lane {unknown[0]}: name some of {', '.join(LANES)}")
    results = {}
    for name in names or LANES:
        print(f"{name} …", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"lane-{name}-") as folder:
            try:
                results[name] = run(LANES[name], Path(folder, "environment"))
            except NotRun as reason:
                results[name] = {"not_run": list(reason.args)}
        record(name, results[name])
    for name, found in results.items():
        print(summary(name, found))
        print("".join(f"  {test}\n" for test in found.get("failed", ())), end="")
    return int(any(found.get("failed") for found in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
