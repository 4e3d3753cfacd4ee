"""What the engine's parts owe to each other and to the SDK."""

import logging
import threading
from pathlib import Path

import alphafed.fed_avg.fed_avg as sdk
import alphafed.fs
import psutil
import pytest
import torch
from alphafed.fed_avg import DPFedAvgScheduler, FedSGDScheduler
from alphafed.fed_prox import FedProxScheduler
from schedulers import Tiny, TinyTask, read_samples, write_data
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from alphamed_tutorials.engines.kept import REBUILT
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.workplace import Workplace

# What `_setup_context` sets and a resumed run takes from its checkpoint.
CARRIED = {"_model", "_optimizer", "is_initiator", "is_aggregator", "participants", "_w_ks"}


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a prepared data folder with one data owner."""
    return write_data(tmp_path / "data", node1=8)


class SGD(TinyTask, FedSGDScheduler):
    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=8)


class Prox(TinyTask, FedProxScheduler):
    pass


class DP(TinyTask, DPFedAvgScheduler):
    train_an_epoch = DPFedAvgScheduler.train_an_epoch

    def train_a_batch(self, inputs, labels):
        self.optimizer.step()


TASKS = [Tiny(), SGD(), Prox(mu=1), DP(w_cap=1, q=1.0, S=1.0, z=0.0, involve_aggregator=True)]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_resume_knows_every_name_that_the_sdks_set_up_sets(data, tmp_path, monkeypatch, task):
    def look(self, **arguments):
        before = vars(self).copy()
        set_up(self, **arguments)
        missing = object()
        changed.update(name for name, value in vars(self).items() if before.get(name, missing) is not value)

    changed: set[str] = set()
    set_up = type(task)._setup_context
    monkeypatch.setattr(type(task), "_setup_context", look)
    task.max_rounds = 1
    run_local(task, data, tmp_path / "run")
    assert changed and changed <= REBUILT | CARRIED, "decide whether a resumed run makes it anew or carries it on"
    assert {"_model", "_optimizer", "tb_writer", "contractor"} <= changed


def test_thread_of_the_users_code_belongs_to_its_node(data, tmp_path):
    class Threaded(Tiny):
        def train_an_epoch(self):
            def work():
                logging.getLogger("app").info("from a thread")
                found.append(alphafed.fs.get_root_dir("any"))

            found: list[str] = []
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert Path(found[0]).name == self.node
            super().train_an_epoch()

    run = run_local(Threaded(max_rounds=1), data, tmp_path / "run")
    assert "from a thread" in (run.path / "logs" / "node1.log").read_text()
    assert "from a thread" not in (run.path / "logs" / "aggregator.log").read_text()


def test_log_goes_on_after_user_code_cleared_the_handlers(data, tmp_path):
    class Clearing(Tiny):
        def train_an_epoch(self):
            logging.getLogger().handlers.clear()
            super().train_an_epoch()

    handlers, level = logging.getLogger().handlers.copy(), logging.getLogger().level
    try:
        run = run_local(Clearing(max_rounds=2), data, tmp_path / "run")
    finally:
        logging.getLogger().handlers[:] = handlers
    assert logging.getLogger().level == level
    assert (run.path / "logs" / "aggregator.log").read_text().count("logs test/correct") == 2


def test_outside_of_a_run_the_sdk_is_as_it_was(tmp_path):
    assert alphafed.fs.get_root_dir("task") == "/data/alphamed-federated/task"
    with pytest.raises(AssertionError):
        alphafed.fs.get_root_dir()
    writer = sdk.SummaryWriter(log_dir=str(tmp_path))
    assert type(writer) is SummaryWriter
    writer.close()


def test_add_scalars_are_metrics_too(data, tmp_path):
    class Several(Tiny):
        def run_test(self):
            self.tb_writer.add_scalars("test", {"a": 1, "b": torch.tensor(2.0)}, self.current_round)

    run = run_local(Several(max_rounds=1), data, tmp_path / "run")
    assert (run.metrics["test/a"], run.metrics["test/b"]) == (1, 2)


def test_a_log_is_open_while_its_node_is_at_work_only(tmp_path):
    file = tmp_path / "node1.log"
    workplace = Workplace(tmp_path, file, "0/node1")

    def is_open() -> bool:
        return any(each.path == str(file) for each in psutil.Process().open_files())

    with workplace.entered():
        print("one")
        logging.getLogger("app").info("two")
        assert is_open() and file.read_text().count("\n") == 2  # a line that was written is there
    assert not is_open()
    workplace.log.handle(logging.LogRecord("playground", logging.WARNING, "", 0, "three", None, None))
    assert not is_open()
    assert [line.split(" ", 3)[3] for line in file.read_text().splitlines()] == ["node1: one", "two", "three"]
