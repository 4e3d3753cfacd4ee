"""A task of one's own: started by `new`, made ready for AlphaMed by `pack`."""

import contextlib
import csv
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from sampled import in_soak_but_every

from alphamed_tutorials.catalogue import find, find_all
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.errors import TutorialError, WrongUse
from alphamed_tutorials.share import trial
from alphamed_tutorials.share.code import read_code
from alphamed_tutorials.share.new import TEMPLATES, new
from alphamed_tutorials.share.pack import pack


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """Return the folder of a new task; tests copy it before they change it."""
    return new("demo_task", folder=tmp_path_factory.mktemp("new"))


@pytest.fixture
def own(demo, tmp_path) -> Path:
    """Return a copy of a new task that may be changed."""
    return shutil.copytree(demo, tmp_path / "demo_task")


@pytest.fixture(autouse=True)
def one_server(server, monkeypatch):
    """Let `pack` fork its clean processes from the one server that all tests share."""
    monkeypatch.setattr(trial, "Server", lambda: contextlib.nullcontext(server))


def change(file: Path, old: str, changed: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, changed), encoding="utf-8")


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def load_verify(file: Path):
    specification = importlib.util.spec_from_file_location("DatasetVerify", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.DatasetVerify("task", "hospital")


# new


def test_a_new_task_is_complete_and_carries_its_name(demo):
    assert {file.name for file in demo.iterdir()} == {
        "README.md", "__init__.py", "data", "dataset_verify.py", "make_data.py", "scheduler.py",
    }  # fmt: skip
    text = "".join(file.read_text(encoding="utf-8") for file in demo.glob("*.*"))
    assert "class DemoTaskScheduler" in text and "my_task" not in text and "MyTask" not in text
    assert list(demo.parent.iterdir()) == [demo]


def test_the_same_name_gives_the_same_bytes(demo, tmp_path):
    assert content(new("demo_task", folder=tmp_path)) == content(demo)


def test_a_new_task_learns_from_data_of_its_own(demo, tmp_path):
    finished = run(demo, out=tmp_path / "run")
    losses = [row.value for row in finished.rows if row.name == "train/loss" and row.node == "hospital_a"]
    assert finished.record["rounds"] == 10 and finished.metrics["test/accuracy"] > 0.88
    assert losses[-1] < 0.5 * losses[0]
    again = run(demo, out=tmp_path / "again")
    assert (again.path / "model.pt").read_bytes() == (finished.path / "model.pt").read_bytes()


def test_one_hospital_alone_trains_as_the_plain_loop_does(own, tmp_path):
    change(own / "scheduler.py", "        return nn.Seq", "        torch.manual_seed(1)\n        return nn.Seq")
    federated = run_local(find(own).build_scheduler(3), own / "data", tmp_path / "run", only="hospital_b")
    outer_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the engine
    scheduler = find(own).build_scheduler()
    scheduler.data_dir = str(own / "data" / "hospital_b")
    model = scheduler.build_model()
    optimizer, loader = scheduler.build_optimizer(model), scheduler.build_train_dataloader()
    for _ in range(3):
        for inputs, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    torch.set_num_threads(outer_threads)
    states = torch.load(federated.path / "model.pt", weights_only=True), model.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_its_network_becomes_torchscript(demo):
    model = find(demo).build_scheduler().build_model().eval()
    inputs = torch.randn(5, 4)
    assert torch.equal(torch.jit.script(model)(inputs), model(inputs))


DAMAGES = {
    "cut off": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "a web page": lambda file: file.write_text("<!DOCTYPE html>\n<html><body>404</body></html>\n"),
    "empty": lambda file: file.write_bytes(b""),
    "header only": lambda file: file.write_bytes(file.read_bytes().splitlines(keepends=True)[0]),
    "missing": Path.unlink,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "no number": lambda file: file.write_bytes(file.read_bytes() + b"x,120,6,22,0\n"),
    "not a number": lambda file: file.write_bytes(file.read_bytes() + b"nan,120,6,22,0\n"),
    "an impossible age": lambda file: file.write_bytes(file.read_bytes() + b"230,120,6,22,0\n"),
    "a value too many": lambda file: file.write_bytes(file.read_bytes() + b"30,120,6,22,0,1\n"),
    "another encoding": lambda file: file.write_bytes("年龄".encode("gbk") + file.read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_dataset_verify_refuses_and_names_the_file(own, damage):
    file = own / "data" / "hospital_a" / "train.csv"
    checker = load_verify(own / "dataset_verify.py")
    checker.data_dir = str(file.parent)
    assert checker.verify_data()[0] is True and checker.run() is True
    damage(file)
    is_sound, reason = checker.verify_data()
    assert is_sound is False and str(file) in reason and checker.run() is False


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_dataset_verify_says_how_to_save_a_file_of_another_encoding(own, encoding):
    file = own / "data" / "hospital_a" / "train.csv"
    text = file.read_text("utf-8") + "年龄"
    file.write_bytes(text.encode(encoding))
    checker = load_verify(own / "dataset_verify.py")
    checker.data_dir = str(file.parent)
    assert checker.verify_data() == (False, f"{file}: 请另存为 UTF-8 is no UTF-8 text: save it as UTF-8")


def test_dataset_verify_takes_what_excel_writes(own):
    file = own / "data" / "hospital_a" / "train.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    checker = load_verify(own / "dataset_verify.py")
    checker.data_dir = str(file.parent)
    assert checker.verify_data()[0]
    scheduler = find(own).build_scheduler()
    scheduler.data_dir = str(file.parent)
    assert len(scheduler.build_train_dataloader().dataset) == 200


def test_dataset_verify_imports_under_an_sdk_without_data_checker(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "alphafed.scheduler", None)
    assert load_verify(own / "dataset_verify.py").run() is False  # the platform's folder is not on this machine


def test_scheduler_and_verify_look_in_one_place(demo):
    assert find(demo).scheduler_class.data_dir == find(demo).verify_class.data_dir
    header = next(csv.reader([(demo / "data/aggregator/test.csv").read_text().splitlines()[0]]))
    assert header == list(find(demo).member("dataset_verify", "LIMITS"))


@pytest.mark.parametrize("name", ["9lives", "my-task", "class", "", "a/b", "numpy", "random", "mnist"])
def test_names_that_will_not_do(name, tmp_path):
    with pytest.raises(WrongUse):
        new(name, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_as_it_is(own):
    before = content(own)
    with pytest.raises(WrongUse, match="exists already"):
        new("demo_task", folder=own.parent)
    assert content(own) == before


def test_a_file_beside_it_is_not_hidden(tmp_path):
    (tmp_path / "mine.py").touch()
    with pytest.raises(WrongUse, match=r"mine\.py lies beside it"):
        new("mine", folder=tmp_path)


def test_making_data_twice_overwrites_nothing(own):
    before = content(own)
    done = subprocess.run([sys.executable, own / "make_data.py"], capture_output=True, text=True)
    assert done.returncode == 1 and "exists already" in done.stderr and content(own) == before


def test_nothing_is_left_when_the_data_cannot_be_made(tmp_path, monkeypatch):
    templates = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (templates / "new" / "make_data.py").write_text("raise SystemExit('no room')")
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("alphamed_tutorials.share.new.TEMPLATES", templates)
    with pytest.raises(TutorialError, match="no room"):
        new("demo_task", folder=tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_chinese_name_and_place(tmp_path):
    (tmp_path / "我的 文件夹").mkdir()
    folder = new("糖尿病", folder=tmp_path / "我的 文件夹")
    assert find(folder).scheduler_class.__name__ == "糖尿病Scheduler"
    report = pack(folder, tmp_path / "上传 文件")
    assert {"糖尿病/scheduler.py", "entry.pickle"} <= {each["name"] for each in report["src.zip"]}


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_a_copy_of_an_example_is_whole(example, tmp_path):
    name = f"own_{example.name}"
    folder = new(name, like=example.name, folder=tmp_path)
    expected = {file.name for file in example.folder.iterdir() if file.name != "__pycache__"}
    assert {file.name for file in folder.iterdir()} == expected | {"README.md"}
    assert "--8<--" not in "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    assert example.name in (folder / "README.md").read_text(encoding="utf-8")
    copied = find(folder)
    assert copied.scheduler_class.__module__ == f"{name}.scheduler"
    assert copied.scheduler_class is not example.scheduler_class and copied.facts == example.facts


def test_like_something_unknown_lists_the_examples(tmp_path):
    with pytest.raises(WrongUse, match="mnist"):
        new("mine", like="mnsit", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


# pack


@pytest.fixture(scope="module")
def packed(demo, tmp_path_factory) -> tuple[Path, dict]:
    """Return what `pack` made of the new task, and its report."""
    out = tmp_path_factory.mktemp("packed") / "upload"
    return out, pack(demo, out, num_rounds=4, settings={"learning_rate": 0.5})


@pytest.fixture(scope="module", params=in_soak_but_every(4, find_all()), ids=lambda example: example.name)
def packed_example(request, tmp_path_factory) -> tuple:
    out = tmp_path_factory.mktemp("packed") / "upload"
    return request.param, out, pack(request.param, out)


def test_every_example_packs_into_what_it_imports(packed_example):
    example, out, report = packed_example
    code = {f"{example.name}/{name}.py" for name in ("__init__", "model", "data", "scheduler", "dataset_verify")}
    archived = {each["name"] for each in report["src.zip"]}
    assert archived - {"requirements.txt"} == code | {"entry.pickle"}
    assert ("requirements.txt" in archived) == bool(example.facts.requirements) == (out / "requirements.txt").exists()
    assert code | {"DatasetVerify.py", "README.md", "src.zip", "submit.ipynb"} <= set(content(out))
    assert (out / "DatasetVerify.py").read_bytes() == (example.folder / "dataset_verify.py").read_bytes()
    assert report["warnings"] == []


def test_a_file_that_is_read_while_the_task_is_made_comes_along(packed_example):
    example, out, report = packed_example
    read = {str(file.name) for file in example.folder.glob("*.txt")}
    assert {Path(name).name for name in content(out) if name.startswith(example.name) and name.endswith(".txt")} == read
    assert not read & {Path(each["name"]).name for each in report["src.zip"]}


def test_the_same_input_gives_the_same_bytes_without_a_path_of_this_machine(demo, packed, tmp_path):
    again = tmp_path / "another name"
    report = pack(str(demo), again, num_rounds=4, settings={"learning_rate": 0.5})
    assert content(again) == content(packed[0])
    assert {**report, "out": ""} == {**packed[1], "out": ""}
    for place in (demo.parent, packed[0].parent, Path(sys.prefix)):
        assert not [name for name, data in content(again).items() if str(place).encode() in data]


def test_the_notebook_makes_what_was_asked_for(packed, tmp_path):
    upload = shutil.copytree(packed[0], tmp_path / "upload")
    notebook = json.loads((upload / "submit.ipynb").read_text(encoding="utf-8"))
    source = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    before_submit = source.replace("scheduler.submit(TASK_ID)", "print(scheduler.max_rounds, scheduler.learning_rate)")
    done = subprocess.run([sys.executable, "-c", before_submit], cwd=upload, capture_output=True, text=True)
    assert done.stdout.split() == ["4", "0.5"], done.stderr
    assert source.index("torch._ops.__file__") < source.index("scheduler.submit(TASK_ID)")


def test_src_zip_is_what_submit_sends_also_from_beside_it(demo, packed):
    out, report = packed
    with zipfile.ZipFile(out / "src.zip") as archive:
        assert {info.filename: info.file_size for info in archive.infolist()} == {
            each["name"]: each["bytes"] for each in report["src.zip"]
        }
    assert trial.try_out(out, read_code(find(demo))).archive == (out / "src.zip").read_bytes()


def test_the_report_lists_every_file_with_its_size(packed):
    out, report = packed
    assert {each["name"]: each["bytes"] for each in report["files"]} == {n: len(d) for n, d in content(out).items()}


FAULTS = {
    "an import that a node cannot follow": (
        "import csv\n", "import csv\n\nfrom helper import double\n", r"scheduler\.py, line 5: .*from \.helper import",
    ),
    "a late import": (
        "        self.model.train()\n", "        from .helper import double\n\n        self.model.train()\n",
        r"helper\.py is imported later, inside a function",
    ),
    "a file read on the node": (
        "        return nn.Sequential(",
        "        Path(__file__).with_name('sizes.txt').read_text()\n        return nn.Sequential(",
        r"sizes\.txt beside itself",
    ),
    "our own package": ("import csv\n", "import csv\n\nimport alphamed_tutorials\n", "does not have alphamed_tutorials"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "changed", "message"), FAULTS.values(), ids=FAULTS)
def test_what_would_fail_on_a_node_is_refused(own, tmp_path, old, changed, message):
    (own / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (own / "sizes.txt").write_text("4 16 2")
    change(own / "scheduler.py", old, changed)
    with pytest.raises(TutorialError, match=message):
        pack(own, tmp_path / "upload")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["demo_task"]


def test_a_module_from_another_place_of_this_machine_is_refused(own, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "far_helper.py").write_text("")
    monkeypatch.syspath_prepend(elsewhere)
    change(own / "scheduler.py", "import csv\n", "import csv\n\nimport far_helper\n")
    with pytest.raises(TutorialError, match=r"scheduler\.py, line 5: .*far_helper.*neither lies in .*demo_task nor is"):
        pack(own, tmp_path / "upload")
    change(
        own / "scheduler.py",
        "import far_helper\n",
        f"import sys\n\nsys.path.append({str(elsewhere)!r})\nimport far_helper\n",
    )
    with pytest.raises(TutorialError, match=r"far_helper\.py, which lies outside"):
        pack(own, tmp_path / "upload")


def test_dataset_verify_travels_alone(own, tmp_path):
    (own / "helper.py").write_text("")
    change(own / "dataset_verify.py", "import csv\n", "import csv\nfrom . import helper\n")
    with pytest.raises(TutorialError, match=r"dataset_verify\.py, line 4: DatasetVerify\.py travels alone"):
        pack(own, tmp_path / "upload")


def test_without_dataset_verify_it_says_where_to_write_it(own, tmp_path):
    (own / "dataset_verify.py").unlink()
    with pytest.raises(WrongUse, match=r"write a class DatasetVerify into .*dataset_verify\.py"):
        pack(own, tmp_path / "upload")
    assert not (tmp_path / "upload").exists()


def test_rounds_requirements_and_a_path_of_this_machine(own, tmp_path):
    scheduler = own / "scheduler.py"
    change(scheduler, "max_rounds: int = 10, ", "")
    change(scheduler, "max_rounds=max_rounds", "max_rounds=10")
    change(scheduler, "import csv\n", "import csv\n\nimport requests\nimport sklearn\n")
    kept = "        self.learning_rate = learning_rate\n"
    change(scheduler, kept, f"{kept}        self.cache = {str(tmp_path / 'cache')!r}\n")
    report = pack(own, tmp_path / "upload", num_rounds=6)
    assert "scheduler.max_rounds = 6" in (tmp_path / "upload" / "submit.ipynb").read_text()
    assert report["requirements"] == ["scikit-learn"]  # the SDK brings requests
    assert (tmp_path / "upload" / "requirements.txt").read_text() == "scikit-learn\n"
    assert "requirements.txt" in {each["name"] for each in report["src.zip"]}
    assert len(report["warnings"]) == 1 and str(tmp_path) in report["warnings"][0]


def test_a_verify_file_that_is_no_python_is_named(own, tmp_path):
    (own / "dataset_verify.py").write_text("class DatasetVerify(:\n")
    with pytest.raises(TutorialError, match=r"SyntaxError: .*line 1"):
        pack(own, tmp_path / "upload")


def test_an_existing_folder_is_not_packed_into(own, tmp_path):
    (tmp_path / "upload").mkdir()
    with pytest.raises(WrongUse, match="exists already"):
        pack(own, tmp_path / "upload")


# The command


def test_new_and_pack_as_commands(playground, tmp_path):
    made = playground("new", "my_demo", "--json")
    assert made.code == 0 and made.json["folder"] == "my_demo" and "scheduler.py" in made.json["files"]
    assert playground("verify", "my_demo").code == 0
    done = playground("pack", "my_demo", "--out", "upload", "--set", "learning_rate=0.2", "--rounds", "3", "--json")
    assert done.code == 0 and {each["name"] for each in done.json["files"]} == set(content(tmp_path / "upload"))
    wrong = playground("pack", "my_demo", "--out", "other", "--set", "learning=1")
    assert wrong.code == 2 and "learning_rate" in wrong.err and not (tmp_path / "other").exists()
