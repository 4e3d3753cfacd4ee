"""`check`: a sound task passes every question, and each kind of mistake fails its own question and no other."""

import json
import tempfile

import pytest
from sampled import in_soak_but_every

import alphamed_tutorials.experiments.check as check_module
from alphamed_tutorials.experiments.check.questions import QUESTIONS

# Question → file, the code to replace, and what takes its place.
MISTAKES = {
    "submit": ("scheduler.py", "self.seed = seed", "self.seed = seed\n        self.steps = (step for step in ())"),
    "unpickle": (
        "scheduler.py",
        "torch.manual_seed(self.seed)",
        "from . import data\n        torch.manual_seed(self.seed)",
    ),
    "imports": ("scheduler.py", "import torch\n", "import sklearn\nimport torch\n"),
    "random": ("scheduler.py", "self.seed = seed", "self.seed = seed\n        self.start = torch.rand(()).item()"),
    "data_dir": ("dataset_verify.py", "/data/flowers", "/data/trees"),
    "verify_ends": ("dataset_verify.py", "lengths = {}", "lengths = {}\n        __import__('time').sleep(600)"),
    "verify_accepts": ("dataset_verify.py", 'return True, "sound"', 'return False, "we are never content"'),
    "verify_empty": (
        "dataset_verify.py",
        "lengths = {}",
        "lengths = {}\n        if not any(Path(self.data_dir).iterdir()):\n            return True, 'nothing to do'",
    ),
    "verify_missing": (
        "dataset_verify.py",
        "if not path.exists():",
        "if not path.exists() and any(path.parent.iterdir()):\n                continue\n            if not path.exists():",
    ),
    "verify_truncated": ("dataset_verify.py", "if len(set(lengths.values())) > 1:", "if False:"),
    "verify_zeros": (
        "dataset_verify.py",
        "            try:",
        "            if path.exists() and not path.read_bytes().strip(bytes(1)):\n                continue\n            try:",
    ),
    "verify_html": (
        "dataset_verify.py",
        "            try:",
        "            if path.read_bytes().startswith(b'<'):\n                continue\n            try:",
    ),
    "built": ("scheduler.py", "SGD(model.parameters()", "SGD([nn.Parameter(torch.zeros(1))]"),
    "averaged": (
        "scheduler.py",
        "return nn.Sequential(",
        "layer = nn.Flatten()\n        layer.register_buffer('mask', torch.ones(2).bool())\n        return nn.Sequential(layer, ",
    ),
    "plain_loop": (
        "scheduler.py",
        "    def build_optimizer",
        "    def validate_context(self):\n        self.model(torch.full((8, 3), 9.0))\n\n    def build_optimizer",
    ),
    "order": (
        "scheduler.py",
        "return DataLoader(read_samples(self.data_dir), batch_size=8, shuffle=True)",
        "SIZES.append(self.id)\n        return DataLoader(read_samples(self.data_dir), batch_size=4 + 4 * (SIZES[0] == 'node1'))"
        "\n\nSIZES = []\nclass SoundScheduler(SoundScheduler):",
    ),
    "train": ("scheduler.py", "        self.model.train()\n", ""),
    "eval": ("scheduler.py", "        self.model.eval()\n", ""),
    "zero_grad": ("scheduler.py", "self.optimizer.zero_grad()", "self.model[0].zero_grad(), self.model[3].zero_grad()"),
    "metrics": ("scheduler.py", "self.tb_writer.add_scalar", "print"),
    "loss": ("scheduler.py", "momentum=0.5", "momentum=0.5, maximize=True"),
    "resume": (
        "samples.py",
        "    return TensorDataset(inputs, labels)",
        "    return Fading(inputs, labels)\n\n\nclass Fading(TensorDataset):\n    reads = 0\n\n"
        "    def __getitem__(self, index):\n        self.reads += 1\n        inputs, labels = super().__getitem__(index)\n"
        "        return inputs * (1 + self.reads / 1000), labels",
    ),
    "torchscript": ("model.py", "measures: Tensor)", "measures: Tensor, **options)"),
}


def check(task, server):
    return check_module.check(task, task / "data", server=server)


def test_a_sound_task_passes_and_leaves_nothing_behind(sound, server, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    files = sorted(tmp_path.rglob("*"))
    asked = []
    rows = check_module.check(sound, sound / "data", server=server, on_question=asked.append)
    assert [row for row in rows if row.answer != "ok"] == []
    assert [row.question for row in rows] == asked
    assert sorted(file for file in tmp_path.rglob("*") if file.suffix != ".pyc" and file.name != "__pycache__") == files


# Each asks all questions anew: some mistakes in every run of the tests, all of them in the long lane.
@pytest.mark.parametrize("question", in_soak_but_every(5, QUESTIONS), ids=lambda question: question.id)
def test_a_mistake_fails_its_own_question_and_no_other(sound, server, question, monkeypatch):
    monkeypatch.setattr(check_module, "VERIFY_SECONDS", 10 if question.id == "verify_ends" else 60)
    name, code, mistake = MISTAKES[question.id]
    text = (sound / name).read_text()
    assert code in text
    (sound / name).write_text(text.replace(code, mistake))
    rows = check(sound, server)
    assert {row.id: row.reason for row in rows if row.answer == "failed"}.keys() == {question.id}, rows
    (row,) = (row for row in rows if row.id == question.id)
    assert row.reason and row.mend == question.mend
    assert all(row.answer != "not applicable" for row in rows), rows


def test_there_is_a_mistake_for_every_question():
    assert list(MISTAKES) == [question.id for question in QUESTIONS]


def test_code_that_raises_is_named_with_its_line_and_ends_nothing(sound, server):
    file = sound / "scheduler.py"
    file.write_text(file.read_text().replace("loss.backward()", "loss.backward(); 1 / 0"))
    rows = check(sound, server)
    (failed,) = (row for row in rows if row.answer == "failed")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "1 / 0" in text)
    assert failed.id == "plain_loop" and f"{file}, line {line}" in failed.reason and "ZeroDivision" in failed.reason
    assert {row.id for row in rows if row.answer == "not asked"} == {row.id for row in rows[15:]}


def test_code_that_ends_the_program_is_named_with_its_line(sound, server):
    file = sound / "scheduler.py"
    file.write_text(f"import argparse\nargparse.ArgumentParser().parse_args(['--unknown'])\n{file.read_text()}")
    first = check(sound, server)[0]
    assert first.answer == "failed" and f"{file}, line 2: SystemExit: 2" in first.reason


def test_the_command_prints_rows_and_fails_where_one_failed(sound, start):
    file = sound / "dataset_verify.py"
    file.write_text(file.read_text().replace("/data/flowers", "/data/trees"))
    place = sound.with_name("我的 任务")
    sound.rename(place)
    (place / "scheduler.py").rename(place / "flowers.py")  # a folder of this name is no package: name the file
    (place / "flowers.py").write_text((place / "flowers.py").read_text().replace("from .samples", "from samples"))
    (place / "data.py").unlink()
    (place / "model.py").unlink()
    finished = start("check", place / "flowers.py", "--data", place / "data", "--json", cwd=place.parent)
    assert finished.returncode == 1, finished.stderr
    rows = {row["id"]: row for row in json.loads(finished.stdout)["rows"]}
    assert list(rows) == [question.id for question in QUESTIONS]
    assert [row["id"] for row in rows.values() if row["answer"] == "failed"] == ["data_dir"], rows
    assert "/data/trees" in rows["data_dir"]["reason"] and rows["data_dir"]["mend"]
