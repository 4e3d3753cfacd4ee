"""The models in the page are those of the recorded runs, and the runtime is the published one."""

import base64
import hashlib
import json
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mkdocs.exceptions import PluginError
from recordings import recorded

import record_try
import try_it
import try_it_html
from alphamed_tutorials.data.folders import AGGREGATOR, find_nodes
from alphamed_tutorials.examples.mnist.model import ConvNet, Predictor
from alphamed_tutorials.examples.mnist.prepare import load_folder
from alphamed_tutorials.runs.folder import Run
from pages import LANGUAGES, ROOT

FOLDER = ROOT / "docs/results/mnist"
RECORDED = json.loads((FOLDER / "try.json").read_text("utf-8"))
RUNS = recorded("mnist", "label_skew")
RUNTIME = ROOT / "docs/assets/onnxruntime"
PUBLISHED = {  # onnxruntime-web 1.30.0 on npm, files of `dist`
    "ort.wasm.bundle.min.js": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",  # there *.mjs
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
each_model = pytest.mark.parametrize("name", RECORDED["models"])


def pixels() -> np.ndarray:
    texts = [base64.b64decode(digit["pixels"]) for digit in RECORDED["digits"]]
    return np.stack([np.frombuffer(text, np.uint8).reshape(28, 28) for text in texts])


def expected(name: str) -> np.ndarray:
    return np.array([digit["answers"][name] for digit in RECORDED["digits"]])


def answer(name: str, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    return found


def test_the_runtime_is_the_published_one():
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in try_it.runtime_files(ROOT)}
    assert found == PUBLISHED
    notice = (ROOT / "NOTICE").read_text("utf-8")
    assert "ONNX Runtime Web v1.30.0" in (RUNTIME / "ort.wasm.bundle.min.js").read_text("utf-8")[:200]
    assert "docs/assets/onnxruntime/" in notice and "onnxruntime-web 1.30.0" in notice
    assert "MIT License" in (RUNTIME / "LICENSE").read_text("utf-8")


def test_there_is_a_model_for_each_recorded_run_and_nothing_of_the_machine_in_it():
    assert set(RECORDED["models"]) == set(RUNS) == {file.stem for file in FOLDER.glob("*.onnx")}
    for file in FOLDER.glob("*.onnx"):
        assert b"/src/" not in file.read_bytes() and onnx.load(file).graph.doc_string == ""


@each_model
def test_onnxruntime_answers_what_was_recorded(name):
    assert np.abs(answer(name, pixels()) - expected(name)).max() <= 1e-5


@each_model
def test_torch_answers_it_with_the_model_s_parameters(name):
    stored = onnx.load(FOLDER / f"{name}.onnx").graph.initializer
    parameters = {each.name: torch.tensor(onnx.numpy_helper.to_array(each)) for each in stored}
    predictor = Predictor(ConvNet()).eval()
    predictor.load_state_dict({key: parameters[key] for key in predictor.state_dict()})
    with torch.no_grad():
        found = predictor(torch.tensor(pixels())).numpy()
    assert np.abs(found - expected(name)).max() <= 1e-6


@pytest.mark.real_data
@each_model
def test_the_model_is_right_on_exactly_the_recorded_test_digits(name, shared_data):
    _, (images, labels) = load_folder(shared_data / "mnist")
    right = "".join(str(int(found)) for found in answer(name, images).argmax(1) == labels)
    assert right == RUNS[name]["outcomes"]
    assert right.count("1") / len(labels) == RUNS[name]["metrics"]["test/accuracy"][-1][1]


@pytest.mark.real_data
def test_the_recorded_digits_are_the_first_of_the_test_data(shared_data):
    _, (images, labels) = load_folder(shared_data / "mnist")
    count = len(RECORDED["digits"])
    assert (pixels() == images[:count]).all()
    assert [digit["label"] for digit in RECORDED["digits"]] == labels[:count].tolist()


def test_a_digit_never_seen_is_always_taken_for_another_as_the_page_says():
    experiment = record_try.recorded()
    never = [
        RUNS[node]["by_class"][digit]
        for node, splits in experiment["counts"].items()
        for digit, count in splits.get("train", {}).items()
        if count == 0
    ]
    assert len(never) == 4 and set(never) == {0.0}


def test_models_that_end_elsewhere_than_recorded_are_not_written(tmp_path):
    experiment = {"nodes": 2, "rounds": 1, "partition": "iid", "seed": 1, "runs": [{"name": "node1", "outcomes": "0"}]}
    with pytest.raises(SystemExit, match="node1 ends elsewhere than recorded"):
        record_try.repeat(experiment, None, tmp_path / "runs")


def test_what_is_written_are_the_run_s_model_and_its_answers(finished_run, tmp_path):
    test_data = find_nodes(finished_run / "data")[AGGREGATOR]
    digits = record_try.write({"federated": Run.open(finished_run)}, test_data, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "federated.onnx")
    images = np.stack([np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8) for digit in digits])
    (found,) = session.run(None, {session.get_inputs()[0].name: images.reshape(-1, 28, 28)})
    assert len(digits) == record_try.DIGITS
    assert np.abs(found - [digit["answers"]["federated"] for digit in digits]).max() <= 1e-5
    assert str(ROOT).encode() not in (tmp_path / "federated.onnx").read_bytes()


def test_a_page_that_asks_for_what_was_not_recorded_fails():
    config = SimpleNamespace(
        config_file_path=str(ROOT / "mkdocs.yml"), extra={"results_dir": "docs/results"}, theme={"language": "en"}
    )
    page = SimpleNamespace(url="guides/page.html", file=SimpleNamespace(src_uri="guides/page.md"))
    for asked, complaint in (("mnist/none", "no experiment 'none'"), ("speech_commands/iid", "try.json")):
        with pytest.raises(PluginError, match=complaint):
            try_it.on_page_markdown(f"{{{{ try-it: {asked} }}}}", page, config, None)


def test_both_languages_say_the_same_things():
    chinese, english = (try_it_html.WORDS[language] for language in LANGUAGES)
    assert chinese.keys() == english.keys()
    assert [name for name in chinese if chinese[name].count("{}") != english[name].count("{}")] == []


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"0": 0, "1": 50, "2": 3}, "Never saw 0; of 2 only 3 images"),
        ({"0": 0, "1": 0, "2": 50}, "Never saw 0, 1"),
        ({"0": 10, "1": 50, "2": 50}, "Saw all ten digits"),
    ],
)
def test_a_card_says_what_its_model_never_saw(counts, said):
    assert try_it_html.seen(counts, try_it_html.WORDS["en"]) == said


def test_a_run_on_all_data_has_seen_what_its_owners_have():
    experiment = {"counts": {"aggregator": {"test": {"0": 9}}, "node1": {"train": {"0": 1, "1": 2}}, "node2": {"train": {"0": 3, "1": 0}}}}  # fmt: skip
    assert try_it_html.training_counts(experiment, "federated") == {"0": 4, "1": 2}
    assert try_it_html.training_counts(experiment, "node2") == {"0": 3, "1": 0}
