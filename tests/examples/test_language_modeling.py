"""The language model: what it may see, what travels, and that federation changes nothing else."""

import inspect
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
import torch
from contributions.language_modeling import WORDS
from watching import at_node

from alphamed_tutorials.examples.language_modeling import data as text_data
from alphamed_tutorials.examples.language_modeling.model import Predictor, TransformerModel
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.calls import Call
from alphamed_tutorials.runs.elsewhere import FreshPython
from alphamed_tutorials.runs.folder import Run

CENTRALISED = Path(__file__).parents[2] / "snippets" / "language_modeling" / "train_centralised.py"


@pytest.fixture(scope="module")
def small(make_small) -> Path:
    """Return a prepared data folder with one data owner and little text of 59 words, each with a favourite successor."""
    return make_small("language_modeling", 1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TransformerModel(WORDS, width=16, hidden=16)


# ---- leakage


@pytest.mark.parametrize("mode", ["train", "eval", "test"])
def test_no_score_sees_a_later_word(model, mode):
    """Torch computes attention in another way where nothing asks for gradients, as in a test."""
    model.train(mode == "train")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.MultiheadAttention):
            module.p = module.dropout = 0.0  # or two calls differ anyway
    tokens = torch.randint(0, 60, (4, 35))
    for place in (1, 17, 34):
        changed = tokens.clone()
        changed[:, place:] = (changed[:, place:] + 7) % 60
        with torch.set_grad_enabled(mode != "test"):
            before, after = model(tokens), model(changed)
        assert torch.allclose(before[:, :place], after[:, :place], atol=1e-6)
        assert not torch.allclose(before[:, place], after[:, place], atol=1e-3)


def test_no_gradient_flows_from_a_score_to_a_later_word(model):
    vectors = []
    model.eval()
    model.embedding.register_forward_hook(lambda module, inputs, output: vectors.append(output) or output.retain_grad())
    model(torch.randint(0, 60, (1, 35)))[0, 20].sum().backward()
    reached = vectors[0].grad[0].abs().sum(1) > 0
    assert reached[:21].all() and not reached[21:].any()


def test_a_word_knows_its_place(model):
    model.eval()
    scores = model(torch.full((1, 5), 3))[0]
    assert not torch.allclose(scores[1], scores[4], atol=1e-4)


# ---- the vocabulary travels


def test_the_words_travel_with_the_task(small, monkeypatch):
    monkeypatch.setattr(text_data, "read_words", lambda: pytest.fail("a node reads no vocabulary of its own"))
    received = cloudpickle.loads(cloudpickle.dumps(LanguageModelScheduler(words=WORDS)))
    received.data_dir = str(small / "nodes/node1")
    assert received.build_model().words == WORDS
    expected = text_data.encode(text_data.read_tokens(small / "nodes/node1/wiki.train.tokens"), WORDS)
    assert torch.equal(received.build_train_dataloader().dataset.tokens, expected) and expected.max() == 59


def test_the_example_brings_its_own_words():
    scheduler = LanguageModelScheduler()
    assert len(scheduler.words) == 4000 and scheduler.words[0] == "<unk>"
    assert len(set(scheduler.words)) == 4000


@pytest.mark.real_data
def test_vocabularies_of_three_nodes_share_hardly_an_index(shared_data):
    own = []
    for node in ("node1", "node2", "node3"):
        tokens = text_data.read_tokens(shared_data / "wikitext-2" / node / "wiki.train.tokens")
        own.append(text_data.build_vocabulary(tokens, 4000))
    assert {len(words) for words in own} == {4000}  # the shapes match: nothing errors
    shared = sum(len(set(words)) == 1 for words in zip(*own))
    assert shared < 30, shared
    assert len(set.intersection(*map(set, own))) > 2500  # though most words are the same


# ---- what is exchanged


def test_only_parameters_are_exchanged(model):
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
    assert dict(model.named_buffers())["position.table"].shape == (1000, 16)


# ---- perplexity


def test_unigram_perplexity_is_that_of_the_best_constant_answer():
    tokens = torch.tensor([0, 0, 0, 1, 1, 2])
    shares = torch.tensor([3, 2, 1]) / 6
    best = torch.nn.functional.cross_entropy(shares.log().repeat(6, 1), tokens).exp().item()
    assert text_data.unigram_perplexity(tokens) == pytest.approx(best)
    assert text_data.unigram_perplexity(torch.arange(50)) == pytest.approx(50)


def test_perplexity_counts_every_word_once_whatever_the_batches(small):
    values = []
    for batch_size in (2, 7, 100):
        task = LanguageModelScheduler(words=WORDS, batch_size=batch_size)
        scheduler = at_node(task, small / "nodes/aggregator")
        scheduler.run_test()
        values.append(scheduler.tb_writer.scalars["test/perplexity"])
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)


# ---- federated is centralised


def test_the_defaults_of_both_programs_are_the_same():
    defaults = inspect.signature(LanguageModelScheduler).parameters
    program = CENTRALISED.read_text()
    assert f"lr={defaults['learning_rate'].default}" in program
    assert (
        inspect.signature(text_data.build_dataloader).parameters["batch_size"].default == defaults["batch_size"].default
    )


# ---- the exported model


@pytest.fixture(scope="module")
def exported(export_learned) -> tuple[Run, dict]:
    """Return a run that has learned the favourite successors, and what its export said."""
    return export_learned("language_modeling")


def test_the_exported_model_agrees_and_carries_its_words(exported, tmp_path):
    run, report = exported
    assert report["torchscript"]["max_difference"] <= 1e-5 and report["onnx"]["max_difference"] <= 1e-5, report
    program = (
        "import sys, torch; model = torch.jit.load(sys.argv[1]); words = model.words\n"
        "assert model(torch.arange(5, 15).unsqueeze(0))[0].argmax() == 15, 'the favourite successor'\n"
        "text = torch.tensor([[words.index('the')]])\n"
        "assert abs(model(text).sum() - 1) < 1e-5"
    )
    subprocess.run([sys.executable, "-I", "-c", program, str(run.path / "model.ts")], check=True)


@pytest.fixture(scope="module")
def fresh_python():
    with FreshPython() as python:
        yield python


@pytest.mark.parametrize("form", ["model.ts", "model.pt2", "model.onnx"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 60)])
def test_texts_of_any_length_can_be_exported_models_input(exported, fresh_python, form, shape):
    run, _ = exported
    predictor, _ = exporting.load_predictor(run)
    torch.manual_seed(3)
    tokens = torch.randint(0, 60, shape)
    with torch.no_grad():
        expected = predictor(tokens)
    predict = exporting.predict_onnx if form == "model.onnx" else fresh_python.predict
    (answer,) = predict(run.path / form, [Call((tokens,), {})])
    assert torch.allclose(answer[0] if form == "model.onnx" else answer, expected, atol=1e-5)


def test_an_index_outside_the_vocabulary_is_the_unknown_word(model):
    predictor = Predictor(model).eval()
    with torch.no_grad():
        assert torch.equal(predictor(torch.tensor([[5, 60, -1]])), predictor(torch.tensor([[5, 0, 0]])))
