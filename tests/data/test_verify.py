"""Any DatasetVerify can be asked about any folder, and whatever it does ends in a verdict with file and line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from oldsdk import VERSIONS, unpack

from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.data import limits
from alphamed_tutorials.data.folders import SYSTEM_NAMES, find_nodes
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.data.verify import verify
from alphamed_tutorials.errors import TutorialError, WrongUse

NEW = """
from pathlib import Path
from alphafed.scheduler import DataChecker

class DatasetVerify(DataChecker):
    data_dir = "/data/pets"

    def __init__(self, task_id, current_node):
        self.node = current_node

    def verify_data(self):
        if not (Path(self.data_dir) / "pets.csv").exists():
            return False, f"{self.node}: {self.data_dir}/pets.csv is missing"
        return True, "sound"
"""
OLD = """
import logging
import os

logger = logging.getLogger("app")

class DatasetVerify:
    def __init__(self, task_id, current_node):
        self.folder = "/data/pets"

    def run(self) -> bool:
        logger.debug("not shown")
        found = os.path.exists(os.path.join(self.folder, "pets.csv"))
        logger.info("looked at %s", self.folder)
        if not found:
            logger.error("pets.csv is missing")
        return found
"""


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a lone `DatasetVerify.py` and returns its path."""
    file = tmp_path / "code" / "DatasetVerify.py"
    file.parent.mkdir()

    def make(code, old="", new=""):
        assert old in code
        file.write_text(code.replace(old, new, 1), encoding="utf-8")
        sys.modules.pop("DatasetVerify", None)
        return file

    yield make
    sys.modules.pop("DatasetVerify", None)


@pytest.fixture
def data(tmp_path):
    """Return a node's folder that is sound, beside one that is empty."""
    for name in ("good", "空 的"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "good" / "pets.csv").touch()
    return tmp_path / "data"


def line_of(file, text):
    lines = file.read_text("utf-8").splitlines()
    return next(i for i, line in enumerate(lines, start=1) if text in line)


# ---- both forms


def test_verify_data_is_asked_about_each_folder(file, data):
    found = verify(file(NEW), nodes={"a": data / "good", "b": data / "空 的"})
    assert found == {
        "a": {"ok": True, "reason": "sound"},
        "b": {"ok": False, "reason": f"b: {data}/空 的/pets.csv is missing"},
    }


def test_the_lines_that_run_logs_are_the_reason(file, data, caplog):
    found = verify(file(OLD), nodes={"a": data / "good", "b": data / "空 的"})
    assert found == {
        "a": {"ok": True, "reason": f"looked at {data}/good"},
        "b": {"ok": False, "reason": f"looked at {data}/空 的\npets.csv is missing"},
    }


def test_nothing_is_left_on_the_logger(file, data):
    import logging

    logger = logging.getLogger("app")
    before = logger.level, list(logger.handlers)
    verify(file(OLD, "logger.debug", "raise RuntimeError  #"), data / "good")
    assert (logger.level, logger.handlers) == before


def test_one_folder_is_one_node(file, data):
    assert list(verify(file(NEW), data / "good")) == ["good"]


def test_the_command_verifies_a_lone_file(file, data, playground):
    target = file(OLD)
    finished = playground("verify", target, "--data", data / "good", "--json")
    assert finished.code == 0 and finished.json["nodes"]["good"]["ok"] is True
    finished = playground("verify", target, "--node", f"b={data / '空 的'}")
    assert finished.code == 1 and "refused b" in finished.err and "Traceback" not in finished.err


@pytest.mark.parametrize(
    "init",
    ["", "    def __init__(self):\n        pass\n", "    def __init__(self, *args):\n        assert len(args) == 2\n"],
)
def test_init_with_and_without_arguments(file, data, init):
    code = NEW.replace("    def __init__(self, task_id, current_node):\n        self.node = current_node\n", init)
    assert verify(file(code), data / "good")["good"]["ok"] is True


# ---- pointing it to the data

PATHS = {
    "a text": ("", ""),
    "nothing yet": ('data_dir = "/data/pets"', "data_dir = None"),
    "a place of its own": ('data_dir = "/data/pets"', 'data_dir = "/home/me/pets"'),
    "a path": ('data_dir = "/data/pets"', 'data_dir = Path("/data/pets")'),
}


