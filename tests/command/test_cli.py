"""The `playground` command as its user meets it: what it prints where, its exit codes, and what it leaves behind."""

import errno
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import EXAMPLES, find_all
from alphamed_tutorials.runs.folder import Metric, Run
from record_options import every_command

PLAYGROUND = str(Path(sys.executable).with_name("playground"))
COMMANDS = every_command()


def copy_example(folder: Path, bug: str) -> Path:
    """Copy the MNIST example, with a line put first into its local training."""
    copied = shutil.copytree(EXAMPLES / "mnist", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "scheduler.py"
    first = "        self.model.train()"
    text = file.read_text()
    assert text.count(first) == 1
    file.write_text(text.replace(first, f"        {bug}\n{first}"))
    return copied


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_that_parses(name, playground):
    finished = playground(*name.split(), "--help")
    line = re.search(rf"Example: (playground {name}\b.*)", finished.out)
    assert finished.code == 0 and line, finished.out
    words = shlex.split(COMMANDS[name].epilog[len("Example: [bold]") : -len("[/bold]")])
    COMMANDS[name].make_context(name, words[1 + len(name.split()) :])


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"task"}))  # which is a group of commands
def test_every_command_takes_json(name):
    assert "--json" in {option for parameter in COMMANDS[name].params for option in parameter.opts}


def test_without_a_command_the_help_is_shown(playground):
    finished = playground()
    assert (
        finished.code == 2
        and all(name in finished.out for name in COMMANDS if " " not in name)
        and "Exit codes" in finished.out
    )


# The whole way, each step in a process of its own, in an empty folder


@pytest.mark.parametrize("step", ["prepare", "verify", "run", "metrics", "export"])
def test_a_step_succeeds_with_one_json_object_on_stdout(chain, step):
    assert chain[step].returncode == 0, chain[step].stderr
    assert isinstance(json.loads(chain[step].stdout), dict) and len(chain[step].stdout.splitlines()) == 1
    assert "Warning" not in chain[step].stderr and "Traceback" not in chain[step].stderr


def test_what_the_steps_say_and_leave(chain):
    folder = chain["folder"]
    said = {step: json.loads(chain[step].stdout) for step in chain if step != "folder"}
    assert said["prepare"]["nodes"] == 2 and sum(said["prepare"]["counts"]["node1"]["train"].values()) > 100
    assert all(verdict["ok"] for verdict in said["verify"]["nodes"].values()) and len(said["verify"]["nodes"]) == 3
    assert said["run"].keys() == {"run", "state", "outcome", "seconds", "metrics"}
    assert said["run"]["run"] == "runs/mnist-1" and said["run"]["state"] == "done" and said["run"]["seconds"] > 0
    assert said["metrics"]["metrics"] == said["run"]["metrics"] and 0 < said["run"]["metrics"]["test/accuracy"] <= 1
    assert said["export"]["torchscript"]["file"] == "runs/mnist-1/model.ts" and "file" in said["export"]["onnx"]
    assert sorted(path.name for path in folder.iterdir()) == ["data", "metrics.csv", "metrics.png", "runs"]
    assert (folder / "metrics.csv").read_bytes() == (folder / "runs/mnist-1/metrics.csv").read_bytes()
    assert (folder / "metrics.png").read_bytes().startswith(b"\x89PNG")
    assert not list((folder / "runs/mnist-1").glob(".model*"))
    assert "round 2/2: test/accuracy" in chain["run"].stderr  # progress, where no terminal is


# The other ways to start a run


def test_run_without_data_prepares_embedded_data_for_one_node(playground, tmp_path):
    finished = playground("run", "mnist", "--nodes", "1", "--rounds", "1", "--seed", "3")
    assert finished.code == 0
    assert re.search(r"round .*test/accuracy .*test/loss", finished.out) and "round 1/1:" in finished.err
    record = Run.open("runs/mnist-1").record
    assert record["seed"] == 3 and list(record["nodes"]) == ["aggregator", "node1"] and record["rounds_done"] == 1
    assert json.loads(Path("runs/mnist-1/data/prepare.json").read_text())["nodes"] == 1
    assert os.listdir(tmp_path) == ["runs"]


