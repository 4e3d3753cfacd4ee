"""Run the part of the project's tests that is about one example, as CI would."""

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

from ..experiments.check.answers import Wrong

PERCENT = re.compile(r"\[ *(\d+%)\]$")
FIRST_LINES = 2  # of a failed test's message


def selection(name: str) -> str:
    """Return what pytest's `-k` takes for the tests of one example: those of its pages, its files and its name."""
    places = (f"guides/{name}.md", f"guides/{name}-program.md", f"snippets/{name}/")
    parameters = (f"[{name}]", f"[{name}-", f"-{name}]", f"-{name}-")
    return " or ".join((*places, *parameters, f"test_{name}.py", f"test_{name}_data.py"))


def run_tests(root: Path, files: tuple[str, ...], chosen: str, marker: str, tell: Callable[[str], None]) -> str:
    """Run tests and return how many there were and how long they took.

    Args:
        root: The repository.
        files: Of tests, from there.
        chosen: Which of their tests, as `-k` takes it.
        marker: The marker they need; what CI always runs if empty.
        tell: Called with how far they are.

    Raises:
        Wrong: A test failed, or there is none; the text names it.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", *files, "-k", chosen, "--verbose", f"--junitxml={report}"]
        command += ["-p", "no:cacheprovider", *(["-m", marker] if marker else [])]
        path = os.pathsep.join(filter(None, (str(root / "src"), os.environ.get("PYTHONPATH"))))
        with subprocess.Popen(
            command, cwd=root, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if percent := PERCENT.search(line.rstrip()):
                    tell(percent[1])
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed = [_told(case, fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
    skipped = sum(case.find("skipped") is not None for case in cases)
    if failed:
        raise Wrong("\n".join([failed[0], *([f"and {len(failed) - 1} more"] if failed[1:] else [])]))
    if process.returncode or not cases:
        raise Wrong(f"no test was run: {lines[-1].strip() if lines else 'pytest said nothing'}")
    minutes = (time.monotonic() - started) / 60
    return f"{len(cases) - skipped} tests" + (f", {skipped} skipped" if skipped else "") + f", {minutes:.1f} min"


def _told(case: ElementTree.Element, fault: ElementTree.Element) -> str:
    said = (fault.get("message") or fault.text or "").strip().split("\n")
    file = (case.get("classname") or "").rpartition(".")[2]
    shown = (
        said if len(said) <= FIRST_LINES else [*said[:FIRST_LINES], "…", said[-1]]
    )  # a traceback ends with the error
    return "\n".join([f"{file}.py::{case.get('name')}", *shown])