@pytest.mark.parametrize("name", PATHS)
def test_data_dir_is_set_whatever_it_holds(file, data, name):
    code = file(NEW, *PATHS[name])
    assert verify(code, data / "good")["good"]["ok"] is True
    assert verify(code, data / "空 的")["空 的"]["ok"] is False


def test_a_path_below_the_folder_moves_with_it(file, data):
    (data / "good" / "sub").mkdir()
    (data / "good" / "sub" / "pets.csv").touch()
    code = NEW.replace(
        "        self.node = current_node", '        self.table = Path(self.data_dir) / "sub" / "pets.csv"'
    )
    code = code.replace('(Path(self.data_dir) / "pets.csv")', "self.table").replace("{self.node}", "")
    assert verify(file(code), data / "good")["good"]["ok"] is True
    assert verify(file(code), data / "空 的")["空 的"]["ok"] is False


FIXED = """
class DatasetVerify:
    def verify_data(self):
        return open("/data/pets/pets.csv").read() != "", "sound"
"""
TWO = OLD.replace('self.folder = "/data/pets"', 'self.cats, self.dogs = "/data/cats", "/data/dogs"')


@pytest.mark.parametrize(
    ("code", "text"), [(FIXED, "it reads a path that cannot be"), (TWO, "dogs is no folder below")]
)
def test_a_path_that_cannot_be_changed_is_said(file, data, code, text):
    verdict = verify(file(code), data / "good")["good"]
    assert verdict["ok"] is False and text in verdict["reason"]
    assert f"DatasetVerify.py, line {line_of(file(code), 'class ')}: " in verdict["reason"]
    assert "give DatasetVerify an attribute, as in data_dir" in verdict["reason"]


def test_required_splits_are_set_only_where_there_are_some(file, data):
    report = '        return True, repr(getattr(self, "required_splits", None))\n'
    code = NEW.replace('        return True, "sound"\n', report)
    asked = {"nodes": {"a": data / "good"}, "aggregator": data / "good"}
    assert {v["reason"] for v in verify(file(code), **asked).values()} == {"None"}
    code = code.replace("    data_dir =", "    required_splits = ('train',)\n    data_dir =")
    assert {n: v["reason"] for n, v in verify(file(code), **asked).items()} == {
        "aggregator": "('test',)",
        "a": "('train',)",
    }


# ---- what goes wrong

