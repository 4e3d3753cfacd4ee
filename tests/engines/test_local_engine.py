"""The local engine runs a task as AlphaMed would: nodes apart, the SDK's schedule, nothing left to chance."""

import json
import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import schedulers
import torch
from alphafed.fed_avg import DPFedAvgScheduler, FedSGDScheduler, SecureFedAvgScheduler
from alphafed.fed_prox import FedProxScheduler
from schedulers import Drawing, Tiny, TinyTask, read_samples, write_data
from torch.utils.data import DataLoader

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.folders import find_nodes
from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.runs.folder import Run, RunError
from alphamed_tutorials.runs.metrics import curves

HERE = Path(__file__).parents[1]


@pytest.fixture
def data(tmp_path) -> Path:
    """Return a prepared data folder with two data owners of different size."""
    return write_data(tmp_path / "data", node1=8, node2=12)


def values(run: Run, name: str) -> dict[str, list[float]]:
    """Return a metric's values by node, in the order of rounds."""
    return {node: [value for _, value in points] for node, points in curves(run.rows)[name].items()}


class TestNodesApart:
    def test_init_runs_once_and_its_seed_reaches_no_node(self, data, tmp_path):
        class Seeding(Drawing):
            made = 0

            def __init__(self):
                super().__init__()
                Seeding.made += 1
                torch.manual_seed(7)

        run = run_local(Seeding(), data, tmp_path / "run")
        first_draws = [draws[0] for draws in values(run, "draw/torch").values()]
        assert Seeding.made == 1
        assert torch.manual_seed(7) and torch.rand(()).item() not in first_draws

    def test_state_stays_on_its_node_and_off_the_submitted_object(self, data, tmp_path):
        class Remembering(Tiny):
            def __init__(self):
                super().__init__()
                self.seen = []

            def train_an_epoch(self):
                super().train_an_epoch()
                self.seen.append(self.node)
                assert set(self.seen) == {self.node}
                self.log("seen", len(self.seen))

        task = Remembering()
        before = vars(task).copy()
        run = run_local(task, data, tmp_path / "run")
        assert values(run, "seen") == {"node1": [1, 2, 3], "node2": [1, 2, 3]}
        assert vars(task) == before and task.seen == []

    def test_each_node_reads_its_own_folder(self, data, tmp_path):
        class Measuring(Tiny):
            def train_an_epoch(self):
                super().train_an_epoch()
                self.log("size", len(self.train_loader.dataset))

        run = run_local(Measuring(), data, tmp_path / "run")
        assert values(run, "size") == {"node1": [8] * 3, "node2": [12] * 3}
        assert Tiny.data_dir == "/nowhere"

    def test_working_folder_is_the_nodes_own(self, data, tmp_path, monkeypatch):
        class Moving(Tiny):
            def build_train_dataloader(self):
                os.chdir(self.data_dir)
                return DataLoader(read_samples("."), batch_size=4)

            def train_an_epoch(self):
                super().train_an_epoch()
                assert Path.cwd() == Path(self.data_dir)

            def run_test(self):
                os.chdir("/")

        monkeypatch.chdir(tmp_path)
        run = run_local(Moving(), "data", "runs/first")
        assert Path.cwd() == tmp_path
        assert run.path == Path("runs/first") and {"run.json", "model.pt"} <= set(os.listdir("runs/first"))

    def test_log_holds_the_nodes_own_lines(self, data, tmp_path):
        handlers = logging.getLogger().handlers.copy()
        run = run_local(Tiny(), data, tmp_path / "run")
        logs = {name: (run.path / "logs" / f"{name}.log").read_text() for name in ("aggregator", "node1", "node2")}
        for name, text in logs.items():
            assert f" {name} logs" in text
            assert not any(f" {other} logs" in text for other in logs if other != name)
            # the SDK's lines too
            assert ("Begin the training of round" in text) == (name == "aggregator")
            assert ("Successfully received latest parameters" in text) == (name != "aggregator")
        assert logging.getLogger().handlers == handlers

    def test_model_shared_through_a_global_is_refused(self, data, tmp_path):
        shared = torch.randn(8, 4)

        class Sharing(Tiny):
            def build_model(self):
                model = super().build_model()
                model[0].weight = torch.nn.Parameter(shared_weight())
                return model

        def shared_weight():
            return vars(schedulers).setdefault("_cached_weight", shared)

        with pytest.raises(NodeFailed, match="same memory as another node's.*clone") as failed:
            run_local(Sharing(), data, tmp_path / "run")
        assert failed.value.node == "node1"


