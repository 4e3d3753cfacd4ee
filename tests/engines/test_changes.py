"""What a resumed run says of changes is true: what takes effect does, what does not leaves the numbers as they were."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from schedulers import write_data

from alphamed_tutorials import resume, run
from alphamed_tutorials.engines import changes
from alphamed_tutorials.engines.failures import NodeFailed
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.runs.folder import Run, RunError

TASK = """\
import torch
from schedulers import Tiny, read_samples
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR, StepLR
from torch.utils.data import DataLoader


class Mine(Tiny):
    def __init__(
        self, max_rounds=4, merge_epochs=1, learning_rate=0.1, momentum=0.9, batch_size=4, width=8, smoothing=0.0, unkept=1
    ):
        super().__init__(max_rounds=max_rounds, merge_epochs=merge_epochs)
        self.learning_rate, self.momentum, self.batch_size = learning_rate, momentum, batch_size
        self.width, self.smoothing = width, smoothing

    def build_model(self):
        self.criterion = nn.CrossEntropyLoss(label_smoothing=self.smoothing)
        return nn.Sequential(nn.Linear(4, self.width), nn.Dropout(0.2), nn.Linear(self.width, 2))

    def build_optimizer(self, model):
        return SGD(model.parameters(), lr=self.learning_rate, momentum=self.momentum)

    def build_train_dataloader(self):
        return DataLoader(read_samples(self.data_dir), batch_size=self.batch_size, shuffle=True)

    def train_an_epoch(self):
        # here
        super().train_an_epoch()
        self.log("lr", self.optimizer.param_groups[0]["lr"])
        self.log("setting", self.learning_rate)

    def loss(self, inputs, labels):
        return self.criterion(self.model(inputs), labels)
"""
WIDER = "nn.Linear(4, 16), nn.Dropout(0.2), nn.Linear(16, 2)"
BUG = "if self.current_round == 3:\n            raise ValueError('my bug')"


class Work:
    """A folder with a task's file and data, in which runs are started, stopped in round 3, and resumed."""

    def __init__(self, folder: Path):
        self.folder, self.file, self.run = folder, folder / "任务" / "my_task.py", folder / "run 1"
        self.file.parent.mkdir()
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.write()
        write_data(folder / "data", node1=8, node2=12)

    def write(self, old: str = "", new: str = "") -> None:
        """Write the task's file, with one thing of it changed."""
        assert old in TASK
        self.file.write_text(TASK.replace(old, new) + "#" * len(new))  # Python tells old byte code by size and seconds

    def stopped(self, event: tuple = ("training", 3, "node2"), **settings) -> "Work":
        with pytest.raises(KeyboardInterrupt):
            run(self.file, self.folder / "data", out=self.run, settings=settings, on_event=stop_at(*event))
        return self

    def resume(self, *event, **settings) -> Run:
        def listen(happened):
            self.lines += happened.get("changes", [])
            self.warnings += happened.get("warnings", [])
            if event:
                stop_at(*event)(happened)

        self.lines, self.warnings = [], []
        return resume(self.run, settings, listen)

    def undisturbed(self, body: str = "# here", **settings) -> Run:
        """Run the task from start to end, with code put into `train_an_epoch()`."""
        reference = self.folder / "reference" / "reference.py"
        reference.parent.mkdir()
        reference.write_text(TASK.replace("# here", body))
        return run(reference, self.folder / "data", out=self.folder / "expected", settings=settings)

    def says(self, *parts: str) -> bool:
        """Return whether one of the lines holds all these parts."""
        return any(all(part in line for part in parts) for line in self.lines)


def stop_at(kind, number=None, node=None):
    def listen(event):
        if (event["event"], event.get("round"), event.get("node")) == (kind, number, node):
            raise KeyboardInterrupt

    return listen


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return Work(tmp_path)


def same(one: Run, other: Run) -> bool:
    """Return whether two runs ended with the same model, to the last bit."""
    models = [torch.load(each.path / "model.pt") for each in (one, other)]
    assert models[0].keys() == models[1].keys()
    return all(torch.equal(models[0][name], models[1][name]) for name in models[0])


FROM_ROUND_3 = {  # the value, and what in `train_an_epoch()` does the same
    "learning_rate": (
        0.01,
        'if self.current_round == 3: self.learning_rate = self.optimizer.param_groups[0]["lr"] = 0.01',
    ),
    "momentum": (0.5, 'if self.current_round == 3: self.optimizer.param_groups[0]["momentum"] = 0.5'),
    "batch_size": (
        3,
        "if self.current_round == 3: self.batch_size = 3; self._train_loader = self.build_train_dataloader()",
    ),
}


