"""The exported models stand alone and agree; what goes wrong is said and leaves no file behind."""

import contextlib
import inspect
import math
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from schedulers import Tiny, write_data
from torch import nn

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.run import run as run_task
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.calls import Call, ExportError
from alphamed_tutorials.runs.export import export, largest_difference, load_predictor
from alphamed_tutorials.runs.folder import Run


@pytest.fixture
def exported(chain) -> Run:
    """Return the run that the real command exported."""
    assert chain["export"].returncode == 0, chain["export"].stderr
    return Run.open(chain["folder"] / "runs/mnist-1")


@pytest.fixture
def run(finished_run, tmp_path) -> Run:
    return Run.open(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def quick(monkeypatch):
    """Leave out what takes seconds, where a test is about something else: two forms, and a fresh Python for TorchScript."""

    def write(*_):
        raise NotImplementedError("left out")

    monkeypatch.setattr(exporting, "write_onnx", write)
    monkeypatch.setattr(exporting, "write_torch_export", write)
    monkeypatch.setattr(exporting, "FreshPython", ThisPython)


class ThisPython(contextlib.nullcontext):
    """What stands in for a fresh one: `with` gives itself."""

    def __enter__(self):
        return self

    def predict(self, file: Path, calls: list[Call]) -> list:
        return predict_here(file, calls)


def predict_here(file: Path, calls: list[Call]) -> list:
    """Return what a TorchScript file answers, in this process."""
    return [call.of(torch.jit.load(file)) for call in calls]


def predict_more(more: float):
    """Return a `predict` that answers what the model of `mnist` in `run` does, and something more."""
    return lambda file, calls: [[call.of(load_predictor(Run.open(file.parent))[0]) + more] for call in calls]


def all_inputs(run: Run) -> torch.Tensor:
    return find("mnist").module("data").sample_inputs(run.record["nodes"]["aggregator"], 10_000)


PREDICT = """
import sys
for name in ("alphamed_tutorials", "alphafed"):
    sys.modules[name] = None  # any import of it fails
import torch
inputs = torch.load("inputs.pt", weights_only=True)
file = sys.argv[1]
model = torch.export.load(file).module() if file.endswith("pt2") else torch.jit.load(file)
with torch.no_grad():
    torch.save([model(part) for part in (inputs, inputs[:1])], "outputs.pt")
"""


@pytest.mark.parametrize("file", ["model.ts", "model.pt2"])
def test_a_form_predicts_the_same_in_a_fresh_python_without_us(exported, tmp_path, file):
    run = exported
    inputs = all_inputs(run)
    torch.save(inputs, tmp_path / "inputs.pt")
    subprocess.run([sys.executable, "-I", "-c", PREDICT, str(run.path / file)], cwd=tmp_path, check=True)
    outputs, first = torch.load(tmp_path / "outputs.pt", weights_only=True)
    with torch.no_grad():
        expected = load_predictor(run)[0](inputs)
    assert len(inputs) > 300 and outputs.shape == (len(inputs), 10)
    assert torch.allclose(outputs, expected, atol=1e-6)
    assert torch.allclose(first, expected[:1], atol=1e-6)
    assert torch.allclose(outputs.sum(1), torch.ones(len(inputs)))  # probabilities


def test_the_exported_model_holds_the_trained_parameters_and_normalises(exported):
    run = exported
    trained = torch.load(run.path / "model.pt", weights_only=True)
    script = torch.jit.load(run.path / "model.ts")
    assert not script.training
    assert all(torch.equal(script.state_dict()[f"model.{name}"], value) for name, value in trained.items())
    model = find("mnist").module("model")
    plain = model.ConvNet().eval()
    plain.load_state_dict(trained)
    pixels = all_inputs(run)[:50]
    with torch.no_grad():
        expected = plain((pixels.unsqueeze(1) / 255 - 0.1307) / 0.3081).exp()
        assert torch.allclose(script(pixels), expected, atol=1e-6)


def test_onnx_predicts_the_same_for_another_batch_size(exported):
    run = exported
    inputs = all_inputs(run)
    with torch.no_grad():
        expected = load_predictor(run)[0](inputs)
    for count in (1, 7, len(inputs)):
        ((outputs,),) = exporting.predict_onnx(run.path / "model.onnx", [Call((inputs[:count],), {})])
        assert torch.allclose(outputs, expected[:count], atol=1e-5)
    assert not list(run.path.glob("*.data"))  # one file, easy to carry


@pytest.mark.parametrize("file", ["model.ts", "model.pt2", "model.onnx"])
def test_no_file_names_a_folder_of_this_machine(exported, file):
    content = (exported.path / file).read_bytes()
    folders = {sys.prefix, str(Path(exporting.__file__).parents[1]), str(exported.path), tempfile.gettempdir()}
    assert [folder for folder in (*folders, "site-packages") if folder.encode() in content] == []


def test_nothing_is_warned_of(chain):
    assert "Warning" not in chain["export"].stderr and "deprecated" not in chain["export"].stderr


def test_exporting_twice_gives_the_same(run, quick):
    reports, models = [], []
    for _ in range(2):
        reports.append(export(run))
        models.append(torch.jit.load(run.path / "model.ts").state_dict())
    assert reports[0] == reports[1] and reports[0]["torchscript"]["max_difference"] == 0
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_failing_courtesy_is_reported_and_fails_nothing(run, quick):
    report = export(run)
    assert report["onnx"] == report["torch_export"] == {"error": "NotImplementedError: left out"}
    assert [file.name for file in run.path.glob("*model.*") if file.suffix != ".pt"] == ["model.ts"]


def write_nothing(exportable, file: Path) -> str:
    file.write_text("nothing")
    return ""


def test_a_disagreeing_onnx_is_reported_and_not_kept(run, monkeypatch, quick):
    monkeypatch.setattr(exporting, "write_onnx", write_nothing)
    monkeypatch.setattr(exporting, "predict_onnx", predict_more(0.5))
    assert "model.onnx the model predicts something else: outputs differ by 0.5" in export(run)["onnx"]["error"]
    assert not list(run.path.glob("*model.onnx"))


def test_the_command_says_of_each_form_what_holds(playground, run, quick):
    finished = playground("export", run.path)
    assert finished.code == 0 and "NotImplementedError: left out" in finished.out
    assert re.search(r"torchscript .*model\.ts .*exactly", finished.out)
    assert "Exported: Predictor, on what sample_inputs returns: uint8[20, 28, 28]" in finished.err


def test_a_model_may_say_how_much_onnx_may_round(run, monkeypatch, quick):
    monkeypatch.setattr(exporting, "write_onnx", write_nothing)
    monkeypatch.setattr(exporting, "predict_onnx", predict_more(2e-5))
    assert "outputs differ by 2e-05" in export(run)["onnx"]["error"]
    monkeypatch.setattr(find("mnist").module("model").Predictor, "onnx_tolerance", 1e-4, raising=False)
    assert export(run)["onnx"]["max_difference"] == pytest.approx(2e-5, rel=0.1)


@pytest.mark.parametrize("wrong", [lambda outputs: outputs + 2e-5, lambda outputs: outputs * float("nan")])
def test_a_disagreeing_torchscript_model_is_an_error_and_not_kept(run, monkeypatch, quick, wrong):
    monkeypatch.setattr(ThisPython, "predict", lambda _, *given: [wrong(one) for one in predict_here(*given)])
    with pytest.raises(ExportError, match="predicts something else"):
        export(run)
    assert not list(run.path.glob("*model.ts"))


def test_a_difference_that_is_no_number_is_never_lost_among_others():
    zero, nan = torch.zeros(2), torch.tensor([0.0, float("nan")])
    for found in ([zero, nan], [nan, zero]):
        assert not largest_difference([zero, zero], found) <= 1
    assert largest_difference(torch.tensor([-math.inf, 1.0]), torch.tensor([-math.inf, 1.0])) == 0


@pytest.mark.parametrize("found", [(torch.zeros(1),), {"b": torch.zeros(1)}, torch.zeros(1), "text", None])
def test_another_form_of_answer_is_an_infinite_difference(found):
    assert largest_difference({"a": torch.zeros(1)}, found) == math.inf


class Unscriptable(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        return eval("self.model(pixels)")


def test_a_model_that_cannot_be_scripted_is_an_error(run, monkeypatch):
    monkeypatch.setattr(find("mnist").module("model"), "Predictor", Unscriptable)
    with pytest.raises(ExportError, match="cannot be written as TorchScript, mend its forward method") as caught:
        export(run)
    assert "eval" in str(caught.value) and not list(run.path.glob("*model.ts"))


def test_a_predictor_without_inputs_is_an_error(run, monkeypatch):
    monkeypatch.delattr(find("mnist").module("data"), "sample_inputs")
    with pytest.raises(WrongUse, match="a Predictor and no sample_inputs: write a function"):
        export(run)


@pytest.mark.parametrize("file", ["model.pt", "entry.pickle"])
@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_missing_or_damaged_file_is_an_error(run, file, content):
    (run.path / file).unlink() if content is None else (run.path / file).write_bytes(content)
    with pytest.raises(ExportError, match="cannot be loaded into the model of mnist"):
        export(run)


def test_parameters_of_another_model_are_an_error(run):
    torch.save(nn.Linear(2, 2).state_dict(), run.path / "model.pt")
    with pytest.raises(ExportError, match="If its code has changed since, run it again"):
        export(run)


def test_data_that_has_gone_is_an_error(run):
    run.record["nodes"]["aggregator"] = "/nowhere"
    with pytest.raises(TutorialError, match="/nowhere"):
        export(run)


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_an_unfinished_run_is_refused(run, state, playground):
    run.update(state=state)
    finished = playground("export", run.path)
    assert finished.code == 2 and f"is {state}, not done: finish it with: playground resume" in finished.err
    assert not (run.path / "model.ts").exists()


# The model itself, where there is no Predictor


class Plain(nn.Module):
    """Take several arguments, some by name, in lists and dictionaries; and print, as one does while looking for a fault."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor, scale: float, extras: dict[str, list[torch.Tensor]]) -> torch.Tensor:
        print("forward")
        return self.linear(inputs) * scale + extras["shift"][0]


class Evaluated(nn.Module):
    """Run what TorchScript cannot compile, the same for every input."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, inputs, scales):
        return eval("self.linear(inputs)") * scales["a"]


class Deciding(nn.Module):
    """Do something else for batches whose sum is negative, in a way that TorchScript cannot compile."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, inputs):
        if (inputs.sum() * eval("1")).item() > 0:
            return self.linear(inputs)
        return self.linear(inputs) * 2


class OnePass(Tiny):
    """Train nothing, and test with the model of the class."""

    network: type[nn.Module] = Plain

    def build_model(self):
        torch.manual_seed(0)
        return self.network()

    def train_an_epoch(self): ...

    def answer(self, inputs):
        return self.model(inputs, 2.0, extras={"shift": [torch.ones(len(inputs), 2)]})

    @torch.no_grad()
    def run_test(self):
        self.model.eval()
        for inputs, labels in self.test_loader:
            self.log("test/correct", (self.answer(inputs).argmax(1) == labels).sum().item())


def finished(tmp_path: Path, **members) -> Run:
    """Return a finished run of a task whose class is in no importable module, as from a notebook."""
    task = type("Task", (OnePass,), {"__module__": "__main__", **members})
    data = write_data(tmp_path / "data", node1=8)
    return run_local(task(max_rounds=1), data, tmp_path / "run")


def test_the_model_itself_is_exported_as_the_test_calls_it_with_any_batch_size(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "write_onnx", write_nothing)  # ONNX takes a minute of its own
    run = finished(tmp_path)
    report = export(str(run.path))
    called = "Plain(float32[4, 4], 2.0, extras={shift: [float32[4, 2]]})"
    assert report["model"] == f"the model itself, called as run_test calls it: {called}" and report["inputs"] == 8
    assert report["torchscript"] == {"file": str(run.path / "model.ts"), "max_difference": 0.0}
    assert report["torch_export"] == {"file": str(run.path / "model.pt2"), "max_difference": pytest.approx(0, abs=1e-6)}
    program = torch.export.load(run.path / "model.pt2").module()
    model, script = Plain(), torch.jit.load(run.path / "model.ts")
    model.load_state_dict(torch.load(run.path / "model.pt"))
    for count in (1, 3, 9):
        given = torch.randn(count, 4), 2.0
        extras = {"shift": [torch.randn(count, 2)]}
        for exported_model in (program, script):
            assert torch.allclose(exported_model(*given, extras=extras), model(*given, extras=extras), atol=1e-6)


def test_a_model_that_cannot_be_compiled_is_traced_and_the_report_says_so(tmp_path, quick):
    def answer(self, inputs):
        return self.model(inputs, {"a": torch.full((len(inputs), 1), 3.0)})

    note = export(finished(tmp_path, network=Evaluated, answer=answer))["torchscript"]["note"]
    line = first_line_of(Evaluated.forward) + 1
    assert note.startswith(f"traced, because compiling failed ({__file__}, line {line}: ")


def first_line_of(function) -> int:
    """Return the number of the line of a function's `def`."""
    return inspect.getsourcelines(function)[1]


def decide(self, inputs):
    """Call the model with a batch whose sum is positive, and then with one whose sum is not."""
    self.called = getattr(self, "called", 0) + 1
    return self.model(inputs.abs() if self.called % 2 else -inputs.abs())


def test_a_trace_that_holds_for_the_first_batch_only_is_refused(tmp_path, quick):
    run = finished(tmp_path, network=Deciding, answer=decide)
    line = first_line_of(Deciding.forward) + 1
    with pytest.raises(ExportError) as caught:
        export(run)
    assert "predicts something else" in str(caught.value) and f"{__file__}, line {line} decides" in str(caught.value)
    assert not list(run.path.glob("*model.ts"))


def test_a_test_that_does_not_call_the_model_is_an_error_with_advice(tmp_path):
    run = finished(tmp_path, answer=lambda self, inputs: self.model.linear(inputs))
    with pytest.raises(ExportError, match=r"run_test of Task never calls self.model.*write a class Predictor"):
        export(run)


def test_a_test_that_fails_names_its_line(tmp_path):
    run = finished(tmp_path)
    run.record["nodes"]["aggregator"] = "/nowhere"
    with pytest.raises(TutorialError, match=r"schedulers.py, line \d+: FileNotFoundError.*/nowhere"):
        export(run)


# A run knows its target


def test_a_run_of_a_file_that_was_moved_is_exported_when_told_where_it_is(tmp_path, playground, quick):
    shutil.copy(Path(__file__).parents[1] / "schedulers.py", tmp_path / "my_schedulers.py")
    data = write_data(tmp_path / "data", node1=8)
    run = run_task(f"{tmp_path / 'my_schedulers.py'}:Tiny", data, num_rounds=1, out=tmp_path / "run")
    (tmp_path / "moved").mkdir()
    (tmp_path / "my_schedulers.py").rename(tmp_path / "moved/my_schedulers.py")
    lost = playground("export", run.path)
    assert lost.code == 2 and "my_schedulers.py" in lost.err and "say where it is with --target" in lost.err
    found = playground("export", run.path, "--target", tmp_path / "moved/my_schedulers.py:Tiny", "--json")
    assert found.code == 0 and found.json["torchscript"]["max_difference"] == 0
