"""What can go wrong when spoken words are learned federated, one test each; and that one node is plain training."""

import random
import runpy
from pathlib import Path

import pytest
import torch
from torch import nn
from watching import Writer

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.speech_commands import data, synthesiser
from alphamed_tutorials.examples.speech_commands.model import M5, MODEL_RATE, RECORDED_RATE, WORDS, Predictor
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler
from alphamed_tutorials.runs.metrics import details

SNIPPETS = Path(__file__).parents[1] / "snippets" / "speech_commands"


@pytest.fixture(autouse=True)
def one_thread():
    """Train with as many threads here as in the engine: the last digits depend on it."""
    outer = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(outer)


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Return a folder with every word of a few voices."""
    folder = tmp_path_factory.mktemp("voices") / "source"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthesiser, "SPEAKERS", 20)
        patch.setattr(synthesiser, "TAKES", 2)
        synthesiser.speak_all(folder)
    return folder


def deal(voices, out, nodes, partition="owners"):
    prepare(find("speech_commands"), out, nodes, voices, Partition.parse(partition), 1)
    return out


@pytest.fixture(scope="module")
def three(voices, tmp_path_factory):
    """Return a prepared folder of three owners."""
    return deal(voices, tmp_path_factory.mktemp("three") / "data", 3)


@pytest.fixture(scope="module")
def trained(three, tmp_path_factory):
    """Return a run that learned something."""
    task = SpeechCommandsScheduler(max_rounds=6, merge_epochs=4, seed=1)
    return run_local(task, three, tmp_path_factory.mktemp("trained") / "run", 1, target="speech_commands")


def state_of(run):
    return torch.load(run.path / "model.pt", weights_only=True)


def alone(data_dir, **settings):
    """Return a scheduler as it is on a node, without an engine."""
    task = SpeechCommandsScheduler(**{"max_rounds": 4, "seed": 1, **settings})
    task.data_dir, task.current_round, task.tb_writer = str(data_dir), 1, Writer()
    return task


# ---- equivalence


@pytest.mark.parametrize("rounds", [1, 2])
def test_one_node_is_the_centralised_program(voices, tmp_path, rounds):
    place = deal(voices, tmp_path / "data", 1)
    run = run_local(SpeechCommandsScheduler(max_rounds=rounds, merge_epochs=1, seed=1), place, tmp_path / "run")
    train_centralised = runpy.run_path(str(SNIPPETS / "train_centralised.py"))["train_centralised"]
    nodes = place / "nodes"
    model, accuracy = train_centralised(nodes / "node1", nodes / "aggregator", num_epochs=rounds, seed=1)
    for name, value in model.state_dict().items():
        assert torch.equal(state_of(run)[name], value), name
    assert run.metrics["test/accuracy"] == accuracy


# ---- hazards


def test_it_learns_and_the_same_seed_gives_the_same_model(three, trained, tmp_path):
    assert trained.metrics["test/accuracy"] > 0.5  # chance: 0.1
    task = SpeechCommandsScheduler(max_rounds=6, merge_epochs=4, seed=1)
    again = run_local(task, three, tmp_path / "again", 1)
    assert all(torch.equal(value, state_of(again)[name]) for name, value in state_of(trained).items())


def test_batch_norm_buffers_travel(three, trained, tmp_path):
    without = runpy.run_path(str(SNIPPETS / "leave_out_buffers.py"), run_name="test")["WithoutBuffers"]
    run = run_local(without(max_rounds=6, merge_epochs=4, seed=1), three, tmp_path / "run", 1)
    assert run.metrics["test/accuracy"] < 0.3 < trained.metrics["test/accuracy"]
    assert {name for name in state_of(trained) if "running" in name} == {
        f"bn{i}.running_{kind}" for i in (1, 2, 3, 4) for kind in ("mean", "var")
    }
    assert not torch.equal(state_of(trained)["bn1.running_mean"], torch.zeros(32))


def test_batch_norm_keeps_a_momentum_so_that_the_truncated_counter_does_no_harm():
    assert all(module.momentum is not None for module in M5().modules() if isinstance(module, nn.BatchNorm1d))


@pytest.mark.parametrize("missing", ["down", "stop"])
def test_labels_do_not_depend_on_a_node_s_own_folders(voices, tmp_path, missing):
    node = deal(voices, tmp_path / "data", 1) / "nodes" / "node1"
    for path in (node / missing).iterdir():
        path.unlink()
    (node / missing).rmdir()
    for path, label in data.find_clips(node, train=True):
        assert WORDS[label] == path.parent.name
    assert M5().fc1.out_features == 10


def test_a_test_leaves_the_model_as_it_is_and_says_the_same_twice(three):
    task = alone(three / "nodes" / "aggregator")
    before, outputs = {name: value.clone() for name, value in task.model.state_dict().items()}, []
    task.model.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    task.run_test()
    first = dict(task.tb_writer.scalars)
    task.run_test()
    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())
    assert first == task.tb_writer.scalars
    assert outputs and not any(output.requires_grad for output in outputs)


def test_a_clip_s_answer_does_not_depend_on_its_neighbours(three, trained):
    task = alone(three / "nodes" / "aggregator")
    task.model.load_state_dict(state_of(trained))
    task._test_loader = data.build_dataloader(task.data_dir, train=False, batch_size=7)
    task.run_test()
    assert task.tb_writer.scalars["test/accuracy"] == trained.metrics["test/accuracy"]


def test_training_goes_on_in_training_mode_after_a_test(three):
    task = alone(three / "nodes" / "node1")
    task.model.eval()
    counter = task.model.bn1.num_batches_tracked.item()
    task.train_an_epoch()
    assert task.model.bn1.num_batches_tracked.item() == counter + len(task.train_loader)


def test_the_learning_rate_follows_the_round_not_the_calls(three):
    task = alone(three / "nodes" / "node1", merge_epochs=2)
    found = []
    for number in (1, 1, 2, 3, 4):
        task.current_round = number
        task.train_an_epoch()
        found.append(task.optimizer.param_groups[0]["lr"] / 0.005)
    assert found == pytest.approx([1, 1, 0.8536, 0.5, 0.1464], abs=1e-4)


def test_adam_s_memory_survives_the_rounds(three):
    task = alone(three / "nodes" / "node1")
    task.train_an_epoch()
    steps = next(iter(task.optimizer.state.values()))["step"].item()
    task.current_round = 2
    task.train_an_epoch()
    assert next(iter(task.optimizer.state.values()))["step"].item() == 2 * steps > 0


def test_only_training_clips_are_changed_by_augmentation(three):
    task = alone(three / "nodes" / "aggregator")
    first, second = (next(iter(task.build_test_dataloader()))[0] for _ in range(2))
    assert torch.equal(first, second)
    clip = data.read_clip(data.find_clips(task.data_dir, train=False)[0][0])
    assert torch.equal(first[0, 0], data.resample(clip / 32768, RECORDED_RATE, MODEL_RATE))


def test_augmentation_moves_clips_and_draws_from_torch_alone():
    waveforms = torch.zeros(64, 1, 8000)
    waveforms[:, :, 4000] = 1
    torch.manual_seed(0)
    outside = random.getstate()
    changed = data.augment(waveforms)
    torch.manual_seed(0)
    assert torch.equal(changed, data.augment(waveforms)) and random.getstate() == outside
    places = changed[:, 0].argmax(1)
    assert changed.shape == waveforms.shape and changed.isfinite().all()
    assert places.min() < 3500 and places.max() > 4500 and (places - 4000).abs().max() < 1000


def test_augmentation_can_leave_a_clip_alone(monkeypatch):
    monkeypatch.setattr(
        torch, "rand", lambda *shape: torch.cat([torch.full((3, *shape[1:]), 0.5), torch.zeros(1, *shape[1:])])
    )
    waveforms = torch.randn(2, 1, 8000)
    assert torch.allclose(data.augment(waveforms), waveforms, atol=1e-5)


def test_the_predictor_resamples_and_scales_as_training_does(three, trained):
    model = M5()
    model.load_state_dict(state_of(trained))
    predictor = Predictor(model).eval()
    clips = data.find_clips(three / "nodes" / "aggregator", train=False)
    dataset = data.WordDataset(three / "nodes" / "aggregator", train=False)
    with torch.no_grad():
        probabilities = predictor(torch.stack([data.read_clip(path) for path, _ in clips]))
        tested = model(dataset.waveforms.unsqueeze(1)).exp()
    labels = torch.tensor([label for _, label in clips])
    assert torch.equal(labels, dataset.labels) and torch.allclose(probabilities, tested, atol=1e-4)
    assert torch.allclose(probabilities.sum(1), torch.ones(len(clips)))
    assert (probabilities.argmax(1) == labels).float().mean().item() == pytest.approx(trained.metrics["test/accuracy"])


def test_nothing_but_the_network_travels(trained):
    assert set(state_of(trained)) == set(M5().state_dict())
    assert all(value.dtype != torch.bool for value in state_of(trained).values())
    assert 100_000 < trained.record["bytes_per_message"] < 120_000


def test_the_confusion_matrix_counts_every_test_clip_in_its_row(three, trained):
    found = details(trained.rows)
    assert len(found) == 100
    clips = data.find_clips(three / "nodes" / "aggregator", train=False)
    for number, said in enumerate(WORDS):
        row = [found[f"test/confusion/{said}/{heard}"] for heard in WORDS]
        assert sum(row) == sum(label == number for _, label in clips)
    right = sum(found[f"test/confusion/{word}/{word}"] for word in WORDS)
    assert right / len(clips) == pytest.approx(trained.metrics["test/accuracy"])


def test_the_sounds_on_the_pages_are_the_embedded_voices(tmp_path):
    synthesiser.speak_all(tmp_path)
    shown = sorted((Path(__file__).parents[1] / "docs/assets/speech_commands").glob("*.wav"))
    assert len(shown) == 4
    for path in shown:
        word, name = path.name.split("-")
        difference = data.read_clip(path).int() - data.read_clip(tmp_path / word / name)
        assert difference.abs().max() <= 2  # another machine may round another way