@pytest.mark.parametrize("name", FROM_ROUND_3)
def test_setting_takes_effect_from_the_next_round_and_survives_a_kill(work, name):
    value, body = FROM_ROUND_3[name]
    expected = work.undisturbed(body)
    work.stopped()
    with pytest.raises(KeyboardInterrupt):  # before the checkpoint that holds it
        work.resume("training", 3, "node2", **{name: str(value)})
    assert work.says(f"{name}={value} from round 3 on") and not work.says("does not take effect")
    with pytest.raises(KeyboardInterrupt):  # and after it
        work.resume("training", 4, "node1")
    ended = work.resume()
    assert same(ended, expected) and ended.rows == expected.rows
    assert ended.record["changes"] == [{"from_round": 3, "settings": {name: value}}]


def test_options_of_the_optimizer_are_told_with_old_and_new_value(work):
    work.stopped().resume(learning_rate=0.01, momentum=0.5)
    assert work.says("optimizer's lr: 0.1 → 0.01") and work.says("optimizer's momentum: 0.9 → 0.5")


def test_the_last_of_several_settings_for_a_round_is_recorded(work):
    work.stopped()
    for value in (0.05, 0.01):
        with pytest.raises(KeyboardInterrupt):
            work.resume("training", 3, "node1", learning_rate=value)
    ended = work.resume()
    assert ended.record["changes"] == [{"from_round": 3, "settings": {"learning_rate": 0.01}}]
    assert same(ended, work.undisturbed(FROM_ROUND_3["learning_rate"][1]))


def test_setting_before_the_first_checkpoint_holds_for_all_rounds(work):
    work.stopped(("training", 1, "node2"))
    assert same(work.resume(width=16, learning_rate=0.01), work.undisturbed(width=16, learning_rate=0.01))


@pytest.mark.parametrize("schedule", ["StepLR(optimizer, 1, 0.5)", "LambdaLR(optimizer, lambda n: 0.5**n)"])
def test_schedule_goes_on_from_the_changed_learning_rate(work, schedule):
    made = f"optimizer = SGD(model.parameters(), lr=self.learning_rate)\n        self.schedule = {schedule}\n"
    text = TASK.replace(
        "return SGD(model.parameters(), lr=self.learning_rate, momentum=self.momentum)",
        f"{made}        return optimizer",
    )
    text = text.replace("# here", "if self.current_round > 1: self.schedule.step()")
    work.file.write_text(text)
    rows = work.stopped().resume(learning_rate=0.01).rows
    rates = [row.value for row in rows if (row.node, row.name) == ("node1", "lr")]
    assert rates == pytest.approx([0.1, 0.05, 0.0025, 0.00125])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"learning_rat": 1.0}, "did you mean learning_rate"),
        ({"learning_rate": "fast"}, "fast is no float"),
        ({"unkept": 2}, "does not keep it as self.unkept"),
        ({"width": 16}, r"width=16 changes the network \(0.weight \[8, 4\] → \[16, 4\].*start anew"),
        ({"merge_epochs": 0}, "Mine refuses merge_epochs=0: merge_epochs must be a positive integer"),
        ({"max_rounds": 0}, "one round or more"),
        ({"learning_rate": {1}}, "cannot be written"),
    ],
)
def test_refused_setting_leaves_the_run_as_it_was(work, settings, why):
    before = {file: file.read_bytes() for file in work.stopped().run.glob("*") if file.suffix in (".json", ".pt")}
    with pytest.raises(WrongUse, match=why):
        work.resume(**settings)
    assert {file: file.read_bytes() for file in before} == before
    assert same(work.resume(), work.undisturbed())


def test_what_keeps_the_old_value_is_told(work):
    ended = work.stopped().resume(smoothing=0.3)
    assert work.says("self.criterion", "stays as it is")
    assert same(ended, work.undisturbed())


def test_done_run_goes_on_longer(work):
    first = run(work.file, work.folder / "data", out=work.run, settings={"max_rounds": 2})
    with pytest.raises(WrongUse, match="is done.*--set max_rounds=N with N above 2"):
        work.resume(learning_rate=0.01)
    assert Run.open(work.run).record == first.record and work.lines == []
    longer = work.resume(max_rounds="4")
    assert same(longer, work.undisturbed()) and longer.record["rounds"] == longer.record["rounds_done"] == 4


def test_fewer_rounds_end_a_run_where_it_is(work):
    ended = work.stopped().resume(max_rounds=2)
    assert (ended.state, ended.record["rounds_done"]) == ("done", 2)


def test_without_a_change_nothing_is_told_and_nothing_differs(work):
    assert same(work.stopped().resume(), work.undisturbed())
    assert (work.lines, work.warnings) == ([], [])


