"""Small data and small runs of each example, made once."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import watching
from contributions import contribution_of
from tasks import build

from alphamed_tutorials.catalogue import Target, find, find_all
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.runs.export import export
from alphamed_tutorials.runs.folder import Run


@pytest.fixture(autouse=True)
def one_thread():
    """Train with as many threads here as in the engine: the last digits depend on it."""
    watching.SEEN.clear()
    outer = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(outer)


@pytest.fixture(scope="session", params=find_all(), ids=lambda example: example.name)
def example(request) -> Target:
    """Each example that is discovered."""
    return request.param


@pytest.fixture(scope="session")
def make_small(once) -> Callable[..., Path]:
    """Return a function that gives an example's small prepared data folder, the same one for all tests."""

    def make(name: str, num_nodes: int = 2, partition: str = "iid") -> Path:
        source = contribution_of(name).make_source
        place = once(f"{name}-source", source) if source else None
        label = f"{name}-{num_nodes}-{partition.replace(':', '-')}"
        return once(label, lambda folder: prepare(name, folder, num_nodes, partition, place, seed=1))

    return make


@pytest.fixture(scope="session")
def small(make_small, example) -> Path:
    """Small data of an example over two owners."""
    return make_small(example.name)


@pytest.fixture(scope="session")
def finished(once, example, small) -> Run:
    """Return a run of two rounds over two owners."""
    make = lambda folder: run_local(build(example), small, folder, seed=1, target=example.name)  # noqa: E731
    return Run.open(once(f"{example.name}-finished", make))


@pytest.fixture(scope="session")
def learn(once, make_small) -> Callable[[str], Run]:
    """Return a function that gives an example's run that has learned something, the same one for all tests."""

    def train(name: str) -> Run:
        settings = dict(contribution_of(name).learning)
        task = find(name).build_scheduler(settings.pop("max_rounds", 5), 1, settings)
        data = make_small(name)
        return Run.open(once(f"{name}-learned", lambda folder: run_local(task, data, folder, seed=1, target=name)))

    return train


@pytest.fixture(scope="session")
def export_learned(once, learn) -> Callable[[str], tuple[Run, dict]]:
    """Return a function that gives such a run exported, and the report of it."""

    def export_run(name: str) -> tuple[Run, dict]:
        def make(folder: Path) -> None:
            shutil.copytree(learn(name).path, folder / "run")
            (folder / "report.json").write_text(json.dumps(export(Run.open(folder / "run"))))

        folder = once(f"{name}-exported", make)
        return Run.open(folder / "run"), json.loads((folder / "report.json").read_text())

    return export_run
