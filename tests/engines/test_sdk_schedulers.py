"""The SDK's own schedulers, unchanged from the installed wheel: they finish, learn, and resume to the same end."""

import importlib
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import alphafed
import numpy as np
import pytest
import torch
import torch._dynamo  # the first optimizer imports it, which must not meet the stand-ins below
from PIL import Image
from torchvision.datasets import MNIST

from alphamed_tutorials.catalogue import TargetError, find
from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.runs.folder import Run, RunError

WHEEL = Path(alphafed.__file__).parent
ROUNDS = {"max_rounds": 2, "log_rounds": 1}
EPOCHS = {**ROUNDS, "merge_epochs": 4}
PRIVACY = {"w_cap": 40, "q": 1.0, "S": 1.0, "z": 0.0}
LOSS, BENCH_LOSS = "test_results/average_loss", "test/average_loss/Fed"

# Where a scheduler lies, its class and arguments, and the metric that has to fall.
SCHEDULERS = {
    "FedAvg, mock": ("docs/mock/scheduler", "DemoAvg", EPOCHS, LOSS),
    "FedAvg, model": ("examples/fed_avg/model/my_scheduler", "DemoFedAvg", EPOCHS, LOSS),
    "FedAvg, demos": ("alphafed.examples.fed_avg.demos", "DemoAvg", {**EPOCHS, "involve_aggregator": True}, LOSS),
    "FedSGD": ("alphafed.examples.fed_avg.demos", "DemoSGD", {"max_rounds": 3, "log_rounds": 1}, LOSS),
    "DP": ("alphafed.examples.fed_avg.demos", "DemoDP", {**EPOCHS, **PRIVACY}, LOSS),
    "FedProx, demos": ("alphafed.examples.fed_prox.demos", "DemoFedProxScheduler", EPOCHS, LOSS),
    "FedProx, model": ("examples/fed_prox/model/my_fed_prox_impl", "DemoFedProxScheduler", EPOCHS, LOSS),
    "benchmark, FedAvg": (
        "examples/benchmark/fed_avg_schd", "BenchFedAvg", {**ROUNDS, "dataset_client_ids": [1]}, BENCH_LOSS,
    ),
    "benchmark, FedProx": (
        "examples/benchmark/fed_prox_schd", "BenchFedProx", {**ROUNDS, "dataset_client_ids": [1]}, BENCH_LOSS,
    ),
}  # fmt: skip
# Those that bring messages of their own, or are no FedAvg at all.
REFUSED = {
    "fed_per": ("alphafed.examples.fed_per.demos", "DemoHomoFedPerScheduler", {}),
    "fed_md": ("alphafed.examples.fed_md.demos", "DemoHomoFedMDScheduler", None),
    "customized": ("alphafed.docs.customized_scheduler.scheduler", "SimpleFedAvgScheduler", None),
    "vertical": ("alphafed.hetero_nn", "HeteroNNHostScheduler", None),
}


class Table:
    """Stand in for pandas, which FedIRM reads its lists with."""

    def __init__(self, file):
        names, *self.rows = (line.split(",") for line in Path(file).read_text().splitlines())
        self.names, self.iloc = names, self

    def __getitem__(self, key):
        is_name = isinstance(key, str)
        return SimpleNamespace(
            values=np.array([row[self.names.index(key)] if is_name else row[1:] for row in self.rows])
        )


# Packages that files of the wheel import, and that nothing else here needs.
ABSENT = {
    "pandas": {"read_csv": Table},
    "imblearn": {},
    "imblearn.metrics": {"sensitivity_score": lambda *_: 0.0, "specificity_score": lambda *_: 0.0},
    "tenseal": {"CKKSTensor": object, "Context": object},
}


