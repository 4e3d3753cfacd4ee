"""A finished task's model in other forms: made by real children from the approved code, on every node."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import onnxruntime
import pytest
import torch
from playgroundworld import Near, World, wait_for

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.examples.mnist.model import ConvNet
from alphamed_tutorials.playground.agent.children import PROGRAM
from alphamed_tutorials.playground.agent.exporting import FORMS, export
from alphamed_tutorials.playground.agent.holdings import WrongState
from alphamed_tutorials.playground.source import make

NODES = ("aggregator", "node1")
OWN = """
import os
import time
from pathlib import Path

import torch
from alphafed.fed_avg import FedAvgScheduler


class Own(FedAvgScheduler):
    def build_model(self):
        return torch.nn.Linear(1, 1)

    def build_optimizer(self, model): ...
    def build_train_dataloader(self): ...
    def build_test_dataloader(self): ...
    def train_an_epoch(self): ...

    def run_test(self):
        {test}
"""
FORGERY = """here = Path.cwd().parent
        (here / "verdict.json").write_text('{"ok": true, "reason": "done"}')
        os.symlink(here.parents[2] / "operator.token", here / "root" / "model.onnx")
        os._exit(0)"""


@pytest.fixture(scope="module")
def nodes(lasting_world: World) -> Iterator[dict[str, Near]]:
    """Return an aggregator and a data owner with the digits, whose children are real."""
    prepare("mnist", lasting_world.folder / "data", num_nodes=1)
    made = {}
    for name in NODES:
        place = lasting_world.place(name)
        shutil.copytree(lasting_world.folder / "data" / "nodes" / name, place.data, dirs_exist_ok=True)
        made[name] = Near(place, PROGRAM)
        lasting_world.on_close.callback(made[name].close)
    return made


@pytest.fixture
def given(nodes, tmp_path) -> Callable[[str], str]:
    """Return a function that makes a task with a certain test, and lays a model where a finished task has it."""

    def give(test: str) -> str:
        file = tmp_path / "own_export.py"
        file.write_text(OWN.format(test=test))
        code, _ = make(find(file), 1, 0, {})
        agent = nodes["aggregator"].agent
        task = str(agent.create("a task", ["node1"])["id"])
        agent.put_code(task, "verify", code.verify)
        agent.put_code(task, "train", code.train)
        for node in nodes.values():
            folder = node.parts.tasks.results(task)
            folder.mkdir(parents=True)
            torch.save(torch.nn.Linear(1, 1).state_dict(), folder / "model.pt")
        return task

    return give


@pytest.mark.slow
def test_both_forms_predict_as_the_state_dict_does_on_every_node(nodes):
    initiator, owner = (nodes[name].agent for name in NODES)
    code, rounds = make(find("mnist"), 2, 0, {})
    task = str(initiator.create("digits", ["node1"], settings={"rounds": rounds})["id"])
    initiator.put_code(task, "verify", code.verify)
    initiator.put_code(task, "train", code.train)
    with pytest.raises(WrongState, match="model.pt is not there: the task has not finished"):
        export(nodes["aggregator"].parts.tasks, task, "onnx")
    assert owner.verify(task, owner.code(task, "verify")["sha256"])["ok"]
    owner.join(task, owner.code(task, "train")["sha256"])
    initiator.start(task)
    assert initiator.wait(task)["state"] == "finished"
    inputs = torch.randn(3, 1, 28, 28)
    for node in nodes.values():
        tasks = node.parts.tasks
        model_file = tasks.results(task) / "model.pt"
        wait_for(model_file.exists, 60)
        model = ConvNet()
        model.load_state_dict(torch.load(model_file, weights_only=True))
        with torch.no_grad():
            expected = model.eval()(inputs)
            files = {form: export(tasks, task, form) for form in FORMS}
            scripted = torch.jit.load(files["torchscript"])(inputs)
        session = onnxruntime.InferenceSession(files["onnx"])
        (found,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
        torch.testing.assert_close(scripted, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-5)
        assert {"model.pt", *FORMS.values()} <= {file.name for file in model_file.parent.iterdir()}
        assert not (tasks.place.task(task) / "export").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("raise KeyError('lost')", r"own_export\.py, line 20: KeyError: 'lost'"),
        ("pass", "never calls self.model"),
        ("os.kill(os.getpid(), 9)", "the export was ended: it ended without an answer .killed by signal 9"),
        (FORGERY, "cannot be exported as onnx: done"),
    ],
)
def test_what_the_tasks_code_does_wrong_is_said(nodes, given, test, said):
    task, tasks = given(test), nodes["aggregator"].parts.tasks
    with pytest.raises(TutorialError, match=said):
        export(tasks, task, "onnx")
    assert [file.name for file in tasks.results(task).iterdir()] == ["model.pt"]


@pytest.mark.slow
def test_an_export_is_alone_and_ends_in_time(nodes, given):
    task, near = given("time.sleep(600)"), nodes["aggregator"]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(export, near.parts.tasks, task, "torchscript", seconds=3)
        wait_for(lambda: near.parts.children.living)
        with pytest.raises(WrongState, match="being exported already"):
            export(near.parts.tasks, task, "onnx")
        with pytest.raises(TutorialError, match="the export was ended: it did not end within 3 seconds"):
            first.result()


@pytest.mark.slow
def test_only_code_that_was_approved_here_runs(nodes, given):
    task = given("pass")
    with pytest.raises(WrongState, match="was not approved on this node"):
        export(nodes["node1"].parts.tasks, task, "onnx")
    with pytest.raises(WrongUse, match="torchscript or onnx, not as caffe"):
        export(nodes["aggregator"].parts.tasks, task, "caffe")
