"""The language model: what it may see, what travels, and that federation changes nothing else."""

import inspect
import math
import runpy
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
import torch
from watching import Writer

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.language_modeling import data as text_data
from alphamed_tutorials.examples.language_modeling.model import Predictor, TransformerModel
from alphamed_tutorials.examples.language_modeling.scheduler import LanguageModelScheduler
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.calls import Call

WORDS = ["<unk>", *(f"word{i}" for i in range(1, 60))]
CENTRALISED = Path(__file__).parents[1] / "snippets" / "language_modeling" / "train_centralised.py"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TransformerModel(WORDS, width=16, hidden=16)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a prepared data folder with one data owner and little text of 59 words, each with a favourite successor."""
    folder = tmp_path_factory.mktemp("small") / "data"
    generator = torch.Generator().manual_seed(0)
    for node, split, length in (("node1", "train", 3000), ("aggregator", "test", 900)):
        place = folder / "nodes" / node
        place.mkdir(parents=True)
        tokens, index = [], 1
        for draw in torch.rand(length, generator=generator).tolist():
            index = index % 59 + 1 if draw < 0.8 else int(draw * 1e6) % 59 + 1
            tokens.append(f"word{index}")
        (place / f"wiki.{split}.tokens").write_text(" ".join(tokens) + "\n")
    return folder


@pytest.fixture
def one_thread():
    """Train with as many threads here as in the engine: the last digits depend on it."""
    outer = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(outer)


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


def alone(data_dir, **settings):
    """Return a scheduler as it is on a node, without an engine."""
    scheduler = LanguageModelScheduler(words=WORDS, **settings)
    scheduler.data_dir, scheduler.current_round, scheduler.tb_writer = str(data_dir), 1, Writer()
    return scheduler


def test_perplexity_counts_every_word_once_whatever_the_batches(small):
    values = []
    for batch_size in (2, 7, 100):
        scheduler = alone(small / "nodes/aggregator", batch_size=batch_size)
        scheduler.run_test()
        assert not scheduler.model.training
        values.append(scheduler.tb_writer.scalars["test/perplexity"])
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)


def test_modes_are_right_when_training_follows_a_test(small, tmp_path):
    (tmp_path / "wiki.train.tokens").write_text((small / "nodes/aggregator/wiki.test.tokens").read_text())
    (tmp_path / "wiki.test.tokens").write_text((small / "nodes/aggregator/wiki.test.tokens").read_text())
    scheduler, seen = alone(tmp_path), []

    def look(module, inputs, output):
        seen.append((scheduler.phase, module.training, output.requires_grad))

    scheduler.model.register_forward_hook(look)
    for scheduler.phase in ("test", "train", "test again", "train again"):
        scheduler.run_test() if "test" in scheduler.phase else scheduler.train_an_epoch()
    assert list(dict.fromkeys(seen)) == [
        ("test", False, False), ("train", True, True), ("test again", False, False), ("train again", True, True),
    ]  # fmt: skip


# ---- federated is centralised


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("rounds", [1, 2])
def test_one_node_is_the_centralised_program(small, tmp_path, rounds):
    run = run_local(LanguageModelScheduler(max_rounds=rounds, seed=1), small, tmp_path / "run")
    train_centralised = runpy.run_path(str(CENTRALISED))["train_centralised"]
    model, perplexity = train_centralised(small / "nodes/node1", small / "nodes/aggregator", num_epochs=rounds, seed=1)
    federated = torch.load(run.path / "model.pt")
    assert list(federated) == list(model.state_dict())
    for name, value in model.state_dict().items():
        assert torch.equal(federated[name], value), name
    assert math.isclose(run.metrics["test/perplexity"], perplexity, rel_tol=1e-6)


def test_the_defaults_of_both_programs_are_the_same():
    defaults = inspect.signature(LanguageModelScheduler).parameters
    program = CENTRALISED.read_text()
    assert f"lr={defaults['learning_rate'].default}" in program
    assert (
        inspect.signature(text_data.build_dataloader).parameters["batch_size"].default == defaults["batch_size"].default
    )


# ---- it learns, and the exported model agrees


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("learned") / "run"
    task = LanguageModelScheduler(max_rounds=4, merge_epochs=4, words=WORDS, seed=1)
    run = run_local(task, small, path, target="language_modeling")
    return run, exporting.export(run)


def test_it_learns_what_no_unigram_can(exported):
    run, _ = exported
    assert run.metrics["test/perplexity"] < 0.5 * run.metrics["test/unigram_perplexity"]
    assert run.metrics["test/perplexity"] > 2.5  # 80 % sure of one word, the rest is chance: lower would be leakage


def test_the_exported_model_agrees_and_carries_its_words(exported, tmp_path):
    run, report = exported
    assert report["torchscript"]["max_difference"] <= 1e-5 and report["onnx"]["max_difference"] <= 1e-5, report
    program = (
        "import sys, torch; model = torch.jit.load(sys.argv[1]); words = model.words\n"
        "text = torch.tensor([[words.index(f'word{i}') for i in range(5, 15)]])\n"
        "assert words[model(text)[0].argmax()] == 'word15'\n"
        "assert abs(model(text).sum() - 1) < 1e-5"
    )
    subprocess.run([sys.executable, "-I", "-c", program, str(run.path / "model.ts")], check=True)


@pytest.mark.parametrize("form", ["model.ts", "model.pt2", "model.onnx"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 60)])
def test_texts_of_any_length_can_be_exported_models_input(exported, form, shape):
    run, _ = exported
    predictor, _ = exporting.load_predictor(run)
    torch.manual_seed(3)
    tokens = torch.randint(0, 60, shape)
    with torch.no_grad():
        expected = predictor(tokens)
    predict = exporting.predict_onnx if form == "model.onnx" else exporting.predict_elsewhere
    (answer,) = predict(run.path / form, [Call((tokens,), {})])
    assert torch.allclose(answer[0] if form == "model.onnx" else answer, expected, atol=1e-5)


def test_an_index_outside_the_vocabulary_is_the_unknown_word(model):
    predictor = Predictor(model).eval()
    with torch.no_grad():
        assert torch.equal(predictor(torch.tensor([[5, 60, -1]])), predictor(torch.tensor([[5, 0, 0]])))
