"""Other systems beside ours: how they are measured, that they do the same, and what the page says of it."""

import json
import re
import sys
import time

import psutil
import pytest

import results_peers
from pages import ROOT

sys.path.append(str(ROOT / "benchmarks"))  # some of its modules have the names of others here
import peers
from local_engine import write_nodes
from watched_process import run_watched

RECORD = json.loads((ROOT / "docs/results/scale/peers.json").read_text("utf-8"))
MEASURED = {each["nodes"]: {run["name"]: run for run in each["runs"]} for each in RECORD["experiments"]}
OTHERS = {"flower", "flare", "ray"}
# Of sums in another order; what is rounded otherwise is trained on, and may fall on the other side of a maximum.
ROUNDING, TRAINED_ON = 1e-4, 1e-3  # after 2 rounds, and after 5
LEAVES_ONE_BEHIND = """
import subprocess, sys
work = "import time; ballast = bytearray(80_000_000); start = time.process_time()\\n"
work += "while time.process_time() - start < 1: pass\\n"
work += "print('worked', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", work], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print(child.pid, file=open(sys.argv[1], "w"))
"""


def test_all_processes_of_a_program_are_counted_and_none_is_left(tmp_path):
    used = run_watched([sys.executable, "-c", LEAVES_ONE_BEHIND, str(tmp_path / "child")], {}, tmp_path, longest=30)
    assert 0.9 < used.cpu_seconds < 5 and used.peak_mb > 80
    assert 0.9 < used.wall_seconds < 30
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))


@pytest.mark.parametrize(
    ("program", "longest", "printed"),
    [("nonsense", 30, "NameError"), ("import time; print('here I am', flush=True); time.sleep(60)", 1, "here I am")],
)
def test_a_program_that_fails_or_hangs_says_what_it_printed(program, longest, printed, tmp_path, capsys):
    began = time.monotonic()
    with pytest.raises(SystemExit, match=f"failed, or took more than {longest} seconds"):
        run_watched([sys.executable, "-c", program], {}, tmp_path, longest)
    assert printed in capsys.readouterr().err and time.monotonic() - began < 20


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name in peers.CONTENDERS if name != "bare"])
def test_every_system_arrives_at_the_same_parameters(name, tmp_path, monkeypatch):
    contender = peers.CONTENDERS[name]
    if not contender.python.exists():
        pytest.skip(f"{contender.package} is not here: make peers")
    monkeypatch.setattr(peers, "ROUNDS", 2)
    write_nodes(tmp_path, 3, samples=130)
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
    for num_nodes, runs in MEASURED.items():
        assert list(runs) == [name for name, each in peers.CONTENDERS.items() if num_nodes <= each.most_nodes]
        assert all(run["difference"] < TRAINED_ON for run in runs.values())


def test_what_the_others_need_on_top_is_no_training():
    for runs in MEASURED.values():
        training = runs["bare"]["wall_seconds"]
        for name in OTHERS & runs.keys():
            assert runs[name]["wall_seconds"] > training > (peers.ROUNDS - 1) * runs["bare"]["round_seconds"]


def test_fifty_clients_with_a_process_each_take_about_all_the_memory():
    few, more = (MEASURED[num_nodes]["flare"]["peak_mb"] for num_nodes in (3, 10))
    assert few + (50 - 3) * (more - few) / (10 - 3) > 0.8 * 1024 * RECORD["machine"]["memory_gib"]