class TestRandomNumbers:
    def test_order_of_nodes_changes_nothing(self, data, tmp_path):
        def visited(run):
            lines = (run.path / "events.jsonl").read_text().splitlines()
            return [event["node"] for event in map(json.loads, lines) if event["event"] == "training"]

        run = run_local(Drawing(), data, tmp_path / "run")
        other = run_local(Drawing(), dict(reversed(find_nodes(data).items())), tmp_path / "other")
        assert visited(run) == ["node1", "node2"] * 3 and visited(other) == ["node2", "node1"] * 3
        for name in ("draw/torch", "draw/numpy", "draw/python"):
            assert values(run, name) == values(other, name)
        first, other_first = ({n: v[0] for n, v in values(r, "update").items()} for r in (run, other))
        assert first == other_first  # later rounds start from a sum in another order: its last bits may differ

    def test_callers_generators_are_left_as_they_were(self, data, tmp_path):
        class Failing(Drawing):
            def run_test(self):
                super().run_test()
                raise ValueError

        torch.manual_seed(3)
        before = torch.get_rng_state(), np.random.get_state(), random.getstate(), torch.get_num_threads()
        run_local(Drawing(), data, tmp_path / "run")
        with pytest.raises(NodeFailed):
            run_local(Failing(), data, tmp_path / "failed", num_threads=before[3] + 1)
        assert torch.equal(torch.get_rng_state(), before[0])
        np.testing.assert_equal(np.random.get_state(), before[1])
        assert (random.getstate(), torch.get_num_threads()) == before[2:]

    def test_seed_decides_the_result(self, data, tmp_path):
        models = []
        for i, seed in enumerate((1, 1, 2)):
            torch.manual_seed(i)  # the caller's own must not matter
            models.append((run_local(Tiny(), data, tmp_path / f"run{i}", seed=seed).path / "model.pt").read_bytes())
        assert models[0] == models[1] != models[2]

    @pytest.mark.parametrize("name", ["draw/torch", "draw/numpy", "draw/python"])
    def test_nodes_draw_different_numbers(self, data, tmp_path, name):
        draws = values(run_local(Drawing(), data, tmp_path / "run"), name).values()
        assert len(set().union(*draws)) == 6


class TestSchedule:
    @pytest.mark.parametrize(("log_rounds", "expected"), [(0, [1, 5]), (2, [1, 2, 4, 5]), (1, [1, 2, 3, 4, 5])])
    def test_only_the_aggregator_tests_in_the_sdks_rounds(self, data, tmp_path, log_rounds, expected):
        run = run_local(Tiny(max_rounds=5, log_rounds=log_rounds), data, tmp_path / "run")
        tested = [(row.node, row.round) for row in run.rows if row.name == "test/correct"]
        assert tested == [("aggregator", number) for number in expected]

    def test_merge_epochs(self, data, tmp_path):
        run = run_local(Tiny(merge_epochs=2), data, tmp_path / "run")
        rounds = [row.round for row in run.rows if row.name == "train/loss" and row.node == "node1"]
        assert rounds == [1, 1, 2, 2, 3, 3]

    def test_involved_aggregator_needs_data_of_its_own(self, data, tmp_path):
        class Separate(Tiny):
            def build_train_dataloader(self):
                return DataLoader(torch.load(Path(self.data_dir) / "train.pt"))

        with pytest.raises(NodeFailed, match="train.pt") as failed:
            run_local(Separate(involve_aggregator=True), data, tmp_path / "run")
        assert (failed.value.node, failed.value.round) == ("aggregator", 0)

    def test_is_task_finished_stops_early(self, data, tmp_path):
        class Satisfied(Tiny):
            def is_task_finished(self):
                return self.current_round == 2

        run = run_local(Satisfied(max_rounds=9), data, tmp_path / "run")
        assert run.record["rounds_done"] == 2 and run.state == "done"
        assert run.record["finished_early"] is True and Run.open(run.path).outcome == "finished early, round 2 of 9"
        whole = run_local(Tiny(max_rounds=2), data, tmp_path / "whole")
        assert whole.record["finished_early"] is False and whole.outcome == "done"

    def test_round_of_each_metric_is_told(self, data, tmp_path):
        class Rarely(Tiny):
            def is_task_finished(self):
                return self.current_round == 5

        run = run_local(Rarely(max_rounds=9, log_rounds=3), data, tmp_path / "run")
        assert run.last_rounds == {"train/loss": 5, "test/correct": 3}
        assert run.untested == "The saved model is that of round 5; the last test was in round 3"
        assert run_local(Tiny(), data, tmp_path / "tested").untested == ""

    def test_validate_context_ends_the_run_before_round_1(self, data, tmp_path):
        class Picky(Tiny):
            def validate_context(self):
                super().validate_context()
                assert self.node != "node2", "too few samples"

        with pytest.raises(NodeFailed, match="(?s)^node2 failed while .* set up: .*too few samples") as failed:
            run_local(Picky(), data, tmp_path / "run")
        assert failed.value.node == "node2"
        assert "round_started" not in (tmp_path / "run" / "events.jsonl").read_text()

    def test_only_one_owner(self, data, tmp_path):
        run = run_local(Tiny(), data, tmp_path / "run", only="node2")
        assert list(values(run, "train/loss")) == ["node2"]
        with pytest.raises(RunError, match="no data owner node7: choose one of node1, node2"):
            run_local(Tiny(), data, tmp_path / "other", only="node7")
        assert not (tmp_path / "other").exists()


