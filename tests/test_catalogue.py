"""What can be run: an example of ours, a folder, a file, a class or an object."""

import subprocess
import sys

import pytest
from schedulers import Tiny

from alphamed_tutorials.catalogue import EXAMPLES, TargetError, find, find_all
from alphamed_tutorials.errors import TutorialError, WrongUse

TASK = """
from schedulers import Tiny

class {name}(Tiny):
    def __init__(self, hidden: int = 4{more}):
        super().__init__(max_rounds=5)
        self.hidden = hidden

    def train_an_epoch(self):
        super().train_an_epoch()
"""


@pytest.fixture(autouse=True)
def _own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file of a task below a folder with Chinese letters and a blank."""

    def call(name: str, text: str = TASK.format(name="Mine", more="")):
        file = tmp_path / "我的 任务" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return call


def test_ours_are_found_by_name_in_reading_order():
    found = find_all()
    assert found[0].name == "mnist"
    assert all(find(example.name) == example and find(example.key).folder == example.folder for example in found)


def test_a_folder_of_ours_is_ours_however_it_is_named():
    assert find(EXAMPLES / "mnist") == find("mnist")
    assert find(find("mnist").scheduler_class).key == "mnist"
    assert find(find("mnist").scheduler_class(seed=3)).key == "mnist"


def test_a_file_is_enough(write):
    target = find(write("my_task.py"))
    assert target.name == "my_task" and target.scheduler_class.__name__ == "Mine"
    assert target.facts.title.zh == "my_task" and target.facts.metrics == []
    assert find(target.key) == target


def test_a_file_with_several_schedulers_wants_one_named(write):
    both = TASK.format(name="A", more="") + TASK.format(name="B", more="")
    file = write("two.py", both)
    with pytest.raises(
        TargetError, match=r"two.py should define exactly one.*it defines A, B: name one, as in .*two.py:A"
    ):
        _ = find(file).scheduler_class
    assert find(f"{file}:B").scheduler_class.__name__ == "B"
    assert find(f"{file}:B").key == f"{file}:B"
    with pytest.raises(TargetError, match=r"should define C, it defines A, B"):
        _ = find(f"{file}:C").scheduler_class


def test_a_class_that_another_one_of_the_file_derives_from_is_not_meant(write):
    file = write("derived.py", TASK.format(name="A", more="") + "\nclass B(A):\n    pass\n")
    assert find(file).scheduler_class.__name__ == "B"
    assert find(f"{file}:A").scheduler_class.__name__ == "A"


def test_a_folder_is_enough_whatever_its_file_is_called(write):
    file = write("folder_task/training.py")
    write("folder_task/helpers.py", "x = 1\n")
    target = find(file.parent)
    assert target.name == "folder_task" and target.scheduler_class.__module__ == "folder_task.training"
    write("folder_task/again.py")
    with pytest.raises(TargetError, match=r"has no scheduler.py, and again.py, training.py in it"):
        _ = find(file.parent).scheduler_class


def test_modules_beside_it_are_found_with_and_without_a_dot(write):
    write("with_data/data.py", "import numbers_of_it\nfrom .more import y\nx = 1\n")
    write("with_data/more.py", "y = 2\n")
    write("with_data/numbers_of_it.py", "z = 3\n")
    file = write("with_data/scheduler.py", "from .data import x\n" + TASK.format(name="Mine", more=""))
    target = find(file.parent)
    assert target.scheduler_class.__name__ == "Mine" and target.optional("data", "x") == 1
    assert target.optional("model", "Predictor") is None
    assert [path.name for path in target.source_files] == ["data.py", "more.py", "numbers_of_it.py", "scheduler.py"]


def test_the_source_of_a_file_are_the_files_it_imports(write):
    write("beside.py", "import beside_too\n")
    write("beside_too.py", "import beside\n")
    write("stranger.py", "")
    file = write("importing.py", "import beside\n" + TASK.format(name="Mine", more=""))
    assert [path.name for path in find(file).source_files] == ["importing.py", "beside.py", "beside_too.py"]


def test_the_same_name_in_another_folder_is_another_task(tmp_path, write):
    for folder, name in (("one", "First"), ("two", "Second")):
        target = find(write(f"{folder}/same_name.py", TASK.format(name=name, more="")))
        assert target.scheduler_class.__name__ == name


def test_a_class_or_an_object_is_a_target():
    assert find(Tiny).scheduler_class is Tiny
    target = find(Tiny(seed=3))
    assert target.build_scheduler(num_rounds=7).seed == 3 and target.scheduler.max_rounds == 7
    assert target.build_scheduler(settings={"seed": 4}).seed == 4
    with pytest.raises(TargetError, match="7 is no scheduler"):
        find(7)


def test_a_class_of_a_script_is_known_in_its_process_only(write):
    script = write(
        "script.py",
        TASK.format(name="Mine", more="") + "from alphamed_tutorials import find\nprint([find(Mine()).key])\n",
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
    assert done.stdout == "['']\n", done.stderr


def test_rounds_and_seed_reach_a_scheduler_with_or_without_such_arguments(write):
    target = find(write("plain.py"))
    scheduler = target.build_scheduler(num_rounds=9, seed=3)
    assert scheduler.max_rounds == 9 and scheduler.seed is None
    assert target.build_scheduler().max_rounds == 5
    assert find(Tiny).build_scheduler(seed=3).seed == 3


def test_an_argument_without_a_default_must_be_given(write):
    target = find(write("needing.py", TASK.format(name="Mine", more=", *, width")))
    with pytest.raises(WrongUse, match="Mine needs values for width: give them with --set width=…"):
        target.build_scheduler()
    assert target.build_scheduler(settings={"width": 1}).hidden == 4


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("bad-name.py", TASK, "bad-name.py cannot be imported.*give the file a name of letters"),
        ("torch.py", TASK, "torch.py has the name of a module that Python or a package brings"),
        ("code.py", TASK, "code.py has the name of a module"),
        ("notes.ipynb", "{}", "is a notebook: save its code as a .py file"),
        ("empty/notes.txt", "", "is a folder without a Python file"),
    ],
)
def test_what_cannot_be_a_target_is_refused(write, name, text, reason):
    file = write(name, text)
    with pytest.raises(TargetError, match=reason):
        find(file.parent if file.suffix == ".txt" else file)


def test_what_is_not_there_lists_what_is():
    with pytest.raises(TargetError, match="there is no example, folder or file nonsense: choose one of mnist, "):
        find("nonsense")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import torch\n\n1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no data')\n", "line 2: SystemExit: no data"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n", "line 2: SystemExit: 2"),
        ("import not_installed_anywhere\n", "line 1: ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("def broken(:\n", "line 1: SyntaxError: invalid syntax"),
    ],
)
def test_code_that_fails_while_it_is_loaded_is_named_with_its_line(write, text, reason):
    file = write("failing.py", text)
    with pytest.raises(TutorialError, match=rf"failing.py.*{reason}"):
        _ = find(file).scheduler_class


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_code_that_was_saved_in_another_encoding_is_named_with_the_cure(write, encoding):
    file = write("saved.py", "")
    file.write_bytes("name = '肺炎'\n".encode(encoding))
    with pytest.raises(TutorialError, match=r"saved.py.*SyntaxError: .*Save this file as UTF-8$"):
        _ = find(file).scheduler_class
