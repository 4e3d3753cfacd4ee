"""Every error leads to a symptom that is explained, and every symptom's texts are what is really said."""

import ast
import importlib.util
import itertools
import pickle
import pwd
import re
import subprocess
import threading
import types
from pathlib import Path
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from saying import PART, Reader, _name
from torch import nn
from torch.utils.data import DataLoader, default_collate

import alphamed_tutorials
from alphamed_tutorials.symptoms import find_all, symptom_of
from symptoms import THREAD, read

SOURCE = Path(alphamed_tutorials.__file__).parent
SYMPTOMS = find_all()
# What carries somebody else's text and adds nothing that could be explained, by place.
PASSED_ON = {
    "command/runs.py": "a node's failure, with the way to go on",
    "engines/node.py": "what another node failed of",
    "engines/averaging.py": "what is wrong with an entry, with its name",
    "engines/task.py": "what averaging.py says of a node",
    "engines/failures.py": "what a method of the user's does wrong",
    "engines/refusals.py": "what averaging.py says, with where the entry comes from",
    "experiments/compare.py": "the failure of one of the runs, with where they lie",
    "playground/agent/witness.py": "what the audit says",
    "flower/supernodes.py": "what a peer sent, and why it will not do",
    "flower/engine.py": "what failed, with the way to go on",
    "playground/engine.py": "the reasons of the nodes' verifications",
    "playground/page/submissions.py": "what the task's own process said",
    "command/playground.py": "what the audit says",
    "data/samples.py": "what a prepare.py raised",
    "target.py": "what the user's file raised",
}
# Ours, and explained nowhere, because nobody meets them who does not know what they are about.
NOT_EXPLAINED = {
    "nothing is known of": "said by the command that explains",
    "was recorded with another": "said to who records a new version of the site's results",
    "record it first, playground record": "the same",
    "has no recorded experiment": "the same",
    "was recorded from": "the same",
    "--check trains as many rounds": "the same",
    "what is no file of torch.save()": "another node does not run this software; nothing here is to be mended",
    "what cannot be read safely": "the same",
    "a TorchScript program in the place": "the same",
    "the address of something that is no file of this task": "the same",
    " as ": "the same: an entry that is no tensor",
    " is expected": "the same: an entry of another type",
    "that is not as agreed": "the same, on Flower",
    "a message that is none of": "the same",
    "a message without the parameters": "the same",
    "a turn without the state to go on from": "the same",
}


class Plain:
    """Any class of somebody's own."""


def raised(call) -> str:
    """Return what a call raises, with the name of its kind, as a terminal shows it."""
    with pytest.raises(Exception) as caught:
        call()
    return f"{caught.type.__name__}: {caught.value}"


def save_and_load(file: Path) -> None:
    torch.save(Plain(), file)
    torch.load(file, weights_only=True)


def save_on_a_card_and_load(file: Path) -> None:
    with mock.patch("torch.serialization.location_tag", return_value="cuda:0"):
        torch.save(torch.zeros(1), file)
    assert torch.load(file, map_location="cpu") == 0  # the cure
    torch.load(file)


# What Python and torch say, by symptom: each is made to happen.
OTHERS = {
    "bytecode": [lambda _: types.CodeType(1), lambda _: types.CodeType(*6 * [0], b"", (), (), (), "", "", 3, 1, b"", b"")],
    "cannot-pickle": [lambda _: pickle.dumps(threading.Lock())],
    "empty-loader": [lambda _: DataLoader([], shuffle=True)],
    "index-out-of-range": [lambda _: nn.Embedding(2, 2)(torch.tensor([5]))],
    "lone-sample": [lambda _: nn.BatchNorm1d(2)(torch.zeros(1, 2)), lambda _: nn.InstanceNorm1d(2)(torch.zeros(1, 2, 1))],
    "not-utf8": [lambda _: b"\xff".decode()],
    "out-of-memory": [lambda _: torch.empty(2**60)],
    "size-mismatch": [lambda _: nn.Linear(2, 2).load_state_dict(nn.Linear(3, 2).state_dict())],
    "stack-size": [lambda _: default_collate([torch.zeros(2), torch.zeros(3)])],
    "target-out-of-bounds": [lambda _: F.cross_entropy(torch.zeros(1, 2), torch.tensor([5]))],
    "trained-on-a-card": [lambda folder: save_on_a_card_and_load(folder / "file")],
    "uid-not-found": [lambda _: pwd.getpwuid(2**31 - 7)],
    "weights-only": [lambda folder: save_and_load(folder / "file")],
}  # fmt: skip
# What cannot be made to happen here, and where it was read.
NOT_HERE = {
    "playground: command not found": "a test of its own",
    "No module named 'alphamed_tutorials'": "Python's words for any module",
    "No module named 'alphafed'": "Python's words; test_a_missing_sdk_is_one_line_of_advice",
    "No matching distribution found for torch==1.11": "pip's, with a registry",
    "TorchCodec is required": "torchaudio's, from 2.9",
    "No space left on device": "the system's: errno",
    "Disk quota exceeded": "the system's: errno",
    "Read-only file system": "the system's: errno",
    "Too many open files": "the system's: errno",
    "received 0 items of ancdata": "multiprocessing's",
    "CUDA out of memory": "torch's, with a graphics card",
    "killed by signal 9": "the playground's agent: a signal's number",
    "is killed by signal: Bus error": "torch's, without shared memory",
    "insufficient shared memory": "torch's, without shared memory",
    "Expected all tensors to be on the same device": "torch's, with a graphics card",
    "/aggregator/t10k-": "a path that MNIST's verification names",
    "the file is missing (缺少文件)": "the examples' verifications, which import nothing of ours",
    "is a web page, not data": "the examples' verifications",
    "is not UTF-8": "the examples' verifications",
    "ModuleNotFoundError": "Python's",
    "ImportError": "Python's",
    "SyntaxError": "Python's",
    "unknown opcode": "older Pythons'",
    "/_ops.py": "torch 2.12's file",
    "cannot import name 'DataChecker'": "Python's, with an old SDK: test_every_dataset_verify_stands_alone_on_every_sdk",
    "任务状态不对": "AlphaMed's own page",
}


