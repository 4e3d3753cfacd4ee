"""`playground serve`: whose data its nodes have, that the demo is for these, and what is said of another example's."""

import contextlib
import html
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from pageworld import Visitor
from playgroundworld import code, wait_for
from test_task_command import command

from alphamed_tutorials.command.playground import _data_folders
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.agent.place import Place
from alphamed_tutorials.playground.page import submissions
from alphamed_tutorials.playground.processes import _write_node

NAMES = ("aggregator", "node1")


def prepared(folder: Path, example: str) -> dict[str, Path]:
    """Make what looks like the prepared data of an example; return each node's folder."""
    nodes = {name: folder / "nodes" / name for name in NAMES}
    for each in nodes.values():
        each.mkdir(parents=True)
    if example:
        (folder / "prepare.json").write_text(json.dumps({"example": example}))
    return nodes


@pytest.mark.parametrize("example", [None, "breast_cancer"])
def test_a_folder_is_gone_on_with_whether_its_example_is_named_or_not(tmp_path, example):
    nodes = prepared(tmp_path / "data", "breast_cancer")
    assert _data_folders(tmp_path, example, None) == nodes


def test_another_examples_folder_is_refused_with_what_to_do(tmp_path):
    prepared(tmp_path / "data", "breast_cancer")
    with pytest.raises(WrongUse, match="data of breast_cancer: for mnist name another folder, as in --dir mnist, or"):
        _data_folders(tmp_path, "mnist", None)
    with pytest.raises(WrongUse, match="data of breast_cancer"):
        _data_folders(tmp_path / "new", "mnist", tmp_path / "data")


def test_data_that_were_prepared_elsewhere_may_be_any_examples(tmp_path):
    nodes = prepared(tmp_path / "mine", "")
    assert _data_folders(tmp_path, "speech_commands", tmp_path / "mine") == nodes


def test_nodes_that_were_given_data_go_on_with_these(tmp_path):
    nodes = prepared(tmp_path / "given", "breast_cancer")
    for name, data in nodes.items():
        Place.write(tmp_path / "served" / name, name=name, hub="", data=str(data))
    assert _data_folders(tmp_path / "served", None, None) == nodes
    with pytest.raises(WrongUse, match="data of breast_cancer"):
        _data_folders(tmp_path / "served", "mnist", None)


def test_a_folder_that_was_moved_is_gone_on_with(tmp_path):
    for name, data in prepared(tmp_path / "before" / "data", "mnist").items():
        Place.write(tmp_path / "before" / name, name=name, hub="", data=str(data), organisation="kept")
    after = (tmp_path / "before").rename(tmp_path / "after")
    for name, data in _data_folders(after, None, None).items():
        _write_node(after, name, data, "http://127.0.0.1:1")
        assert Place(after / name).data == (after / "data" / "nodes" / name).resolve()
        assert Place(after / name).configuration.organisation == "kept"


@pytest.mark.parametrize("facts", ['{"example": "of_my_own"}', "[]", "{}"])
def test_data_of_no_example_get_the_first_demo(tmp_path, facts):
    nodes = prepared(tmp_path, "mnist")
    (tmp_path / "prepare.json").write_text(facts)
    assert submissions.demo(nodes["node1"]).name == "mnist"


def came_by(link: str) -> Visitor:
    """Return who opened the link to a node's page."""
    services = SimpleNamespace(origin=link.partition("/enter")[0])
    visitor = Visitor(SimpleNamespace(parts=SimpleNamespace(services=services)), is_let_in=False)
    assert visitor.get(link).status_code == 200
    return visitor


@pytest.mark.slow
def test_the_demo_is_that_of_the_example_that_is_served(tmp_path):
    """From the links that are printed to data that will do for the demo's task."""
    said = tmp_path / "said"
    with open(said, "w") as file, contextlib.ExitStack() as ends:
        command_line = command("serve", "breast_cancer", "--json")
        server = ends.enter_context(subprocess.Popen(command_line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=file))
        ends.callback(server.terminate)
        assert server.stdout
        announced = json.loads(server.stdout.readline())
        visitors = {name: came_by(link) for name, link in announced["pages"].items()}
        printed = dict(re.findall(r"^ +(\w+)  (http\S+/enter/\S+)$", said.read_text(), re.MULTILINE))
        assert printed == announced["pages"] and list(printed) == ["aggregator", "node1", "node2"]
        assert "playground task create breast_cancer --nodes node1,node2" in " ".join(said.read_text().split())
        for name, visitor in visitors.items():
            start = visitor.look("/")
            assert (
                start.status_code == 200 and name in start.text and "Fill in a demo task: breast_cancer" in start.text
            )
        initiator = visitors["aggregator"]
        agent, owner = (Agent(tmp_path / "playground" / name) for name in NAMES)
        form = html.unescape(initiator.look("/new?demo=1").text)
        assert "Breast masses, benign or malignant (a table): a demo of 3 rounds." in form
        assert re.findall(r"<option selected>(\w+)", form) == ["breast_cancer"]
        fields = {"name": "demo", "verification_of": "breast_cancer", "nodes": ["node1"], "rounds": "3", "seed": "1"}
        task = initiator.submit("/new", **fields).url.rpartition("/")[2]
        agent.put_code(task, "train", code())  # anything: nobody is invited before
        wait_for(lambda: task in [each["id"] for each in owner.tasks()])
        verdict = owner.verify(task, owner.code(task, "verify")["sha256"])
        assert verdict["ok"], verdict
