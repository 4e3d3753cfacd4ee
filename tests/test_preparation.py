"""A prepared data folder is there as a whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from alphamed_tutorials.data.folders import find_nodes, plot_counts, prepare
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import WrongUse

COUNTS = {"aggregator": {"test": {"猫": 2}}, "node1": {"train": {"猫": 1, "dog": 3}}}


def write_half(out: Path) -> None:
    """Write what an example writes first."""
    (out / "nodes" / "aggregator").mkdir(parents=True)
    (out / "nodes" / "aggregator" / "test.txt").write_text("data")


def make_example(then=lambda out: None) -> SimpleNamespace:
    """Return an example that writes half its data, does something, and writes the rest."""

    def prepare_example(out, nodes, partition, seed, source):
        write_half(out)
        then(out)
        (out / "nodes" / "node1").mkdir()
        return COUNTS

    return SimpleNamespace(name="pets", prepare=prepare_example)


def run(out, example=None, nodes=1, source=None, seed=5):
    return prepare(example or make_example(), out, nodes, source, Partition("dirichlet", 0.3), seed)


def test_writes_data_and_facts(tmp_path):
    facts = run(tmp_path / "deep" / "data", source=tmp_path)
    assert facts == json.loads((tmp_path / "deep" / "data" / "prepare.json").read_text("utf-8"))
    assert facts == {
        "example": "pets",
        "nodes": 1,
        "partition": "dirichlet:0.3",
        "seed": 5,
        "source": str(tmp_path),
        "counts": COUNTS,
    }
    assert (tmp_path / "deep" / "data" / "nodes" / "aggregator" / "test.txt").read_text() == "data"
    assert os.listdir(tmp_path / "deep") == ["data"]


@pytest.mark.parametrize("kind", ["folder", "full folder", "file", "dangling link"])
def test_what_exists_stays_as_it_is(tmp_path, kind):
    out = tmp_path / "data"
    if kind == "file":
        out.write_text("mine")
    elif kind == "dangling link":
        out.symlink_to("nowhere")
    else:
        out.mkdir()
    if kind == "full folder":
        (out / "mine").write_text("mine")
    before = sorted(map(str, tmp_path.rglob("*")))
    with pytest.raises(WrongUse, match="data exists already"):
        run(out)
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_what_appears_meanwhile_stays_as_it_is(tmp_path):
    out = tmp_path / "data"

    def another_process(_):
        out.mkdir()
        (out / "mine").write_text("mine")

    with pytest.raises(WrongUse, match="data exists already"):
        run(out, make_example(another_process))
    assert os.listdir(tmp_path) == ["data"] and os.listdir(out) == ["mine"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"nodes": 0}, "0 nodes"),
        ({"nodes": -3}, "-3 nodes"),
        ({"seed": -1}, "-1 is no seed"),
        ({"source": Path("no/such")}, "no/such"),
    ],
)
def test_wrong_arguments(tmp_path, wrong, text):
    with pytest.raises(WrongUse, match=text):
        run(tmp_path / "data", **wrong)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError, OSError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    def stop(out):
        assert out.parent == tmp_path and out.name.startswith(".")  # so that the rename at the end is one step
        raise error("stop")

    with pytest.raises(error, match="stop"):
        run(tmp_path / "data", make_example(stop))
    assert not os.listdir(tmp_path)


def test_what_a_kill_leaves_is_in_nobodys_way(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from test_preparation import make_example, run\n"
        "run(Path(sys.argv[2]), make_example(lambda out: time.sleep(60)))"
    )
    out = tmp_path / "data"
    process = subprocess.Popen([sys.executable, "-c", program, str(Path(__file__).parent), str(out)])
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob(".data.*/nodes/aggregator/test.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (leftover,) = os.listdir(tmp_path)
    assert leftover.startswith(".")
    with pytest.raises(WrongUse):
        find_nodes(out)
    run(out)
    assert set(find_nodes(out)) == {"aggregator", "node1"}


def test_node_folders_are_in_natural_order(tmp_path):
    for name in ("node10", "node2", "aggregator", "a-clinic", "node1", ".hidden", "hospital"):
        (tmp_path / "nodes" / name).mkdir(parents=True)
    (tmp_path / "nodes" / "notes.txt").write_text("not a node")
    found = find_nodes(tmp_path)
    assert list(found) == ["aggregator", "a-clinic", "hospital", "node1", "node2", "node10"]
    assert found["node2"] == tmp_path / "nodes" / "node2"


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        ([], "no such data folder"),
        (["MNIST/raw"], "holds no folder nodes"),
        (["nodes"], "no folder aggregator"),
        (["nodes/node1"], "no folder aggregator"),
        (["nodes/aggregator"], "no data owner"),
    ],
)
def test_what_is_no_prepared_folder_is_told_what_to_do(tmp_path, folders, text):
    for folder in folders:
        (tmp_path / "data" / folder).mkdir(parents=True)
    with pytest.raises(WrongUse, match=text) as error:
        find_nodes(tmp_path / "data")
    assert "playground prepare" in str(error.value) and str(tmp_path / "data") in str(error.value)


def test_picture_shows_every_node_and_class(tmp_path):
    counts = {
        "aggregator": {"test": {"ant": 2, "bee": 3}},
        "hospital": {"train": {"bee": 40}, "validation": {"ant": 1}},
    }
    plot_counts(counts, tmp_path / "counts.svg")
    picture = (tmp_path / "counts.svg").read_text()
    for text in ("aggregator", "hospital", "validation", "ant", "bee", "samples"):
        assert f"<!-- {text} -->" in picture
    plot_counts(counts, tmp_path / "counts.png")
    assert (tmp_path / "counts.png").read_bytes().startswith(b"\x89PNG")
