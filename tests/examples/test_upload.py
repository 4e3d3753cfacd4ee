"""The files of an example on their way: copied elsewhere, submitted by the SDK, unpacked and run in a clean process."""

import ast
import json
import shutil
import subprocess
import sys
import threading
import uuid
import zipfile
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from alphamed_tutorials.catalogue import Target, find_all

UPLOADED = ("model", "data", "scheduler", "dataset_verify")
ON_THE_PLATFORM = {"torch", "torchvision", "torchaudio", "numpy", "alphafed"}

every_example = pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
every_file = pytest.mark.parametrize("name", UPLOADED)


@every_example
@every_file
def test_uploaded_files_import_only_what_the_platform_has(example, name):
    tree = ast.parse((example.folder / f"{name}.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    relative = [node.module for node in imports if isinstance(node, ast.ImportFrom) and node.level]
    assert set(relative) <= (set() if name == "dataset_verify" else set(UPLOADED))  # DatasetVerify travels alone
    names = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in imports if isinstance(node, ast.ImportFrom) and not node.level]
    foreign = {name.split(".")[0] for name in names} - ON_THE_PLATFORM - set(sys.stdlib_module_names)
    assert foreign <= set(example.facts.requirements)  # the guide says to write them into requirements.txt


@every_example
@every_file
def test_uploaded_files_only_define_when_they_are_imported(example, name):
    definitions = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
    nodes = ast.parse((example.folder / f"{name}.py").read_text(encoding="utf-8")).body
    for node in nodes:
        if isinstance(node, ast.Try):  # an import, and what stands in for it on an older SDK
            nodes += [*node.body, *(line for handler in node.handlers for line in handler.body)]
            continue
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert isinstance(node, definitions) or is_docstring, f"{name}.py, line {node.lineno}"


class Service(BaseHTTPRequestHandler):
    """The three calls of the node service that `submit` makes; what came lies in the server's `files` and `calls`."""

    def do_POST(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        data = {}
        if url.path == "/file/upload":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            (part,) = BytesParser().parsebytes(head + body).get_payload()
            data["f_url"] = f"http://files/{len(self.server.files)}"
            self.server.files[data["f_url"]] = part.get_payload(decode=True)
            self.server.calls.append((url.path, {key: value[0] for key, value in parse_qs(url.query).items()}))
        else:
            self.server.calls.append((url.path, json.loads(body)))
        answer = json.dumps({"code": 0, "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_): ...


@pytest.fixture(scope="module")
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.files, server.calls = {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# In the author's folder. The hook sees every file and every connection that Python opens.
SUBMIT = """
import importlib, logging, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "")
logging.getLogger("alphafed"), logging.getLogger("task")
import torch, torchvision, torchaudio
from alphafed.contractor.task_contractor import TaskContractor
from alphafed.fed_avg import FedAvgScheduler

watching = True
def watch(event, arguments):
    if watching and event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir", "os.remove"):
        raise AssertionError(f"{event} at import: {arguments}")
    if watching and event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise AssertionError(f"written at import: {arguments}")
sys.addaudithook(watch)
modules = [importlib.import_module(f"my_task.{name}") for name in ("model", "data", "scheduler", "dataset_verify")]
watching = False

TaskContractor._URL, task_id = sys.argv[1:]
members = vars(modules[2]).values()
(scheduler_class,) = [
    x for x in members if isinstance(x, type) and issubclass(x, FedAvgScheduler) and x.__module__ == "my_task.scheduler"
]
scheduler = scheduler_class(max_rounds=3, seed=1)

# The SDK packs every module whose file seems to lie in the current folder, and two modules of today's torch give bare
# names for their files. The guide shows these two lines.
try:
    scheduler.submit(task_id)
except FileNotFoundError as error:
    assert error.filename.endswith(("/_ops.py", "/_classes.py")), error
else:
    raise AssertionError("torch or the SDK got better: take the two lines out, of the guide too")
torch.ops.__file__ = torch._ops.__file__
torch.classes.__file__ = torch._classes.__file__

scheduler.submit(task_id)
modules[3].DatasetVerify(task_id, "author").submit(task_id)
assert not any(name.startswith("alphamed_tutorials") for name in sys.modules)
"""

# On a node: nothing of ours can be imported there.
RECEIVE = """
import logging, pickle, sys
sys.modules["alphamed_tutorials"] = None
logging.getLogger("alphafed"), logging.getLogger("task")
unpacked, data = sys.argv[1:]
sys.path.insert(0, unpacked)
import torch
torch.set_num_threads(1)

class Writer:
    scalars = {}
    def add_scalar(self, name, value, step):
        self.scalars[name] = float(value)

def load(kind):
    with open(f"{unpacked}/{kind}.pickle", "rb") as file:
        return pickle.load(file)

def at(kind, node):
    task = load(kind)
    task.data_dir = f"{data}/nodes/{node}"
    return task

scheduler = at("scheduler", "node1")
assert scheduler.__module__ == "my_task.scheduler" and scheduler.max_rounds == 3
scheduler.tb_writer, scheduler.current_round = Writer(), 1
assert isinstance(scheduler.build_model(), torch.nn.Module) and len(scheduler.build_train_dataloader().dataset)
before = {name: value.clone() for name, value in scheduler.state_dict().items()}
scheduler.validate_context()
scheduler.train_an_epoch()
assert any(not torch.equal(before[name], value) for name, value in scheduler.state_dict().items())
aggregator = at("scheduler", "aggregator")
aggregator.tb_writer, aggregator.current_round = Writer(), 1
aggregator.load_state_dict(scheduler.state_dict())
aggregator.run_test()
assert any(name.startswith("train/") for name in Writer.scalars), Writer.scalars
assert any(name.startswith("test/") for name in Writer.scalars), Writer.scalars

checker = at("verify", "node2")
assert checker.__module__ == "my_task.dataset_verify"
ok, reason = checker.verify_data()
assert ok and checker.run() is True, reason
checker.data_dir = f"{data}/nodes/nobody"
ok, reason = checker.verify_data()
assert not ok and "nobody" in reason and checker.run() is False, reason
assert load("scheduler").data_dir.startswith("/data/alphamed-federated-dataset/"), "AlphaMed's own folder by default"
"""


@pytest.fixture(scope="module", params=find_all(), ids=lambda example: example.name)
def submitted(request, service, tmp_path_factory) -> tuple[Target, Path, list, list[Path]]:
    """Submit an example's scheduler and DatasetVerify from a foreign folder; return both calls and both archives."""
    example, task_id = request.param, f"test-{uuid.uuid4().hex}"
    author = tmp_path_factory.mktemp("author")
    (author / "my_task").mkdir()
    for name in UPLOADED:
        shutil.copy(example.folder / f"{name}.py", author / "my_task")
    for file in example.folder.glob("*.txt"):  # read by __init__, on the author's machine only
        shutil.copy(file, author / "my_task")
    service.calls.clear()
    service.files.clear()
    command = [sys.executable, "-c", SUBMIT, f"http://127.0.0.1:{service.server_port}", task_id]
    try:
        finished = subprocess.run(command, cwd=author, capture_output=True, text=True)
    finally:
        shutil.rmtree(Path("/tmp", task_id), ignore_errors=True)  # the SDK's own choice of folder
    assert finished.returncode == 0, finished.stderr
    archives = []
    for content in service.files.values():
        archives.append(author / f"{len(archives)}.zip")
        archives[-1].write_bytes(content)
    return example, author, list(service.calls), archives


def test_the_author_leaves_nothing_beside_the_files(submitted):
    _, author, _, _ = submitted
    found = {
        str(path.relative_to(author))
        for path in author.rglob("*")
        if path.is_file() and path.suffix not in (".zip", ".txt")
    }
    assert found == {f"my_task/{name}.py" for name in UPLOADED}


def test_the_sdk_uploads_and_registers_both(submitted):
    _, _, calls, archives = submitted
    paths = [path for path, _ in calls]
    assert paths == [
        "/file/upload", "/federated/task/train/upload", "/file/upload", "/federated/task/verify/upload",
    ]  # fmt: skip
    assert [content["f_url"] for _, content in calls[1::2]] == ["http://files/0", "http://files/1"]
    assert {content["file_type"] for _, content in calls[1::2]} == {"pickle"} and len(archives) == 2


def test_the_archives_hold_the_task_and_no_path_of_the_author(submitted):
    example, author, _, archives = submitted
    places = {str(author), str(example.folder), str(Path.home()), sys.prefix, str(Path(__file__).parents[2])}
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            assert set(opened.namelist()) == {"entry.pickle"} | {f"my_task/{name}.py" for name in UPLOADED}
            for name in opened.namelist():
                assert not [place for place in places if place.encode() in opened.read(name)], name


def test_a_clean_process_elsewhere_trains_tests_and_verifies(submitted, make_small, tmp_path):
    example, _, _, archives = submitted
    shutil.copytree(make_small(example.name), tmp_path / "data")
    for archive, kind in zip(archives, ("scheduler", "verify")):
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(tmp_path / "unpacked")
        (tmp_path / "unpacked/entry.pickle").rename(tmp_path / f"unpacked/{kind}.pickle")
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-c", RECEIVE, str(tmp_path / "unpacked"), str(tmp_path / "data")]
    finished = subprocess.run(command, cwd=tmp_path / "empty", capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert list((tmp_path / "empty").iterdir()) == []


@every_example
def test_dataset_verify_alone_under_the_platforms_name(example, tmp_path, monkeypatch):
    import importlib.util
    import inspect

    file = shutil.copy(example.folder / "dataset_verify.py", tmp_path / "DatasetVerify.py")
    specification = importlib.util.spec_from_file_location("DatasetVerify", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert list(inspect.signature(module.DatasetVerify).parameters) == ["task_id", "current_node"]
    assert module.DatasetVerify("task", "node").run() is False  # the platform's folder is not on this machine