@pytest.mark.parametrize("body", ["for g in self.optimizer.param_groups: g['lr'] = 0.3", "self.model[1].p = 0.6"])
def test_changed_method_takes_effect_from_the_next_round(work, body):
    expected = work.undisturbed(f"if self.current_round > 2:\n            {body}")
    work.stopped().write("# here", body)
    ended = work.resume()
    assert same(ended, expected)
    assert work.says(str(work.file), "changed since the run began", "takes effect from the next round on")
    assert (work.run / "code" / "my_task.py").read_text() == TASK  # what it was


def test_mended_bug(work):
    work.write("# here", BUG)
    with pytest.raises(NodeFailed, match="my bug"):
        run(work.file, work.folder / "data", out=work.run)
    work.write()
    assert same(work.resume(), work.undisturbed())
    assert work.says("my_task.py changed", "takes effect")


def test_mended_test_takes_effect(work):
    work.stopped().write("    def loss(", "    def run_test(self):\n        self.log('new', 1)\n\n    def loss(")
    rows = work.resume().rows
    assert {(row.round, row.name) for row in rows if row.node == "aggregator"} == {
        (1, "test/correct"), (2, "test/correct"), (3, "new"), (4, "new"),
    }  # fmt: skip


def test_changed_default_does_not_take_effect_but_the_advice_does(work):
    expected = work.undisturbed(FROM_ROUND_3["learning_rate"][1])
    work.stopped().write("learning_rate=0.1,", "learning_rate=0.01,")
    with pytest.raises(KeyboardInterrupt):
        work.resume("training", 3, "node1")
    line = next(line for line in work.lines if "the default of" in line)
    assert "is now 0.01 and was 0.1, which does not take effect: the run keeps learning_rate=0.1" in line
    command = shlex.split(line.partition("To change it: ")[2])
    assert command[:3] == ["playground", "resume", str(work.run)] and command[3] == "--set"
    assert same(work.resume(**dict([command[4].split("=")])), expected)
    assert not work.says("the default of")


def test_changed_default_that_is_the_runs_own_value_is_not_told(work):
    work.stopped(learning_rate=0.01).write("learning_rate=0.1,", "learning_rate=0.01,")
    work.resume()
    assert work.says("my_task.py changed") and not work.says("the default of")


def test_changed_default_alone_changes_nothing(work):
    work.stopped().write("learning_rate=0.1,", "learning_rate=0.01,")
    assert same(work.resume(), work.undisturbed())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nn.Linear(4, self.width), nn.Dropout(0.2), nn.Linear(self.width, 2)", WIDER, "0.weight [8, 4] → [16, 4]"),
        ("nn.Dropout(0.2)", "nn.Dropout(0.75)", "Dropout(p=0.75"),
        ("nn.Dropout(0.2)", "nn.Tanh()", "Tanh"),
        ("lr=self.learning_rate,", "lr=0.0123,", "lr 0.1 → 0.0123"),
    ],
    ids=["wider", "dropout", "activation", "optimizer"],
)  # fmt: skip
def test_other_network_or_optimizer_does_not_take_effect(work, old, new, said):
    expected = work.undisturbed()
    work.stopped().write(old, new)
    assert same(work.resume(), expected)
    assert work.says(said, "does not take effect", f"playground run {shlex.quote(str(work.file))}")


def test_other_network_takes_effect_where_no_round_was_finished(work):
    work.stopped(("training", 1, "node2")).write(
        "nn.Linear(4, self.width), nn.Dropout(0.2), nn.Linear(self.width, 2)", WIDER
    )
    ended = work.resume()
    assert same(ended, work.undisturbed(width=16))
    assert work.says("what __init__() made stays as it is") and not work.says("does not take effect")


def test_code_that_needs_a_new_layer_fails_and_damages_nothing(work):
    work.stopped().write("# here", "self.model[7]")
    with pytest.raises(NodeFailed, match="round 3.*my_task.py"):
        work.resume()
    work.write()
    assert same(work.resume(), work.undisturbed())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("class Mine", "class Other", "moved or renamed, undo that"),
        ("import torch\n", "import torch\nimport nothing_of_that_name\n", "my_task.py, line 2: ModuleNotFoundError"),
        ("# here", "if:", "my_task.py, line 28: SyntaxError"),
    ],
)
def test_code_that_cannot_be_loaded_is_told_and_damages_nothing(work, old, new, why):
    work.stopped().write(old, new)
    with pytest.raises(TutorialError, match=why):
        work.resume()
    work.write()
    assert same(work.resume(), work.undisturbed())


def test_missing_file_is_brought_back_from_the_run(work):
    work.stopped()
    work.file.rename(work.folder / "elsewhere.py")
    sys.modules.pop("my_task")
    shutil.rmtree(work.file.parent / "__pycache__", ignore_errors=True)
    with pytest.raises(RunError, match="my_task.py: this file of the task is gone") as told:
        work.resume()
    assert str(work.run / "code") in str(told.value)
    shutil.copy(work.run / "code" / "my_task.py", work.file)
    assert same(work.resume(), work.undisturbed())