def errors_of(reader: Reader) -> list[tuple[str, int, str]]:
    """Return each text that an error of ours may have: its file, its line, the text with ⟦⟧ for its parts."""
    classes = {"TutorialError", "BrokenContract", "Diverged", "Fault"}
    defined = [node for tree in reader.trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {each.name for each in defined if {_name(base) for base in each.bases} & classes} - classes:
        classes |= more
    place = {"BrokenContract": 1, "Refusal": 1, "Stranger": 1, "PeerRefused": 1}  # which argument is the text
    return [
        (file.relative_to(SOURCE).as_posix(), call.lineno, PART.sub("⟦⟧", said))
        for file, tree in reader.trees.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and classes & {_name(call.func), _class_of_init(reader, call)}
        for argument in call.args[place.get(_name(call.func), 0) :][:1]
        for said in dict.fromkeys(reader.renderings(argument))
    ]


def _class_of_init(reader: Reader, call: ast.Call) -> str:
    """Return the class whose own `__init__` a call of its parent's stands in."""
    node: ast.AST = call
    while _name(call.func) == "__init__" and not isinstance(node, ast.ClassDef):
        node = reader.parents[node]
    return node.name if isinstance(node, ast.ClassDef) else ""


@pytest.fixture(scope="module")
def errors() -> list[tuple[str, int, str]]:
    found = errors_of(Reader(sorted(SOURCE.rglob("*.py"))))
    assert len(found) > 800  # it still finds them
    return found


def is_passed_on(file: str, text: str) -> bool:
    return file in PASSED_ON and not re.search(
        "[a-z]{4}", re.sub(r"Logs.*|in the state dict|\(⟦⟧ more like it\)|line ⟦⟧", "", text)
    )


def test_every_error_of_ours_leads_to_a_symptom(errors):
    unknown = {
        f"{file}, line {line}: {text}"
        for file, line, text in errors
        if not symptom_of(text.replace("⟦⟧", "7"))
        and not is_passed_on(file, text)
        and not any(words in text for words in NOT_EXPLAINED)
    }
    assert not unknown, "\n".join(sorted(unknown))


def test_what_is_left_out_is_still_said(errors):
    files = {file for file, _, text in errors if is_passed_on(file, text)}
    assert files == PASSED_ON.keys()
    assert not [words for words in NOT_EXPLAINED if not any(words in text for _, _, text in errors)]


@pytest.mark.parametrize("name", OTHERS)
def test_what_python_and_torch_say_is_found(name, tmp_path):
    for call in OTHERS[name]:
        said = raised(lambda call=call: call(tmp_path))
        assert symptom_of(said) == name, said


def test_a_shell_without_the_command(tmp_path):
    said = subprocess.run(
        ["/bin/bash", "-c", "playground"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert symptom_of(said.stderr) == "command-not-found", said.stderr


def test_every_text_of_a_symptom_is_really_said(errors, tmp_path):
    sdk = Path(importlib.util.find_spec("alphafed").submodule_search_locations[0])
    files = [*SOURCE.rglob("*.py"), sdk / "loggers.py", *(sdk / "fed_avg").glob("*.py")]
    said = [text.replace("⟦⟧", "7") for _, _, text in errors] + [file.read_text("utf-8") for file in files]
    said += [raised(lambda call=call: call(tmp_path)) for call in itertools.chain(*OTHERS.values())]
    texts = [text for symptom in SYMPTOMS.values() for text in symptom["texts"]]
    patterns = {text: re.compile(".{1,120}?".join(map(re.escape, text.split("…")))) for text in texts}
    assert not [text for text, found in patterns.items() if text not in NOT_HERE and not any(map(found.search, said))]
    assert NOT_HERE.keys() <= patterns.keys()


# The command, as its user meets it

WRONG = {
    "run nope": "no-such-example",
    "run mnist --data nothing": "no-such-folder",
    "run mnist --data .": "which-is-the-aggregator",
    "run mnist --data x --nodes 2": "data-bring-nodes",
    "run mnist --nodes 5000 --rounds 1": "cannot-split",
    "run mnist --set nothing=1": "settings",
    "run mnist --set batch_size=many": "settings",
    "run mnist --out mine": "exists-already",
    "run empty": "no-such-example",
    "run broken.py --data data": "does-not-load",
    "run ends.py --data data": "ends-the-program",
    "run nothing.py --data data": "no-scheduler",
    "run gbk.py --data data": "not-utf8",
    "run my-task.py": "cannot-import",
    "run notes.ipynb": "cannot-import",
    "prepare mnist --partition thirds --out new": "cannot-split",
    "prepare mnist --source nothing --out new": "no-such-folder",
    "prepare mnist --source bad.zip --out new": "archive",
    "verify mnist": "no-data",
    "new mnist": "cannot-import",
    "resume nothing": "not-a-run",
    "metrics damaged": "run-damaged",
    "record mnist --results nothing": "no-such-folder",
    "task list --node nothing": "not-a-node",
    "hub --dir hub --certificate a.pem": "not-admitted",
    "explain nonsense": None,
}


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("mine", "empty", "damaged", "data/node1", "data/aggregator"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    (tmp_path / "damaged/run.json").write_text("{")
    (tmp_path / "broken.py").write_text("def broken(:\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "gbk.py").write_bytes('name = "数据"\n'.encode("gbk"))
    (tmp_path / "my-task.py").write_text("x = 1\n")
    (tmp_path / "notes.ipynb").write_text("{}")
    (tmp_path / "bad.zip").write_text("<html>log in first</html>")
    return tmp_path


@pytest.mark.parametrize("arguments", WRONG)
def test_an_error_ends_with_the_address_of_its_symptom(arguments, folder, playground):
    finished = playground(*arguments.split())
    last = finished.err.splitlines()[-1]
    name = WRONG[arguments]
    assert finished.code in (1, 2) and "Error: " in finished.err
    assert last == f"More about it: playground explain {name}" if name else "playground explain`" in last
    for text in SYMPTOMS[name]["texts"] if name else ():
        if re.search(".+".join(map(re.escape, text.split("…"))), finished.err):
            return
    assert name is None, "none of the symptom's texts was said"


def test_json_names_the_symptom_too(playground):
    said = playground("verify", "mnist", "--json").json
    assert said["symptom"] == "no-data"


@pytest.mark.parametrize("name", SYMPTOMS)
def test_explain_tells_in_both_languages(name, playground, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    chinese, english = playground("explain", name), playground("explain", name, "--language", "en")
    assert "原因：" in chinese.out and "Why: " in english.out and "](" not in chinese.out + english.out
    assert SYMPTOMS[name]["en"]["symptom"] in english.out


def test_explain_finds_a_symptom_by_what_an_error_says(playground):
    said = playground("explain", "RuntimeError: node2: TypeError: cannot pickle '_io.TextIOWrapper' object", "--json")
    assert said.json["name"] == "cannot-pickle" and "build_" in said.json["cure"]


def test_explain_lists_what_there_is(playground):
    assert playground("explain", "--json").json["symptoms"].keys() == SYMPTOMS.keys()


def test_the_cause_counts_where_an_error_tells_of_another():
    told = "node1 failed in round 2: task.py, line 3, in train_an_epoch\n    x\nIndexError: Target 9 is out of bounds."
    assert symptom_of(told) == "target-out-of-bounds"
    assert symptom_of("node1 failed in round 2\nValueError: of the user's own") == "node-failed"
    assert symptom_of("nothing of ours") is None


# The list


def test_the_list_is_whole():
    assert len(SYMPTOMS) >= 40 and read(SOURCE.parents[1]) == SYMPTOMS
    files = Path(__file__).parent.rglob("test_*.py")
    defined = set(re.findall(r"^ *def (test_\w+)", "\n".join(file.read_text("utf-8") for file in files), re.MULTILINE))
    for name, symptom in SYMPTOMS.items():
        assert symptom.keys() <= {"group", "texts", "threads", "tests", "zh", "en"}, name
        assert symptom["zh"].keys() == symptom["en"].keys() == {"symptom", "cause", "cure"}, name
        assert re.search("[\u4e00-\u9fff]", symptom["zh"]["symptom"]) and re.fullmatch("[a-z0-9-]+", name)
        assert all(THREAD.fullmatch(url) for url in symptom.get("threads", []))
        assert set(symptom.get("tests", [])) <= defined, name
        assert all(len(text.replace("…", "").strip()) >= 4 for text in symptom["texts"]), name


def test_no_text_belongs_to_two_symptoms():
    texts = [text for symptom in SYMPTOMS.values() for text in symptom["texts"]]
    assert len(texts) == len(set(texts))


def test_a_text_leads_to_its_own_symptom():
    wrong = {
        text: found
        for name, symptom in SYMPTOMS.items()
        for text in symptom["texts"]
        if (found := symptom_of(text.replace("…", "7"))) != name
    }
    assert not wrong