ASK = '        return True, "sound"'
WRONG = {
    "an exception": (NEW, ASK, "        return 1 / 0", "ZeroDivisionError: division by zero", "1 / 0"),
    "exit": (NEW, ASK, "        raise SystemExit(0)", "SystemExit: 0", "SystemExit"),
    "exit in init": (NEW, "        self.node = ", "        exit(3)\n        self.node = ", "SystemExit: 3", "exit(3)"),
    "nothing": (NEW, ASK, "        return None", "verify_data() returned None: return whether", "def verify_data"),
    "a bool alone": (NEW, ASK, "        return True", "verify_data() returned True: return whether", "def verify_data"),
    "no text": (NEW, ASK, "        return True, 1", "verify_data() returned (bool, int): return", "def verify_data"),
    "a list": (NEW, ASK, '        return [True, "x"]', "verify_data() returned a list: return", "def verify_data"),
    "a number for ok": (
        NEW,
        ASK,
        '        return 1, "x"',
        "verify_data() returned (int, str): return",
        "def verify_data",
    ),
    "run gives nothing": (OLD, "return found", "found", "run() returned None: return True or False", "def run"),
    "run gives text": (OLD, "return found", "return 'yes'", "run() returned a str: return True or False", "def run"),
    "run raises": (OLD, "return found", "return open('/no/such')", "FileNotFoundError: ", "open("),
    "arguments": (
        NEW,
        "task_id, current_node",
        "task, node, more",
        "calls DatasetVerify(task_id, current",
        "def __init__",
    ),
    "no method": (OLD, "def run", "def check", "it has no method verify_data, nor run", "class "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_goes_wrong_is_a_verdict_with_file_and_line(file, data, name):
    code, old, new, text, place = WRONG[name]
    target = file(code, old, new)
    verdict = verify(target, data / "good")["good"]
    assert verdict["ok"] is False and text in verdict["reason"]
    assert f"{target}, line {line_of(target, place)}: " in verdict["reason"], verdict["reason"]


def test_a_checker_without_its_one_method_is_named(file, data):
    reason = verify(file(NEW, "def verify_data", "def verify"), data / "good")["good"]["reason"]
    assert "DatasetVerify.py: TypeError: Can't instantiate abstract class" in reason


def test_a_run_that_says_nothing_is_told_how(file, data):
    verdict = verify(file(OLD, 'logger.info("looked at %s", self.folder)', "pass"), data / "good")["good"]
    assert verdict["ok"] is True and 'log the reason with logging.getLogger("app")' in verdict["reason"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("class Verify: pass", "DatasetVerify.py defines no DatasetVerify"),
        ("import no_such_module", "line 1: ModuleNotFoundError"),
    ],
)
def test_a_file_without_the_class_is_no_verdict(file, data, code, text):
    with pytest.raises(TutorialError, match=text):
        verify(file(code), data / "good")


def test_thousands_of_reasons_are_some_lines_and_steer_no_terminal(file, data):
    answer = "        return False, '\\n'.join(f'\\x1b[31m{i}' for i in range(5000))"
    lines = verify(file(NEW, ASK, answer), data / "good")["good"]["reason"].splitlines()
    assert len(lines) == limits.MOST_LINES + 1 and lines[0] == r"\x1b[31m0" and "4970 more problems" in lines[-1]


def test_a_path_that_ends_like_the_node_is_shown_whole(file, data, playground):
    answer = "        return False, f'{self.node}: /x/{self.node}: 1\\n{self.node}: /y/{self.node}: 2'"
    finished = playground("verify", file(NEW, ASK, answer), "--node", f"good={data / 'good'}")
    assert "/x/good: 1" in finished.out + finished.err and "/y/good: 2" in finished.out + finished.err


def test_nothing_to_verify(file):
    with pytest.raises(WrongUse, match="--data DIR"):
        verify(file(NEW))


# ---- which folders are nodes


def make_folders(root, *names):
    for name in names:
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.parametrize("home", ["nodes", "."])
def test_folders_of_a_prepared_folder_or_any_folder_of_folders(tmp_path, home):
    root = make_folders(
        tmp_path / "我的 数据", *(f"{home}/{n}" for n in ("node10", "node2", "aggregator", "协和 医院"))
    )
    (root / home / "notes.txt").touch()
    found = find_nodes(root)
    assert list(found) == ["aggregator", "node2", "node10", "协和 医院"]
    assert found["协和 医院"].samefile(root / home / "协和 医院")


@pytest.mark.parametrize(
    "name", [*sorted(SYSTEM_NAMES), ".DS_Store", "._node1", ".ipynb_checkpoints", "@eaDir", "Thumbs.db"]
)
def test_what_file_managers_leave_is_never_a_node(tmp_path, name):
    assert list(find_nodes(make_folders(tmp_path, "aggregator", "a", name))) == ["aggregator", "a"]


def test_folders_named_one_by_one(tmp_path):
    root = make_folders(tmp_path, "x/数据 一", "y", "tests")
    found = find_nodes(nodes={"协和 医院": root / "x" / "数据 一", "b": str(root / "y")}, aggregator=root / "tests")
    assert list(found) == ["aggregator", "b", "协和 医院"] and found["aggregator"].samefile(root / "tests")


def test_nodes_beside_data_are_added(tmp_path):
    root = make_folders(tmp_path, "data/aggregator", "data/a", "elsewhere")
    assert list(find_nodes(root / "data", {"b": root / "elsewhere"})) == ["aggregator", "a", "b"]
    with pytest.raises(WrongUse, match="there are two nodes a"):
        find_nodes(root / "data", {"a": root / "elsewhere"})


def test_the_folder_with_the_test_data_is_no_owner_too(tmp_path):
    root = make_folders(tmp_path, "a", "b", "tests")
    assert list(find_nodes(root, aggregator=root / "tests")) == ["aggregator", "a", "b"]


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\\b", "a\nb", ".hidden", "aggregator"])
def test_names_that_would_not_do(tmp_path, name):
    with pytest.raises(WrongUse, match="is no name for a node|cannot be called aggregator"):
        find_nodes(nodes={name: tmp_path}, aggregator=tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", os.fsdecode("节点".encode("gbk"))])
def test_folders_whose_names_would_not_do_are_refused_in_one_line(tmp_path, playground, name):
    root = make_folders(tmp_path / "data", "aggregator", "node1", name)
    for command in ("run", "verify"):
        finished = playground(command, "mnist", "--data", str(root))
        assert finished.code == 2 and finished.err.count("\n") == 2 and "has to be renamed" in finished.err


def test_a_blank_of_another_script_is_a_blank(tmp_path):
    assert "协和　医院" in find_nodes(make_folders(tmp_path, "aggregator", "协和　医院"))


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        ([], "there is no such data folder"),
        (["nodes"], "does not say which folder holds the test data"),
        (["nodes/node1"], r"does not say which folder holds the test data.*found: node1"),
        (["nodes/aggregator"], "holds no data owner"),
    ],
)
def test_a_folder_that_is_not_enough(tmp_path, folders, text):
    make_folders(tmp_path, *(f"data/{folder}" for folder in folders))
    with pytest.raises(WrongUse, match=text):
        find_nodes(tmp_path / "data")