class TestAlgorithmsOfTheSDK:
    class SGD(TinyTask, FedSGDScheduler):
        batch_size = 8

        def build_train_dataloader(self):
            return DataLoader(read_samples(self.data_dir), batch_size=self.batch_size)

    def test_fed_sgd(self, tmp_path):
        data = write_data(tmp_path / "data", node1=8, node2=8)
        run = run_local(self.SGD(max_rounds=2, log_rounds=1), data, tmp_path / "run")
        assert len(values(run, "train/loss")["node1"]) == 2

    def test_fed_sgd_checks_batch_size(self, data, tmp_path):
        with pytest.raises(NodeFailed, match="^node2 failed .*\n.*batch size must be the total number of samples"):
            run_local(self.SGD(max_rounds=2), data, tmp_path / "run")

    def test_fed_prox(self, data, tmp_path):
        class Prox(TinyTask, FedProxScheduler):
            def train_an_epoch(self):
                pairs = zip(self.model.parameters(), self.global_model.parameters(), strict=True)
                assert all(own is not other and torch.equal(own, other) for own, other in pairs)
                super().train_an_epoch()

            def loss(self, inputs, labels):
                return self.calc_prox_loss(super().loss, inputs, labels)

        results = [run_local(Prox(max_rounds=2, mu=mu), data, tmp_path / f"{mu}").path / "model.pt" for mu in (0, 1)]
        assert results[0].read_bytes() != results[1].read_bytes()

    def test_dp_fed_avg_without_noise_or_clipping_is_fed_avg(self, data, tmp_path):
        class DP(TinyTask, DPFedAvgScheduler):
            train_an_epoch = DPFedAvgScheduler.train_an_epoch

            def train_a_batch(self, inputs, labels):
                self.optimizer.zero_grad()
                self.loss(inputs, labels).backward()
                self.optimizer.step()

        # w_cap=1: each owner counts the same
        run = run_local(DP(w_cap=1, q=1.0, S=1e6, z=0.0, max_rounds=1), data, tmp_path / "run")
        plain = run_local(Tiny(max_rounds=1), data, tmp_path / "plain")
        result, expected = torch.load(run.path / "model.pt"), torch.load(plain.path / "model.pt")
        for name in ("0.weight", "3.bias"):
            torch.testing.assert_close(result[name], expected[name])

    def test_secure_is_refused(self, data, tmp_path):
        class Secure(TinyTask, SecureFedAvgScheduler):
            pass

        said = r"Secure starts nowhere, .*SecureFedAvgScheduler._setup_context\(\) \(.*secure_fed_avg.py, line \d+\) compares"
        with pytest.raises(RunError, match=said):
            run_local(Secure(t=2, max_rounds=1), data, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_secure_that_was_mended_has_only_messages_of_its_own(self, data, tmp_path):
        class Secure(TinyTask, SecureFedAvgScheduler):
            def _setup_context(self, *args, **kwargs):
                pass

        with pytest.raises(RunError, match="Secure has a message protocol of its own, by .*playground task create"):
            run_local(Secure(t=2, max_rounds=1), data, tmp_path / "run")


class TestFolders:
    def test_names_with_blanks_commas_and_chinese_characters(self, tmp_path):
        data = write_data(tmp_path / "数据 文件夹", **{"医院 甲": 8, 'B, "west"': 8})

        class Quoting(Tiny):
            def run_test(self):
                self.log('accuracy, "all"', 0.5)

        run = run_local(Quoting(), data, tmp_path / "运行 一" / "first run")
        assert set(values(run, "train/loss")) == {"医院 甲", 'B, "west"'}
        assert Run.open(run.path).rows == run.rows
        assert (run.path / "logs" / "医院 甲.log").exists()

    def test_existing_run_is_not_touched(self, data, tmp_path):
        run_local(Tiny(), data, tmp_path / "run")
        before = sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "run").iterdir())
        with pytest.raises(RunError, match="exists already"):
            run_local(Tiny(), data, tmp_path / "run")
        assert before == sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "run").iterdir())

    def test_impossible_folder_is_refused(self, data, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("runs").write_text("a file in the place of the folder")
        with pytest.raises(RunError, match="cannot be made"):
            run_local(Tiny(), data, "runs/first")
        with pytest.raises(RunError, match="cannot be made"):
            run_local(Tiny(), data)

    def test_runs_without_a_name_are_numbered(self, data, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        paths = [run_local(Tiny(max_rounds=1), data, target=target).path for target in (None, None, "mnist")]
        assert paths == [Path("runs/run-1"), Path("runs/run-2"), Path("runs/mnist-1")]


@pytest.mark.parametrize(
    ("task", "reason"), [(Tiny, "Tiny is a class: pass an object"), ("mnist", "'mnist' is no scheduler: .* an object")]
)
def test_what_is_no_scheduler_is_refused(data, tmp_path, task, reason):
    with pytest.raises(RunError, match=reason):
        run_local(task, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_scheduler_that_cannot_be_pickled_is_refused(data, tmp_path):
    task = Tiny()
    with open(os.devnull, "w") as task.protocol, pytest.raises(RunError, match=r"self.protocol .*build_model\(\)"):
        run_local(task, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def run_python(program: str, folder: Path, stdin: str = "") -> str:
    """Run a program in a fresh Python in a folder and return its output."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r})\n{program}"]
    finished = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_memory_does_not_grow_by_a_model_per_node(tmp_path):
    write_data(tmp_path / "few", **{f"node{i}": 4 for i in range(2)})
    write_data(tmp_path / "many", **{f"node{i}": 4 for i in range(30)})
    megabytes = run_python(
        """
import resource, torch
from alphamed_tutorials.engines.local import run_local
from schedulers import Tiny

class Large(Tiny):
    def build_model(self):
        return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 200000), torch.nn.Linear(200000, 2))
    def build_optimizer(self, model):
        return torch.optim.SGD(model.parameters(), lr=0.01)

for data in ("few", "many"):
    run = run_local(Large(max_rounds=1), data, "run-" + data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak // 1024, (run.path / "checkpoint.pt").stat().st_size // 2**20)
""",
        tmp_path,
    )
    few, many = (line.split() for line in megabytes.splitlines())
    assert int(many[0]) - int(few[0]) < 8 * 4, "a model is 4 MB, and there are 28 nodes more"
    assert int(many[1]) <= 4, "a checkpoint holds the aggregator's model and no other"


def test_breakpoint_in_train_an_epoch(tmp_path):
    write_data(tmp_path / "data", node1=8)
    program = """
from alphamed_tutorials.engines.local import run_local
from schedulers import Tiny

class Stopping(Tiny):
    def train_an_epoch(self):
        breakpoint()
        super().train_an_epoch()

print(run_local(Stopping(max_rounds=1), "data", "run").state)
"""
    output = run_python(program, tmp_path, "p self.node\nc\n")
    assert "train_an_epoch()" in output and "'node1'" in output and output.endswith("done\n")


def test_breakpoint_under_the_command_line(tmp_path):
    shutil.copytree(find("mnist").folder, tmp_path / "mine")
    file = tmp_path / "mine" / "scheduler.py"
    file.write_text(file.read_text().replace("self.model.train()", "breakpoint()\n        self.model.train()"))
    command = [Path(sys.executable).with_name("playground"), "run", "mine", "--nodes", "1", "--rounds", "1"]
    stdin = "p self.id\nc\n"
    finished = subprocess.run(command, cwd=tmp_path, input=stdin, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert str(file) in finished.stdout and "'node1'" in finished.stdout
