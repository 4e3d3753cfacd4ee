"""What can go wrong when spoken words are learned federated, one test each."""

import random
import runpy
import shutil
from pathlib import Path

import pytest
import torch
from tasks import state_of
from torch import nn
from watching import at_node

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.speech_commands import data, synthesiser
from alphamed_tutorials.examples.speech_commands.model import M5, MODEL_RATE, RECORDED_RATE, WORDS, Predictor
from alphamed_tutorials.examples.speech_commands.scheduler import SpeechCommandsScheduler
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.metrics import details

SNIPPETS = Path(__file__).parents[2] / "snippets" / "speech_commands"


@pytest.fixture(scope="module")
def data_dir(make_small) -> Path:
    """Return the nodes' folders of a prepared data folder with two owners."""
    return make_small("speech_commands") / "nodes"


@pytest.fixture(scope="module")
def trained(learn) -> Run:
    """Return a run that has learned something."""
    return learn("speech_commands")


def alone(folder: Path, **settings) -> SpeechCommandsScheduler:
    """Return a scheduler as it is on a node, without an engine."""
    return at_node(SpeechCommandsScheduler(**{"max_rounds": 4, "seed": 1, **settings}), folder)


def test_batch_norm_buffers_travel(data_dir, trained, tmp_path):
    without = runpy.run_path(str(SNIPPETS / "leave_out_buffers.py"), run_name="test")["WithoutBuffers"]
    run = run_local(without(max_rounds=6, merge_epochs=4, seed=1), data_dir.parent, tmp_path / "run", 1)
    assert run.metrics["test/accuracy"] < trained.metrics["test/accuracy"] - 0.3
    assert {name for name in state_of(trained) if "running" in name} == {
        f"bn{i}.running_{kind}" for i in (1, 2, 3, 4) for kind in ("mean", "var")
    }
    assert not torch.equal(state_of(trained)["bn1.running_mean"], torch.zeros(32))


def test_batch_norm_keeps_a_momentum_so_that_the_truncated_counter_does_no_harm():
    assert all(module.momentum is not None for module in M5().modules() if isinstance(module, nn.BatchNorm1d))


@pytest.mark.parametrize("missing", ["down", "stop"])
def test_labels_do_not_depend_on_a_node_s_own_folders(data_dir, tmp_path, missing):
    node = shutil.copytree(data_dir / "node1", tmp_path / "node1")
    for path in (node / missing).iterdir():
        path.unlink()
    (node / missing).rmdir()
    for path, label in data.find_clips(node, train=True):
        assert WORDS[label] == path.parent.name
    assert M5().fc1.out_features == 10


def test_a_clip_s_answer_does_not_depend_on_its_neighbours(data_dir, trained):
    task = alone(data_dir / "aggregator")
    task.model.load_state_dict(state_of(trained))
    task._test_loader = data.build_dataloader(task.data_dir, train=False, batch_size=7)
    task.run_test()
    assert task.tb_writer.scalars["test/accuracy"] == trained.metrics["test/accuracy"]


def test_the_learning_rate_follows_the_round_not_the_calls(data_dir):
    task = alone(data_dir / "node1", merge_epochs=2)
    found = []
    for number in (1, 1, 2, 3, 4):
        task.current_round = number
        task.train_an_epoch()
        found.append(task.optimizer.param_groups[0]["lr"] / 0.005)
    assert found == pytest.approx([1, 1, 0.8536, 0.5, 0.1464], abs=1e-4)


def test_only_training_clips_are_changed_by_augmentation(data_dir):
    task = alone(data_dir / "aggregator")
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


def test_the_predictor_resamples_and_scales_as_training_does(data_dir, trained):
    model = M5()
    model.load_state_dict(state_of(trained))
    predictor = Predictor(model).eval()
    clips = data.find_clips(data_dir / "aggregator", train=False)
    dataset = data.WordDataset(data_dir / "aggregator", train=False)
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


def test_the_confusion_matrix_counts_every_test_clip_in_its_row(data_dir, trained):
    found = details(trained.rows)
    assert len(found) == 100
    clips = data.find_clips(data_dir / "aggregator", train=False)
    for number, said in enumerate(WORDS):
        row = [found[f"test/confusion/{said}/{heard}"] for heard in WORDS]
        assert sum(row) == sum(label == number for _, label in clips)
    right = sum(found[f"test/confusion/{word}/{word}"] for word in WORDS)
    assert right / len(clips) == pytest.approx(trained.metrics["test/accuracy"])


def test_the_sounds_on_the_pages_are_the_embedded_voices(tmp_path):
    synthesiser.speak_all(tmp_path)
    shown = sorted((Path(__file__).parents[2] / "docs/assets/speech_commands").glob("*.wav"))
    assert len(shown) == 4
    for path in shown:
        word, name = path.name.split("-")
        difference = data.read_clip(path).int() - data.read_clip(tmp_path / word / name)
        assert difference.abs().max() <= 2  # another machine may round another way