@pytest.mark.parametrize("given", [{"nodes": {"a": "no/such"}}, {"aggregator": "no/such"}])
def test_a_named_folder_that_is_none(given):
    with pytest.raises(WrongUse, match="no/such, the folder .* is no folder"):
        find_nodes(**given)


# ---- ours: on today's SDK, and on those of before, which know no DataChecker


@pytest.fixture(scope="session", params=["installed", *VERSIONS])
def sdk(request, tmp_path_factory) -> Path | None:
    """Return a folder that holds an old SDK; None for the one that is installed."""
    return None if request.param == "installed" else unpack(request.param, tmp_path_factory)


PROGRAM = """
import inspect, logging, runpy, sys
import alphafed.scheduler
base = getattr(alphafed.scheduler, "DataChecker", None)
assert (base is None) == bool(sys.argv[1]) and alphafed.__file__.startswith(sys.argv[1])
lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("app").addHandler(handler)
for file, folder in zip(sys.argv[2::2], sys.argv[3::2]):
    kind = runpy.run_path(file)["DatasetVerify"]
    assert base is None or issubclass(kind, base)
    assert kind.data_dir.startswith("/data/alphamed-federated-dataset/tutorials/")
    assert list(inspect.signature(kind).parameters) == ["task_id", "current_node"]
    verify = kind(task_id="task", current_node="hospital")
    for place, expected in ((folder, True), (folder + "/none", False)):
        verify.data_dir = place
        lines.clear()
        assert verify.run() is expected, (file, lines)
        assert lines[0].startswith("hospital: ") and ("(数据可用)" in lines[0]) is expected, (file, lines)
assert not [name for name in sys.modules if name.startswith("alphamed")]
print(len(sys.argv))
"""


def test_every_dataset_verify_stands_alone_on_every_sdk(sdk, prepared, tmp_path):
    arguments = [str(sdk or "")]
    for example in find_all():
        file = tmp_path / example.name / "DatasetVerify.py"
        file.parent.mkdir()
        file.write_bytes((example.folder / "dataset_verify.py").read_bytes())
        arguments += [str(file), str(prepared(example.name) / "nodes" / "node1")]
    environment = {"PYTHONPATH": str(sdk or ""), "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.split()[-1] == str(2 + 2 * len(find_all())), done.stderr


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Return a function that prepares an example's embedded data, once."""
    made = {}

    def prepared(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "data"
            prepare(name, made[name], 3)
        return made[name]

    return prepared


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_every_example_is_verified_on_every_node(example, prepared):
    found = verify(example, prepared(example.name))
    assert list(found) == ["aggregator", "node1", "node2", "node3"]
    assert all(verdict["ok"] for verdict in found.values()), found
