"""An example is a folder: one that is added gets its tests without a line written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from alphamed_tutorials.catalogue import find

HERE = Path(__file__).parent


def test_a_folder_that_is_added_is_tested(tmp_path):
    mnist = find("mnist").folder
    shutil.copytree(mnist.parents[2], tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    copied = tmp_path / "src" / mnist.relative_to(mnist.parents[2])
    shutil.copytree(copied, copied.with_name("sixth"))
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider", str(HERE)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(command, cwd=HERE.parents[1], env=environment, capture_output=True, text=True)
    tests = set(re.findall(r"::(\w+)\[(?:\w+-)*sixth\b", done.stdout))
    assert len(tests) >= 15, done.stdout[-2000:]
