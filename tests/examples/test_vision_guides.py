"""What the guides on transfer learning and object detection say of the SDK and of the data is so."""

import io
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from recordings import recorded
from schedulers import Tiny
from torch import nn
from torchvision.io import read_image, write_png

from alphamed_tutorials.examples.object_detection import prepare as penn_fudan
from alphamed_tutorials.examples.object_detection.data import PedestrianDataset
from alphamed_tutorials.examples.object_detection.dataset_verify import DataError
from alphamed_tutorials.examples.object_detection.prepare import PENN_FUDAN, draw_pictures, read


class One(Tiny):
    """A network of one parameter, which is 1 on the aggregator."""

    def build_model(self):
        model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(model.weight)
        return model


class Copied(One):
    def state_dict(self):
        return {name: value.clone() for name, value in super().state_dict().items()}


def saved(value: float) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": torch.tensor([[value]])}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "mean"), [(One, 3.0), (Copied, 10 / 3)])
def test_copies_lose_the_zeroing_and_mix_the_old_parameters_into_the_sdks_mean(kind, mean):
    task = kind(max_rounds=1)
    task.id, task.gethered, task.push_log = "aggregator", ["a", "b", "c"], lambda _: None
    task.contractor = SimpleNamespace(notify_ready_for_aggregation=lambda round: None)
    task.data_channel = SimpleNamespace(batch_receive_stream=lambda **_: dict.fromkeys(task.gethered, saved(3.0)))
    task._process_aggregation()
    assert task.model.weight.item() == pytest.approx(mean)


def test_a_picture_that_marks_nobody_is_refused_when_it_is_read(tmp_path):
    folder = tmp_path / "PennFudanPed"
    folder.mkdir()
    draw_pictures(folder, 1)
    mask = str(folder / "PedMasks" / "DayPed00001_mask.png")
    write_png(torch.zeros_like(read_image(mask)), mask)
    with pytest.raises(DataError, match="DayPed00001_mask.png: marks nobody"):
        PedestrianDataset(tmp_path, train=True)[0]


def test_another_test_set_of_pennfudan_is_not_prepared(tmp_path, monkeypatch):
    names = [f"{place}Ped{number + 1:05}" for place, count in PENN_FUDAN.items() for number in range(count)]
    monkeypatch.setattr(penn_fudan, "check_folder", lambda folder: dict.fromkeys(names, 1))
    assert Counter(read(tmp_path, tmp_path)["test"]["labels"]) == {"Penn": 28, "Fudan": 22}
    names.sort(key=lambda name: name[-2:])  # as another order, or another generator, would deal them
    with pytest.raises(AssertionError, match="no longer"):
        read(tmp_path, tmp_path)


@pytest.mark.real_data
def test_each_university_has_in_the_test_set_the_share_that_it_has_in_the_whole(shared_data, tmp_path):
    samples = read(shared_data / "PennFudanPed", tmp_path)
    test = Counter(samples["test"]["labels"])
    whole = test + Counter(samples["train"]["labels"])
    assert (test, whole) == ({"Penn": 28, "Fudan": 22}, {"Penn": 96, "Fudan": 74})
    assert all(round(whole[place] * test.total() / whole.total()) == count for place, count in test.items())


def differences(experiment: str) -> dict[str, list[float]]:
    """Return the interval of federated less each other run of an experiment on transfer learning."""
    runs = recorded("transfer_learning", experiment)
    return {name: run["federated_less_this"] for name, run in runs.items() if name != "federated"}


def test_finetuning_is_worded_as_the_intervals_allow():
    found = differences("finetuned")
    assert all(low > 0 for low, _ in found.values()) and found["centralised"][0] < 0.01  # a small lead
    low, high = (found := differences("finetuned_skew"))["node1"]
    assert low < 0 < high and found["centralised"][1] < 0 < found["node2"][0]
    for experiment in ("finetuned", "finetuned_skew"):  # if there are more seeds one day, say what they say
        assert not any("more_seeds" in run for run in recorded("transfer_learning", experiment).values())


def test_a_frozen_backbone_is_worded_as_the_intervals_allow():
    assert all(low <= 0 <= high for low, high in differences("frozen").values())
    low, high = (found := differences("frozen_skew"))["centralised"]
    assert low < 0 < high and found["node1"][0] > 0 and found["node2"][0] > 0


def test_detection_is_worded_as_the_intervals_and_the_seeds_allow():
    runs = recorded("object_detection", "owners")
    seeds = {
        name: [run["metrics"]["test/box_ap50"][-1][1], *(seed["test/box_ap50"] for seed in run["more_seeds"])]
        for name, run in runs.items()
    }
    low, high = runs["centralised"]["federated_less_this"]
    assert low < 0 < high and all(fed < one for fed, one in zip(seeds["federated"], seeds["centralised"]))
    for node in ("node1", "node2", "node3"):
        assert runs[node]["federated_less_this"][0] > 0
        assert all(fed > alone for fed, alone in zip(seeds["federated"], seeds[node], strict=True))
    for run in runs.values():
        values = [value for _, value in run["metrics"]["test/box_ap50"]]
        assert values[-1] == max(values)
