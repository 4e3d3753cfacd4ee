"""A method that does not do what the SDK needs of it is named, with its file and line, before it does harm."""

import linecache

import pytest
import torch
from alphafed.fed_avg import FedAvgScheduler
from schedulers import Tiny, TinyTask, read_samples, write_data
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.runs.folder import Run, RunError


@pytest.fixture
def data(tmp_path):
    """Return a prepared data folder: in batches of 4, node2 has one sample over."""
    return write_data(tmp_path / "data", node1=8, node2=9)


class NoModel(Tiny):
    def build_model(self):
        super().build_model()


class NoNetwork(Tiny):
    def build_model(self):
        return [super().build_model()]


class NoOptimizer(Tiny):
    def build_optimizer(self, model):
        super().build_optimizer(model)

    def validate_context(self):
        pass


class NoTrainLoader(Tiny):
    def build_train_dataloader(self):
        super().build_train_dataloader()


class Dropping(Tiny):
    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=32, drop_last=True)


class NoSamples(Tiny):
    def build_train_dataloader(self):
        return DataLoader([], batch_size=4)


class NoSamplesToShuffle(Tiny):
    def build_train_dataloader(self):
        return DataLoader([], batch_size=4, shuffle=True)


class NoTestSamples(Tiny):
    def build_test_dataloader(self):
        return DataLoader([], batch_size=4)


class NoParameters(Tiny):
    def build_model(self):
        return nn.Flatten()

    def build_optimizer(self, model):
        return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)


class NoState(Tiny):
    def state_dict(self):
        pass


class Nothing(IterableDataset):
    def __iter__(self):
        return iter(())


class NothingYielded(Tiny):
    def build_train_dataloader(self):
        return DataLoader(Nothing(), batch_size=4)

    def train_an_epoch(self):
        for _ in self.train_loader:
            self.optimizer.step()


class OneLeft(Tiny):
    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=4)


class NoTestLoader(Tiny):
    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=4, drop_last=True)

    def build_test_dataloader(self):
        return None


@pytest.mark.parametrize(
    ("task", "method", "node", "number", "text"),
    [
        (NoModel, "build_model", "aggregator", 0, r"build_model\(\) returned None.*torch.nn.Module is expected"),
        (NoNetwork, "build_model", "aggregator", 0, r"build_model\(\) returned an object of list.*nn.Module"),
        (NoOptimizer, "build_optimizer", "aggregator", 0, r"returned None.*torch.optim.Optimizer is expected"),
        (NoTrainLoader, "build_train_dataloader", "node1", 0, "returned None, and a DataLoader is expected"),
        (Dropping, "build_train_dataloader", "node1", 0, "8 samples are fewer than one batch of 32.*drop_last"),
        (NoSamples, "build_train_dataloader", "node1", 0, "has no batch: its dataset is empty"),
        (NoSamplesToShuffle, "build_train_dataloader", "node1", 0, "dataset of build_train_dataloader.* is empty"),
        (NoTestSamples, "build_test_dataloader", "aggregator", 0, "has no batch: its dataset is empty"),
        (NoParameters, "build_model", "aggregator", 0, "an empty dict.*build_model.* has no parameters"),
        (NoState, "state_dict", "aggregator", 0, "returned None, so that nothing would be averaged"),
        (NothingYielded, "build_train_dataloader", "node1", 1, "yielded nothing: look at what its dataset yields"),
        (OneLeft, "build_train_dataloader", "node2", 1, "one sample .9 samples in batches of 4.*drop_last=True"),
        (NoTestLoader, "build_test_dataloader", "aggregator", 1, "build_test_dataloader.* returned None.*let run_test"),
    ],
)
def test_broken_method_is_named(data, tmp_path, task, method, node, number, text):
    with pytest.raises(NodeFailed, match=text) as failed:
        run_local(task(), data, tmp_path / "run")
    error = failed.value
    assert (error.node, error.round, error.file) == (node, number, __file__)
    assert f"def {method}(" in linecache.getline(error.file, error.line)
    assert "None" not in str(error).splitlines()[0]
    # The run folder stays: its logs say why, and once the method is mended the run can be resumed.
    assert Run.open(tmp_path / "run").state == "failed" and (tmp_path / "run" / "logs" / f"{node}.log").exists()
    assert Run.open(tmp_path / "run").record["failure"]["line"] == error.line


def test_no_test_loader_is_allowed_where_run_test_needs_none(data, tmp_path):
    class Untested(NoTestLoader):
        def run_test(self):
            self.log("nothing", 0)

    data = write_data(tmp_path / "even", node1=8)
    assert run_local(Untested(), data, tmp_path / "run").state == "done"


def test_errors_that_are_no_consequence_stay_as_they_are(data, tmp_path):
    class Wrong(NoTestLoader):
        def run_test(self):
            raise TypeError("something else") if self.model is None else ValueError("something else")

    with pytest.raises(NodeFailed, match="ValueError: something else"):
        run_local(Wrong(), write_data(tmp_path / "even", node1=8), tmp_path / "run")


def test_forgotten_init_is_told_before_anything_is_made(data, tmp_path):
    class Forgetful(TinyTask, FedAvgScheduler):
        def __init__(self):
            self.learning_rate = 0.1

    with pytest.raises(RunError, match=r"Forgetful.__init__\(\) \(.*test_contract.py, line \d+\).*super\(\).__init__"):
        run_local(Forgetful(), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


TASK = """
from pathlib import Path
from schedulers import Tiny, read_samples
from torch.utils.data import DataLoader

class Mine(Tiny):
    def build_train_dataloader(self):
        {first}
        return DataLoader(read_samples(self.data_dir), batch_size=4)
"""
VERIFY = """
class DatasetVerify:
    def __init__(self, task_id, current_node):
        pass
    def run(self):
        return True
"""


@pytest.mark.parametrize("verify", [VERIFY, ""])
@pytest.mark.parametrize(
    ("first", "is_about_data"),
    [("(Path(self.data_dir) / 'labels.csv').read_text()", True), ("raise ValueError('row 3')", True), ("", False)],
)
def test_data_error_names_the_command_that_says_why(tmp_path, monkeypatch, first, is_about_data, verify):
    monkeypatch.syspath_prepend(tmp_path)
    data = write_data(tmp_path / "我的 data", node1=9)  # one sample over: an error that is none of the data's
    name = f"task_{abs(hash((first, verify)))}"
    file = tmp_path / f"{name}.py"
    file.write_text(TASK.format(first=first) + verify)
    with pytest.raises(NodeFailed) as failed:
        run(file, data, out=tmp_path / "run")
    command = f"playground verify {file} --data '{data}'"
    assert (command in str(failed.value)) == (is_about_data and bool(verify))
