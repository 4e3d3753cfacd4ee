"""The exported models stand alone and agree; what goes wrong is said and leaves no file behind."""

import re
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.export import ExportError, export, load_predictor
from alphamed_tutorials.runs.folder import Run, RunError


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
    """Leave out what takes seconds, where a test is about something else: ONNX, and a fresh Python for TorchScript."""

    def write(*_):
        raise NotImplementedError("left out")

    monkeypatch.setattr(exporting, "write_onnx", write)
    monkeypatch.setattr(exporting, "predict_elsewhere", lambda file, inputs: torch.jit.load(file)(inputs))


def all_inputs(run: Run) -> torch.Tensor:
    return find("mnist").module("data").sample_inputs(run.record["nodes"]["aggregator"], 10_000)


PREDICT = """
import sys
for name in ("alphamed_tutorials", "alphafed"):
    sys.modules[name] = None  # any import of it fails
import torch
inputs = torch.load("inputs.pt", weights_only=True)
torch.save([torch.jit.load(sys.argv[1])(part) for part in (inputs, inputs[:1])], "outputs.pt")
"""


def test_torchscript_predicts_the_same_in_a_fresh_python_without_us(exported, tmp_path):
    run = exported
    inputs = all_inputs(run)
    torch.save(inputs, tmp_path / "inputs.pt")
    subprocess.run([sys.executable, "-I", "-c", PREDICT, str(run.path / "model.ts")], cwd=tmp_path, check=True)
    outputs, first = torch.load(tmp_path / "outputs.pt", weights_only=True)
    with torch.no_grad():
        expected = load_predictor(run)[0](inputs)
    assert len(inputs) > 300 and outputs.shape == (len(inputs), 10)
    assert torch.equal(outputs, expected)
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
        outputs = exporting.predict_onnx(run.path / "model.onnx", inputs[:count])
        assert torch.allclose(outputs, expected[:count], atol=1e-5)
    assert not list(run.path.glob("*.data"))  # one file, easy to carry


def test_nothing_is_warned_of(chain):
    assert "Warning" not in chain["export"].stderr and "deprecated" not in chain["export"].stderr


def test_exporting_twice_gives_the_same(run, quick):
    reports, models = [], []
    for _ in range(2):
        reports.append(export(run))
        models.append(torch.jit.load(run.path / "model.ts").state_dict())
    assert reports[0] == reports[1] and reports[0]["torchscript"]["max_difference"] == 0
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_a_failing_onnx_is_reported_and_fails_nothing(run, quick):
    report = export(run)
    assert report["onnx"] == {"error": "NotImplementedError: left out"}
    assert (run.path / "model.ts").exists() and not list(run.path.glob("*model.onnx"))


def test_a_disagreeing_onnx_is_reported_and_not_kept(run, monkeypatch, quick):
    monkeypatch.setattr(exporting, "write_onnx", lambda predictor, inputs, file: file.write_text("onnx"))
    monkeypatch.setattr(exporting, "predict_onnx", lambda file, inputs: torch.zeros(len(inputs), 10))
    error = export(run)["onnx"]["error"]
    assert re.search("predicts something else: outputs differ by 0.*, for 20 of 20 inputs", error)
    assert not list(run.path.glob("*model.onnx"))


def test_a_failing_onnx_is_shown_by_the_command(playground, run, quick):
    finished = playground("export", run.path)
    assert finished.code == 0 and "NotImplementedError: left out" in finished.out


def test_a_model_may_say_how_much_onnx_may_round(run, monkeypatch, quick):
    monkeypatch.setattr(exporting, "write_onnx", lambda predictor, inputs, file: file.write_text("onnx"))
    monkeypatch.setattr(exporting, "predict_onnx", lambda file, inputs: load_predictor(run)[0](inputs) + 2e-5)
    assert "for 20 of 20 inputs" in export(run)["onnx"]["error"]
    monkeypatch.setattr(find("mnist").module("model").Predictor, "onnx_tolerance", 1e-4, raising=False)
    assert export(run)["onnx"]["max_difference"] == pytest.approx(2e-5, rel=0.1)


@pytest.mark.parametrize("wrong", [lambda outputs: outputs + 2e-5, lambda outputs: outputs * float("nan")])
def test_a_disagreeing_torchscript_model_is_an_error_and_not_kept(run, monkeypatch, quick, wrong):
    monkeypatch.setattr(exporting, "predict_elsewhere", lambda file, inputs: wrong(torch.jit.load(file)(inputs)))
    with pytest.raises(ExportError, match="predicts something else"):
        export(run)
    assert not list(run.path.glob("*model.ts"))


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


def test_an_example_without_a_predictor_is_an_error(run, monkeypatch):
    monkeypatch.delattr(find("mnist").module("model"), "Predictor")
    with pytest.raises(TutorialError, match="model.py defines no Predictor"):
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


def test_a_run_of_no_known_example_is_refused(run):
    run.update(example=None)
    with pytest.raises(RunError, match="does not say which example"):
        export(run)
