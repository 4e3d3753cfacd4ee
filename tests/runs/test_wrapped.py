"""Networks that build_model() wraps or compiles: exported without the wrapper, or refused by its name."""

from pathlib import Path

import pytest
import torch
from schedulers import Tiny, build_network, write_data
from torch import nn

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.runs.calls import ExportError
from alphamed_tutorials.runs.export import export
from alphamed_tutorials.runs.exportable import load_exportable
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.wrapped import bare


class Part(nn.Module):
    """Hold a wrapped part."""

    def __init__(self):
        super().__init__()
        self.network = nn.DataParallel(build_network())

    def forward(self, inputs):
        return self.network(inputs)


def compiled_in_place() -> nn.Module:
    network = build_network()
    network.compile(backend="eager")
    return network


WAYS = {
    "compile": lambda: torch.compile(build_network(), backend="eager"),
    "compile()": compiled_in_place,
    "parallel": lambda: nn.DataParallel(build_network()),
    "both": lambda: torch.compile(nn.DataParallel(build_network()), backend="eager"),
    "part": Part,
}


def idle(self): ...


def run_with(tmp_path: Path, build_model, train_an_epoch=idle, rounds: int = 1) -> Run:
    members = {"build_model": lambda self: build_model(), "train_an_epoch": train_an_epoch}
    task = type("Task", (Tiny,), {"__module__": "__main__", **members})
    return run_local(task(max_rounds=rounds), write_data(tmp_path / "data", node1=8), tmp_path / "run")


@pytest.mark.parametrize("way", WAYS)
def test_no_wrapper_is_exported(way, tmp_path):
    run = run_with(tmp_path, WAYS[way])
    model = load_exportable(run)[0].model
    assert not any(type(part).__name__ in ("OptimizedModule", "DataParallel") for part in model.modules())
    assert not any(part._compiled_call_impl for part in model.modules())
    trained = torch.load(run.path / "model.pt", weights_only=True)
    assert all(map(torch.equal, trained.values(), model.state_dict().values()))
    torch.jit.script(model)


def test_a_network_without_a_wrapper_stays_itself():
    network = build_network()
    assert bare(network) is network


def test_what_torchscript_compiled_is_refused_by_name(tmp_path):
    run = run_with(tmp_path, lambda: torch.jit.script(build_network()))
    with pytest.raises(ExportError, match=r"build_model\(\) of Task returns what torch.jit.script made"):
        load_exportable(run)


class Scripted(nn.Module):
    """Hold a part that torch.jit made, as a Predictor does of a task whose network it made."""

    def __init__(self):
        super().__init__()
        self.network = torch.jit.script(build_network())

    def forward(self, inputs):
        return self.network(inputs)


def test_what_torchscript_alone_can_hold_says_so_of_the_other_forms(tmp_path):
    report = export(run_with(tmp_path, Scripted))
    assert report["torchscript"]["max_difference"] == 0
    for form in ("torch_export", "onnx"):
        assert "let build_model() return the network itself" in report[form]["error"]


def test_a_run_that_cannot_be_resumed_never_advises_it(tmp_path):
    def fail(self):
        if self.current_round == 2:
            raise ValueError("on purpose")

    with pytest.raises(NodeFailed):
        run_with(tmp_path, lambda: torch.jit.script(build_network()), fail, 2)
    run = Run.open(tmp_path / "run")
    assert run.resume_command({"rate": 0.1}) == f"playground run TARGET --data {tmp_path / 'data'} --set rate=0.1"