@pytest.fixture
def wheel(monkeypatch):
    """Return a function that imports a class of the wheel, also from a folder whose files import each other by name."""
    for name in ("net", "scheduler", "res_net", "train_res", "loss"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def load(place: str, name: str) -> type:
        folder, _, module = place.rpartition("/")
        if folder:
            monkeypatch.delitem(sys.modules, module, raising=False)
            monkeypatch.syspath_prepend(WHEEL / folder)
        with monkeypatch.context() as patched:
            for absent, members in ABSENT.items():
                patched.setitem(sys.modules, absent, SimpleNamespace(**members))
            return getattr(importlib.import_module(module), name)

    return load


@pytest.fixture
def digits(tmp_path, monkeypatch) -> None:
    """Let MNIST be forty pictures for training and twenty for a test: a square, whose place is the digit."""
    draw = np.random.default_rng(0)
    for prefix, count in (("train", 40), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = draw.integers(0, 40, (count, 28, 28), dtype=np.uint8)
        for picture, label in zip(pictures, labels):
            picture[4 + 10 * (label // 5) :, 5 * (label % 5) :][:8, :5] = 255
        header = struct.pack(">4i", 2051, count, 28, 28)
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(header + pictures.tobytes())
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    # each demonstration has a folder of its own for it, one of them /data
    monkeypatch.setattr(MNIST, "raw_folder", str(tmp_path))


def start(task, path: Path, **options) -> Run:
    return run_local(task, dict.fromkeys(("aggregator", "node1"), path.parent), path, **options)


def stop(event) -> None:
    if event["event"] == "training" and event["round"] == 2:
        raise KeyboardInterrupt


def run_twice(make, tmp_path) -> Run:
    """Run a task through, and again with a stop in round 2; both have to end alike."""
    expected = start(make(), tmp_path / "expected")
    with pytest.raises(KeyboardInterrupt):
        start(make(), tmp_path / "run", on_event=stop)
    run = resume_local(tmp_path / "run")
    assert run.state == expected.state == "done"
    assert untimed(run) == untimed(expected)
    assert "cannot be" not in (run.path / "events.jsonl").read_text()
    return run


def untimed(run: Run) -> list[tuple]:
    """Return the metrics of a run, without the seconds that were measured."""
    return [(*row[:3], str(row.value)) for row in run.rows if "run_time" not in row.name]  # NaN is to equal NaN


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_of_the_sdk_learns_and_resumes(wheel, digits, tmp_path, name):
    place, kind, arguments, metric = SCHEDULERS[name]
    run = run_twice(lambda: wheel(place, kind)(**arguments), tmp_path)
    assert (run.path / "model.pt").read_bytes() == (tmp_path / "expected" / "model.pt").read_bytes()
    losses = [row.value for row in run.rows if row.name.startswith(metric)]
    assert len(losses) == arguments["max_rounds"] and losses[-1] < losses[0]


def fed_irm_files(folder: Path) -> dict[str, str]:
    """Write two pictures and their list, and return FedIRM's arguments."""
    names = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    for number in range(2):
        Image.new("RGB", (8, 8), (120 * number, 0, 0)).save(folder / f"{number}.jpg")
    rows = [f"{number}," + ",".join(str(int(i == number)) for i in range(7)) for number in range(2)]
    (folder / "list.csv").write_text("\n".join([f"ImageID,{','.join(names)}", *rows]))
    return {"root_path": str(folder), **dict.fromkeys(("csv_file_train", "csv_file_test"), str(folder / "list.csv"))}


@pytest.mark.slow
def test_fed_irm_finishes_and_resumes(wheel, tmp_path):
    """Two pictures of each node show that it runs; whether it learns, they cannot."""
    files = fed_irm_files(tmp_path)
    run = run_twice(lambda: wheel("alphafed.examples.fed_avg.demo_FedIRM", "DemoFedIRM")(**files, **ROUNDS), tmp_path)
    assert "test_results/F1/MEL" in {row.name for row in run.rows}


def write_resource(folder: Path, network: torch.nn.Module) -> dict[str, Path]:
    """Write what an AutoFedAvg model is made of, and pictures for it: eight for training, four for a test."""
    places = {name: folder / name for name in ("resource", "pictures")}
    for place in places.values():
        place.mkdir()
    labels, files = (
        ["dark", "light"],
        {"entry_file": "auto.py", "entry_module": "", "entry_class": "", "param_file": "weights"},
    )
    numbers = {"learning_rate": 0.001, "batch_size": 4, "epochs": 2}
    maps = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    (places["resource"] / "config.json").write_text(json.dumps({**files, **numbers, **maps}))
    look = {"size": 32, "degrees": 5, "translate": [0.1, 0.1], "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (places["resource"] / "preprocessor_config.json").write_text(json.dumps(look))
    network.fc = torch.nn.Linear(network.fc.in_features, 2)
    torch.save(network.state_dict(), places["resource"] / "weights")
    annotations: dict = {"labels": labels, "Train": [], "Test": []}
    for number in range(12):
        kind = "Train" if number < 8 else "Test"
        Image.new("RGB", (32, 32), (200 * (number % 2),) * 3).save(places["pictures"] / f"{number}.png")
        annotations[kind].append({"path": f"{number}.png", "tags": [{"label": labels[number % 2]}]})
    (places["pictures"] / "annotation.json").write_text(json.dumps(annotations))
    return places


def auto_fed_avg(wheel, folder: Path) -> Callable[[], Any]:
    """Return what does what `fine_tune` does before it hands over to the platform."""
    module = "docs/tutorial/res/auto_model_fed_avg/auto_fed_avg"
    proxy_class, scheduler_class = wheel(module, "AutoResNetFedAvg"), sys.modules["auto_fed_avg"].ResNetFedAvgScheduler
    places = write_resource(folder, sys.modules["res_net"].ResNet18())

    def make():
        proxy = proxy_class(str(places["resource"]))
        proxy.dataset_dir = str(places["pictures"])
        proxy.scheduler = scheduler_class(auto_proxy=proxy, **EPOCHS)
        return proxy.scheduler

    return make


@pytest.mark.soak
def test_auto_fed_avg_keeps_its_network_when_it_is_resumed(wheel, tmp_path):
    run = run_twice(auto_fed_avg(wheel, tmp_path), tmp_path)
    losses = [row.value for row in run.rows if row.name == "test_results/avg_loss"]
    assert len(losses) == 2 and losses[1] < losses[0]
    weights = []
    for name in ("run", "expected"):
        with zipfile.ZipFile(tmp_path / name / "model.zip") as packed, packed.open("weights") as file:
            weights.append(torch.load(file))
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_fed_avg_is_refused_in_words_that_are_true(wheel, tmp_path, name):
    place, kind, arguments = REFUSED[name]
    scheduler = wheel(place, kind)
    if arguments is None:
        with pytest.raises(TargetError, match=f"{kind} is a scheduler of the SDK, but no FedAvgScheduler: ") as refused:
            find(scheduler)
    else:
        with pytest.raises(RunError, match=f"{kind} has a message protocol of its own, by .*: ") as refused:
            run_local(scheduler(**arguments), {}, tmp_path / "run")
    assert "`playground run` does only the rounds of FedAvg" in str(refused.value)
    assert ("submit()" if arguments is None else "`playground task create`") in str(refused.value)


def test_the_secure_one_is_said_to_start_nowhere(wheel, tmp_path):
    secure = wheel("alphafed.examples.fed_avg.demos", "DemoSecure")
    with pytest.raises(RunError, match="DemoSecure starts nowhere, .* compares a list with a number"):
        run_local(secure(t=2), {}, tmp_path / "run")


def test_a_file_with_other_schedulers_only_is_refused_by_their_name(tmp_path):
    file = tmp_path / "distilling.py"
    file.write_text(
        "from alphafed.scheduler import Scheduler\n\nclass Distilling(Scheduler):\n    def _run(self, *_, **__): ...\n"
    )
    with pytest.raises(TargetError, match=f"{file}: Distilling is a scheduler of the SDK, but no FedAvgScheduler"):
        find(file).scheduler_class
