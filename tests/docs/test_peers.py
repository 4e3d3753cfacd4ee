"""Other systems beside ours: how they are measured, that they do the same, and what the page says of it."""

import json
import re
import sys
import time

import psutil
import pytest

import results_peers
from pages import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import peers
from local_engine import write_nodes
from watched_process import run_watched

RECORD = json.loads((ROOT / "docs/results/scale/peers.json").read_text("utf-8"))
MEASURED = {each["nodes"]: {run["name"]: run for run in each["runs"]} for each in RECORD["experiments"]}
ROUNDING = 1e-6  # of parameters around 1, summed in another order
LEAVES_ONE_BEHIND = """
import subprocess, sys
work = "import time; ballast = bytearray(80_000_000); start = time.process_time()\\n"
work += "while time.process_time() - start < {seconds}: pass\\n"
work += "print('worked', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", work], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid)
"""


def test_all_processes_of_a_program_are_counted_and_none_is_left(tmp_path):
    used = run_watched([sys.executable, "-c", LEAVES_ONE_BEHIND.replace("{seconds}", "1")], {}, tmp_path, longest=30)
    assert 0.9 < used.cpu_seconds < 5 and used.peak_mb > 80
    assert 0.9 < used.wall_seconds < 30
    assert not psutil.pid_exists(int(used.printed))


def test_a_program_that_fails_or_hangs_says_what_it_printed(tmp_path):
    with pytest.raises(SystemExit, match=r"(?s)NameError.*ended with 1"):
        run_watched([sys.executable, "-c", "nonsense"], {}, tmp_path, longest=30)
    began = time.monotonic()
    with pytest.raises(SystemExit, match=r"(?s)here I am.*took more than 1 seconds"):
        run_watched(
            [sys.executable, "-c", "import time; print('here I am', flush=True); time.sleep(60)"], {}, tmp_path, longest=1
        )
    assert time.monotonic() - began < 20


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in peers.CONTENDERS if name != "bare"])
def test_every_system_arrives_at_the_same_parameters(name, tmp_path):
    contender = peers.CONTENDERS[name]
    if not contender.python.exists():
        pytest.skip(f"{contender.package} is not here: make peers")
    write_nodes(tmp_path, 2, samples=130)
    bare, found = (peers.run_once(each, tmp_path)["parameters"] for each in (peers.CONTENDERS["bare"], contender))
    assert found.keys() == bare.keys()
    assert peers.greatest_difference(found, bare) < ROUNDING


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_tables_hold_what_was_recorded(language):
    words = results_peers.WORDS[language]
    html = results_peers.tables(RECORD, language)
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", html)
    assert len(rows) == len(RECORD["experiments"]) * len(peers.CONTENDERS)
    for name in peers.CONTENDERS:
        assert sum(label == words[name] for label, _ in rows) == len(RECORD["experiments"])
    assert html.count("<details>") == len(RECORD["experiments"]) - 1


def test_every_system_was_measured_with_its_version_and_did_the_same():
    packages = {each.package for each in peers.CONTENDERS.values() if each.package}
    assert packages <= RECORD["versions"].keys()
    for runs in MEASURED.values():
        assert list(runs) == list(peers.CONTENDERS)
        assert all(run["difference"] < ROUNDING for run in runs.values())