def test_an_existing_run_folder_is_refused_and_untouched(playground, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    finished = playground("run", "mnist", "--out", "mine")
    assert finished.code == 2 and "mine exists already" in finished.err and "Traceback" not in finished.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "run nope",
            "there is no example, folder or file nope: choose one of " + ", ".join(x.name for x in find_all()),
        ),
        ("run mnist --data nothing", "nothing: there is no such data folder"),
        ("run mnist --data .", "does not say which folder holds the test data"),
        ("run mnist --data x --nodes 2", "the data bring their own nodes: leave out --nodes"),
        ("compare mnist --data x --partition owners", "the data bring their own nodes: leave out --nodes"),
        ("run mnist --nodes 5000 --rounds 1", "cannot be split over 5000 nodes"),
        ("run mnist --rounds 0", "--rounds"),
        ("prepare mnist --partition thirds --out data", '"thirds" is not a partition'),
        ("prepare mnist --source nothing --out data", "nothing: there is no such folder"),
        ("compare mnist --nodes 5000", "cannot be split over 5000 nodes"),
        ("record mnist --results nothing", "nothing is no folder"),
        ("resume nothing", "nothing is not a run folder"),
        ("metrics nothing", "nothing is not a run folder"),
        ("export nothing", "nothing is not a run folder"),
        ("verify mnist", "--data"),
        ("walk", "walk"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2_and_leaves_nothing(arguments, words, playground, tmp_path):
    finished = playground(*arguments.split())
    assert finished.code == 2
    assert words in " ".join(finished.err.split()) and "Traceback" not in finished.err and finished.out == ""
    assert not any(path.is_file() for path in tmp_path.rglob("*")) and not list(tmp_path.glob("runs/*"))


def test_a_failing_command_says_so_in_its_json(playground):
    finished = playground("run", "nope", "--json")
    assert finished.code == 2 and "there is no example, folder or file nope" in finished.json["error"]


def test_what_the_system_refuses_is_said_in_its_words_with_the_cure(playground, finished_run, monkeypatch):
    def refuse(source, target, **_):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copytree", refuse)
    finished = playground("new", "my_task", "--like", "mnist")
    assert finished.code == 1 and finished.err.count("\n") == 2
    told = r"Error: \[Errno 28\] No space left on device: '.*': 1 GiB is enough .* the disk has .* left: make room"
    assert re.match(told, finished.err)
    monkeypatch.setattr(os, "replace", refuse)
    finished = playground("metrics", finished_run, "--csv", "values.csv")
    told = r"Error: values.csv cannot be written \(No space left on device\): about \d+ bytes are needed"
    assert finished.code == 1 and re.match(told, finished.err)


# Data that will not do


def test_damaged_data_is_refused_by_node_and_file(chain, playground, tmp_path):
    data = shutil.copytree(chain["folder"] / "data", tmp_path / "data")
    file = data / "nodes/node2/MNIST/raw/train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:100])
    finished = playground("verify", "mnist", "--data", "data", "--json")
    assert finished.code == 1 and "refused node2" in finished.err
    verdicts = finished.json["nodes"]
    assert [verdict["ok"] for verdict in verdicts.values()] == [True, True, False]
    assert "node2" in verdicts["node2"]["reason"] and file.name in verdicts["node2"]["reason"]


def test_what_is_named_as_next_can_be_copied(playground, finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "运行 $1")
    for command in (["prepare", "mnist", "--nodes", "1", "--out", "数据 mnist $x"], ["resume", run]):
        finished = playground(*command)
        following = re.sub(r"\s+", " ", finished.out + finished.err).partition("Next: ")[2]
        assert playground(*shlex.split(following)[1:]).code == 0


def test_one_node_can_be_verified_alone(chain, playground):
    finished = playground("verify", "mnist", "--data", chain["folder"] / "data/nodes/node1", "--json")
    assert finished.code == 0 and list(finished.json["nodes"]) == ["node1"]


# Metrics


def test_metrics_never_writes_over_a_file(playground, finished_run, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    for option in ("--csv", "--plot"):
        finished = playground("metrics", finished_run, option, "mine.csv")
        assert finished.code == 2 and "mine.csv exists already" in finished.err
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_metrics_names_what_it_cannot_write(playground, finished_run, tmp_path):
    unknown = playground("metrics", finished_run, "--plot", "curve.xyz", "--csv", "values.csv")
    assert unknown.code == 2 and ".png, .svg or .pdf" in unknown.err
    nowhere = playground("metrics", finished_run, "--csv", "nowhere/values.csv")
    assert nowhere.code == 2 and "nowhere is no folder" in nowhere.err
    assert list(tmp_path.iterdir()) == []


def test_metrics_shows_of_which_round_a_value_is(playground, tmp_path):
    run = Run.create(tmp_path / "run")
    run.update(state="done")
    run.rows = [Metric(3, "aggregator", "test/loss", 0.5), Metric(4, "node1", "train/loss", 0.25)]
    run.write_metrics()
    lines = [re.findall(r"[\w./]+", line) for line in playground("metrics", "run").out.splitlines()]
    assert ["test/loss", "0.5000", "3"] in lines and ["train/loss", "0.2500", "4"] in lines


def test_metrics_of_a_run_that_has_none_yet(playground, tmp_path):
    Run.create(tmp_path / "fresh").update(state="running")
    finished = playground("metrics", "fresh")
    assert finished.code == 2 and "no metrics yet: its state is running" in finished.err


# An example of one's own, with a bug


def test_a_failing_example_is_named_and_resumed_when_mended(start, tmp_path):
    bug = 'if self.current_round == 2 and self.data_dir.endswith("node2"): raise ValueError("my bug")'
    scheduler = copy_example(tmp_path / "my_mnist", bug) / "scheduler.py"
    line = 1 + scheduler.read_text().splitlines().index(f"        {bug}")
    failed = start("run", "./my_mnist", "--nodes", "2", "--rounds", "3", "--json", cwd=tmp_path)
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    message = failed.stderr[failed.stderr.index("Error: ") :].splitlines()
    assert message[0] == f"Error: node2 failed in round 2: {scheduler}, line {line}, in train_an_epoch"
    assert "ValueError: my bug" in message and "playground resume runs/my_mnist-1" in message[-2]
    said = json.loads(failed.stdout)
    assert said["state"] == "failed" and said["run"] == "runs/my_mnist-1" and "my bug" in said["error"]
    assert "my bug" in (tmp_path / "runs/my_mnist-1/logs/node2.log").read_text()

    # mended, with a breakpoint to look around: the debugger takes the place of the progress bar
    scheduler.write_text(scheduler.read_text().replace('raise ValueError("my bug")', "breakpoint()"))
    question = "p 'batches of', self.batch_size\nc\n"
    resumed = start("resume", "runs/my_mnist-1", cwd=tmp_path, input=question)
    assert resumed.returncode == 0, resumed.stderr
    assert "('batches of', 64)" in resumed.stdout
    assert "round 1/3" not in resumed.stderr and "round 3/3" in resumed.stderr
    assert Run.open(tmp_path / "runs/my_mnist-1").record["rounds_done"] == 3


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("scheduler.py", "import nothing_of_that_name", "scheduler.py, line 1: ModuleNotFoundError"),
        ("scheduler.py", "def broken(:\n", "(scheduler.py, line 1)"),
        ("scheduler.py", "x = 1\n", "should define exactly one subclass of FedAvgScheduler, it defines none"),
        ("scheduler.py", None, "has no scheduler.py"),
        ("example.toml", "title = [", "example.toml is damaged"),
        ("example.toml", "order = 1", "example.toml does not say what it should: title: Field required"),
    ],
)
def test_an_example_that_cannot_be_loaded(file, content, words, playground, tmp_path, request):
    name = f"broken_{abs(hash(request.node.name))}"  # a name of its own: modules stay imported
    folder = copy_example(tmp_path / name, "pass")
    (folder / file).unlink() if content is None else (folder / file).write_text(content)
    finished = playground("run", f"./{name}")
    assert finished.code in (1, 2) and words in finished.err and "Traceback" not in finished.err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_dataset_verify_that_raises_is_a_refusal_with_its_line(chain, playground, tmp_path):
    folder = copy_example(tmp_path / "verify_raises", "pass")
    file = folder / "dataset_verify.py"
    file.write_text(file.read_text() + "    def verify_data(self):\n        return 1 / 0\n")
    finished = playground("verify", "./verify_raises", "--data", chain["folder"] / "data", "--json")
    reason = finished.json["nodes"]["node1"]["reason"]
    assert finished.code == 1 and "dataset_verify.py, line " in reason and "ZeroDivisionError" in reason