def test_other_versions_are_warned_of(work, monkeypatch):
    before = work.stopped() and Run.open(work.run).record["versions"]
    monkeypatch.setattr(changes, "versions", lambda: before | {"torch": "9.9"})
    work.resume()
    assert work.warnings == [f"torch is 9.9, the run began with {before['torch']}: results may differ"]


@pytest.mark.parametrize("change", ["new", "written"])
def test_other_data_are_warned_of(work, change):
    nodes = work.stopped().folder / "data" / "nodes"
    (nodes / "node1" / ".DS_Store").touch()  # the system's own
    if change == "new":
        (nodes / "node2" / "new").touch()
    else:
        os.utime(nodes / "node2" / "samples.pt", (0, 0))
    work.resume()
    assert len(work.warnings) == 1 and work.warnings[0].startswith(f"node2: files in {nodes / 'node2'}")


CLIPPED = """\
        for inputs, labels in self.train_loader:
            self.optimizer.zero_grad()
            self.loss(inputs, labels).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        return
"""


def diverging(work: Work, factor: float, old: str = "", new: str = "") -> None:
    """Write the task with a loss that is multiplied in round 3, and trained to the extreme."""
    text = TASK.replace(
        "return self.criterion(self.model(inputs), labels)",
        f"factor = {factor} if self.current_round == 3 else 0.1\n        return (self.model(inputs) ** 2).mean() * factor",
    )
    text = text.replace("super().train_an_epoch()", "for _ in range(60):\n            super().train_an_epoch()")
    assert old in text
    work.file.write_text(text.replace(old, new) + "#" * len(new))


def is_finite(run: Path) -> bool:
    return all(value.isfinite().all() for value in torch.load(run / "model.pt").values())


def test_advice_after_divergence_works_word_for_word(work, playground):
    diverging(work, 10.0)
    failed = playground("run", work.file, "--data", work.folder / "data", "--out", "运行/1 wild")
    assert failed.code == 1 and "in round 3" in failed.err and "holds NaN or infinity" in failed.err
    advice = failed.err.strip().splitlines()[-2].partition("playground ")[2]
    assert advice == "resume '运行/1 wild' --set learning_rate=0.01" and failed.err.count(advice) == 2
    without = playground("resume", "运行/1 wild")
    assert without.code == 1 and "in round 3" in without.err  # the advice is what makes the difference
    resumed = playground(*shlex.split(advice))
    assert resumed.code == 0, resumed.err
    assert is_finite(work.folder / "运行" / "1 wild")


def test_advice_after_divergence_where_no_argument_makes_the_learning_rate(work):
    diverging(work, 10.0, "lr=self.learning_rate", "lr=0.1")
    with pytest.raises(NodeFailed, match=r"clip gradients in train_an_epoch\(\), then playground resume '.*run 1'; "):
        run(work.file, work.folder / "data", out=work.run)
    diverging(work, 10.0, "        # here\n", CLIPPED)
    assert work.resume().state == "done" and is_finite(work.run)


SCRIPT = """
import sys
sys.path.insert(0, HERE)
from alphamed_tutorials.engines.local import run_local
from schedulers import Tiny

class Mine(Tiny):
    def train_an_epoch(self):
        super().train_an_epoch()  # here

def stop(event):
    if event["event"] == "training" and event["round"] == 3:
        raise KeyboardInterrupt

run_local(Mine(max_rounds=4), "data", "run 1", on_event=stop)
"""


def test_changed_script_does_not_take_effect(work):
    script = work.folder / "script.py"
    script.write_text(SCRIPT.replace("HERE", repr(str(Path(__file__).parents[1]))))
    subprocess.run([sys.executable, script], cwd=work.folder, capture_output=True, timeout=120)
    script.write_text(script.read_text().replace("super().train_an_epoch()", "raise ValueError"))
    assert work.resume().state == "done"
    assert work.says(f"{script} changed", "does not take effect", "stored in the run")


def test_command_line_tells(work, playground):
    work.stopped().write("learning_rate=0.1,", "learning_rate=0.01,")
    (work.folder / "data" / "nodes" / "node2" / "new").touch()
    finished = playground("resume", work.run, "--set", "momentum=0.5", "--json")
    assert finished.code == 0
    told = json.loads(finished.out)
    assert any("momentum=0.5 from round 3 on" in line for line in told["changes"])
    assert len(told["warnings"]) == 1
    assert all(line in finished.err for line in told["changes"] + told["warnings"])


def test_python_warns(work):
    work.stopped().write("# here", "pass")
    with pytest.warns(UserWarning, match="takes effect from the next round"):
        resume(work.run)
