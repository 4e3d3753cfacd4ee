"""A run folder that somebody else made: what reads it runs none of its code."""

import contextlib
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from schedulers import write_data

from alphamed_tutorials.engines.run import run as run_task
from alphamed_tutorials.runs import export as exporting
from alphamed_tutorials.runs.folder import Run, RunError


class Bomb:
    """Make a file when it is unpickled."""

    def __init__(self, file: Path):
        self.file = str(file)

    def __reduce__(self):
        return os.mkdir, (self.file,)


@pytest.fixture
def theirs(tmp_path, monkeypatch) -> Path:
    """Return a run folder whose every file that can be code makes a folder `ran`; `mine.py` is the user's own code."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    shutil.copy(Path(__file__).parents[1] / "schedulers.py", tmp_path / "mine.py")
    data = write_data(tmp_path / "data", node1=8)
    run = run_task(f"{tmp_path / 'mine.py'}:Tiny", data, num_rounds=1, settings={"seed": 3}, out=tmp_path / "theirs")
    (tmp_path / "evil").mkdir()
    for name in ("theirs.py", "mine.py", "schedulers.py"):
        (tmp_path / "evil" / name).write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    for name in ("entry.pickle", "checkpoint.pt"):
        (run.path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    for file in (run.path / "states").iterdir():
        file.write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    run.update(target=str(tmp_path / "evil/theirs.py"), import_folder=str(tmp_path / "evil"))
    (tmp_path / "precious").write_text("precious")
    (run.path / ".model.ts").symlink_to(tmp_path / "precious")
    return run.path


class ThisPython(contextlib.nullcontext):
    """What stands in for a fresh one: `with` gives itself."""

    def __enter__(self):
        return self

    def predict(self, file, calls):
        return [call.of(torch.jit.load(file)) for call in calls]


@pytest.fixture
def torchscript_alone(monkeypatch):
    """Leave out what takes seconds, where a test is about something else."""

    def write(*_):
        raise NotImplementedError("left out")

    for form in ("write_onnx", "write_torch_export"):
        monkeypatch.setattr(exporting, form, write)
    monkeypatch.setattr(exporting, "FreshPython", ThisPython)


def test_export_with_code_of_ones_own_runs_none_of_the_folders(theirs, playground, torchscript_alone, tmp_path):
    test_data = (tmp_path / "data/nodes/aggregator").rename(tmp_path / "my test data")
    finished = playground("export", theirs, "--target", f"{tmp_path / 'mine.py'}:Tiny", "--aggregator", test_data)
    assert finished.code == 0 and (theirs / "model.ts").exists()
    assert not (tmp_path / "ran").exists() and (tmp_path / "precious").read_text() == "precious"


def test_a_program_in_the_place_of_parameters_is_refused(theirs, playground, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 1)).save(theirs / "model.pt")
    finished = playground("export", theirs, "--target", f"{tmp_path / 'mine.py'}:Tiny")
    assert finished.code == 1 and "a TorchScript program in the place of parameters" in finished.err


def test_metrics_runs_nothing(theirs, playground, tmp_path):
    assert playground("metrics", theirs).code == 0 and not (tmp_path / "ran").exists()


def test_without_it_the_folders_code_runs(theirs, playground, tmp_path):
    """What is warned of is true."""
    assert playground("export", theirs).code == 1 and (tmp_path / "ran").exists()


# What others saved


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"state": "done"', "run.json is damaged"),
        ('{"state": "done"}'.encode("utf-16"), "run.json is damaged"),
        (b"[]", "it is no object"),
        (b'{"state": 5}', "state is 5"),
        (b'{"nodes": ["a"]}', "nodes is .'a'."),
        (b'{"nodes": {"a": 5}}', "run.json is damaged"),
        (b'{"rounds_done": "x"}', "rounds_done is 'x'"),
        (b"[" * 100_000, "run.json is damaged"),
    ],
)
def test_a_damaged_record_is_named_with_its_cure(tmp_path, content, words):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=f"{words}.*put back the file that the run wrote"):
        Run.open(tmp_path)


def test_a_record_saved_with_a_mark_at_its_start_is_read(tmp_path):
    (tmp_path / "run.json").write_bytes('{"state": "done"}'.encode("utf-8-sig"))
    assert Run.open(tmp_path).state == "done"


def test_a_record_that_lacks_something_is_no_traceback(finished_run, playground):
    record = Run.open(finished_run).record
    Run.create("run")
    for lacking in record:
        Path("run/run.json").write_text(json.dumps({name: record[name] for name in record if name != lacking}))
        for command in ("metrics", "resume"):
            finished = playground(command, "run")
            said = (
                f"run.json does not say {lacking}: put back the file",
                "not a run of the local engine",
                "no metrics yet",
            )
            assert finished.code == 0 or any(words in finished.err for words in said)