def test_a_prepare_that_raises_names_its_line_and_leaves_nothing(playground, tmp_path):
    folder = copy_example(tmp_path / "prepare_raises", "pass")
    (folder / "prepare.py").write_text("def read(source, scratch):\n    (scratch / 'half').mkdir()\n    return 1 / 0\n")
    finished = playground("prepare", "./prepare_raises", "--out", "data")
    assert finished.code == 1 and "prepare.py, line 3: ZeroDivisionError" in finished.err
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_a_package_is_refused(playground, tmp_path):
    copy_example(tmp_path / "my-mnist", "pass")
    finished = playground("run", "./my-mnist")
    assert finished.code == 2 and "letters, digits and _" in finished.err


# Stopped by its user, on a terminal


def test_ctrl_c_on_a_terminal_tells_how_to_go_on(tmp_path):
    shown, code = on_terminal(
        *["run", "mnist", "--nodes", "1", "--rounds", "500"], cwd=tmp_path, stop_after=b"round 1/500"
    )
    assert "setting up" in shown and "/500 rounds" in shown  # the bar
    last = shown.split("Error: ")[-1]
    assert code == 1 and "stopped by Ctrl-C" in last and "playground resume runs/mnist-1" in last
    assert "Traceback" not in shown
    assert Run.open(tmp_path / "runs/mnist-1").state == "interrupted"


