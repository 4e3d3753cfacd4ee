"""Tasks that the page's form makes: the code is that of the command line, and what is wrong is said."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.playground.page import submissions
from alphamed_tutorials.playground.source import DEFAULT_VERIFICATION, make
from alphamed_tutorials.share.pack import archive

OWN = '''
import torch
from alphafed.fed_avg import FedAvgScheduler

print("imported")


class Own(FedAvgScheduler):
    """Learn.

    Args:
        words: What to look for.
        step: How far.
    """

    def __init__(self, words: list[str], step: float = 0.5, name: str | None = None, is_quick: bool = True):
        super().__init__(max_rounds=2)
        self.words, self.step, self.name, self.is_quick = words, step, name, is_quick
        if step > 1:
            raise ValueError("too far")

    def build_model(self):
        return torch.nn.Linear(1, 1)

    def build_optimizer(self, model): ...
    def build_train_dataloader(self): ...
    def build_test_dataloader(self): ...
    def train_an_epoch(self): ...
    def run_test(self): ...
'''


@pytest.fixture
def own(tmp_path) -> Path:
    """Return a file of one's own without a data verification."""
    file = tmp_path / "own_submission.py"
    file.write_text(OWN)
    return file


def test_the_agents_side_imports_no_torch():
    program = (
        "import sys, alphamed_tutorials.playground.page.submissions as s; s.examples(); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.slow
def test_an_example_is_described_as_a_form_asks_for_it():
    assert submissions.examples()[0] == "mnist"
    found = submissions.describe("mnist")
    assert (found["name"], found["rounds"], found["num_threads"]) == ("mnist", 15, 1)
    assert found["titles"] == {"zh": "手写数字识别（MNIST）", "en": "Handwritten digits (MNIST)"}
    settings = {each.pop("name"): each for each in found["settings"]}
    assert settings["learning_rate"] == {
        "kind": "float", "default": "0.05", "meaning": "Step size of SGD.", "is_required": False,
    }  # fmt: skip
    assert not {"max_rounds", "seed", "data_dir"} & settings.keys(), "they have a place of their own"
    assert found["verification"] == (find("mnist").folder / "dataset_verify.py").read_text("utf-8")


@pytest.mark.slow
def test_an_examples_code_is_that_of_the_command_line(tmp_path):
    settings = {"learning_rate": "0.01", "batch_size": "64"}
    train, verify = submissions.make(tmp_path / "made", "mnist", 3, 7, settings)
    expected = archive("mnist", 3, {"seed": 7, "learning_rate": 0.01})

    def content(packed: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(packed)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}

    assert content(train) == content(expected[0]) and verify == expected[1]


@pytest.mark.slow
def test_code_of_ones_own(own, tmp_path):
    found = submissions.describe(str(own))
    assert (found["rounds"], found["verification"]) == (None, DEFAULT_VERIFICATION)
    shown = [(each["name"], each["default"], each["is_required"]) for each in found["settings"]]
    assert shown == [("words", "", True), ("step", "0.5", False), ("name", "", False), ("is_quick", "true", False)]
    assert found["settings"][0]["meaning"] == "What to look for."
    given = {"words": '["yes", "no"]', "step": "0.5", "name": "", "is_quick": "true"}
    train, verify = submissions.make(tmp_path / "made", str(own), None, 0, given)
    assert verify.decode() == DEFAULT_VERIFICATION
    with zipfile.ZipFile(io.BytesIO(train)) as opened:
        assert set(opened.namelist()) == {"entry.pickle", "own_submission.py"}


def test_a_file_is_found_from_its_own_folder(own, monkeypatch):
    """There, what other modules say of their files may look like files that lie beside it."""
    monkeypatch.chdir(own.parent)
    monkeypatch.setattr("torch.classes.__file__", "_classes.py")
    code, _ = make(find(own.name), 2, 0, {"words": ["yes"]})
    with zipfile.ZipFile(io.BytesIO(code.train)) as opened:
        assert set(opened.namelist()) == {"entry.pickle", "own_submission.py"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"words": '["yes"]', "step": "far"}, "step=far: far is no float"),
        ({"words": '["yes"]', "stepp": "1"}, "did you mean step?"),
        ({"words": '["yes"]', "step": "2"}, "own_submission.py, line 20: ValueError: too far"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said(own, tmp_path, settings, said):
    with pytest.raises(TutorialError) as refused:
        submissions.make(tmp_path / "made", str(own), 1, 0, settings)
    assert said in str(refused.value)


@pytest.mark.slow
def test_what_cannot_be_described_is_said(own):
    with pytest.raises(TutorialError, match="there is no example, folder or file nothing"):
        submissions.describe("nothing")
    own.write_text("raise KeyError('missing')")
    with pytest.raises(TutorialError, match=r"own_submission.py, line 1: KeyError: 'missing'"):
        submissions.describe(str(own))
    own.write_text("import os; os._exit(3)")
    with pytest.raises(TutorialError, match="its process was ended"):
        submissions.describe(str(own))


@pytest.mark.slow
def test_code_that_takes_too_long_is_ended(own, tmp_path):
    own.write_text(f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    with pytest.raises(TutorialError, match="not made within 10 seconds"):
        submissions.make(tmp_path / "made", str(own), 1, 0, {}, seconds=10)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()