def on_terminal(*arguments: str, cwd: Path, stop_after: bytes) -> tuple[str, int]:
    """Run the command on a terminal, press Ctrl-C there, and return what it showed and its exit code."""
    main_end, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    child = subprocess.Popen(
        [sys.executable, "-c", AS_SESSION_LEADER, PLAYGROUND, *arguments],
        cwd=cwd, env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    shown, pressed = b"", False
    while True:
        try:
            piece = os.read(main_end, 65536)
        except OSError:  # the child has closed its end
            break
        if not piece:
            break
        shown += piece
        if stop_after in shown and not pressed:
            os.write(main_end, b"\x03")
            pressed = True
    os.close(main_end)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()), child.wait(timeout=60)


# Ctrl-C reaches the processes whose terminal it is, unless a shell in the background had them ignore it.
AS_SESSION_LEADER = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


# Pipes, narrow terminals, start


@pytest.mark.parametrize("arguments", ["list", "list --json", "--help"])
def test_a_reader_that_went_away_is_no_error_with_a_traceback(arguments, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [PLAYGROUND, *arguments.split()]
    streams = {"stdout": write_end, "stderr": subprocess.PIPE, "text": True}
    finished = subprocess.run(command, cwd=tmp_path, env=environment, **streams)
    os.close(write_end)
    assert "Traceback" not in finished.stderr and "BrokenPipe" not in finished.stderr


def test_what_needs_no_torch_starts_without_it(finished_run, tmp_path):
    script = f"""
        import sys
        from alphamed_tutorials import command as cli
        from alphamed_tutorials.command import doctor
        doctor._probe = lambda: {{"versions": {{}}, "errors": {{}}, "gpu": ""}}
        calls = ["list", "--help", "run --help", "doctor", "run nope", "run mnist --data nothing", "resume nothing",
                 "metrics {finished_run}", "export nothing", "record mnist --results nothing"]
        for call in calls:
            sys.argv = ["playground", *call.split()]
            try:
                cli.main()
            except SystemExit:
                pass
            slow = {{"torch", "alphafed", "matplotlib", "sklearn"}} & set(sys.modules)
            assert not slow, (call, slow)
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_a_missing_sdk_is_one_line_of_advice(finished_run, tmp_path):
    script = f"""
        import sys
        from alphamed_tutorials.command import main
        class NoSDK:
            def find_spec(name, *_):
                if name == "alphafed":
                    raise ModuleNotFoundError("No module named 'alphafed'", name="alphafed")
        sys.meta_path.insert(0, NoSDK)
        sys.argv = "playground run mnist --data {finished_run}/data".split()
        main()
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert finished.returncode == 1
    assert finished.stderr.splitlines() == [
        "Error: AlphaMed's SDK is missing: pip install --no-deps alphamed-federated==0.4.9",
        "More about it: playground explain sdk-missing",
    ]


def test_list_and_doctor_in_json(playground, monkeypatch):
    from alphamed_tutorials.command import doctor

    listed = playground("list", "--json").json["examples"]
    assert [example["name"] for example in listed] == [example.name for example in find_all()]
    monkeypatch.setattr(doctor, "checks", lambda: [doctor.Check("memory", False, "1 GiB", "buy some")])
    finished = playground("doctor", "--json")
    assert finished.code == 1 and finished.json["checks"][0]["advice"] == "buy some" and "memory" in finished.err


def test_fetch_reports_files_and_what_next(playground, monkeypatch):
    from alphamed_tutorials.data import download

    def fetch(tables, out, on_progress):
        on_progress("images.gz", 5, 10)
        on_progress("images.gz", 10, 10)
        return [Path(out) / table["path"] for table in tables]

    monkeypatch.setattr(download, "fetch", fetch)
    finished = playground("fetch", "mnist", "--out", "official", "--json")
    assert finished.code == 0 and len(finished.json["files"]) == 4
    assert "playground prepare mnist --source official" in finished.err


@pytest.mark.parametrize("arguments", ["fetch ./bare_facts --out official", "record ./bare_facts --results ."])
def test_an_example_without_what_a_command_needs(arguments, playground, tmp_path):
    facts = copy_example(tmp_path / "bare_facts", "pass") / "example.toml"
    facts.write_text(facts.read_text().partition("# Experiments")[0])
    finished = playground(*arguments.split())
    assert finished.code == 2 and "the example.toml of" in finished.err and not list(tmp_path.glob("runs/*"))


def test_resume_of_a_finished_run_shows_it(playground, finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    before = (tmp_path / "run/run.json").read_bytes()
    finished = playground("resume", "run", "--json")
    assert finished.code == 0 and finished.json["state"] == "done" and finished.json["run"] == "run"
    assert (tmp_path / "run/run.json").read_bytes() == before


def test_brackets_in_names_are_shown_as_they_are(playground, finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "[red]run")
    assert "[red]run: done" in playground("metrics", "[red]run").out


def test_long_messages_are_not_folded(playground, finished_run):
    folder = "a" * 90
    assert f"Error: {folder} is no folder: make" in playground("metrics", finished_run, "--csv", f"{folder}/x.csv").err
