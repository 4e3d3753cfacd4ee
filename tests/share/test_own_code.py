"""A reader's own program, changed to a task in one file: run, exported and packed, with data as they lie there."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

OWN_CODE = Path(__file__).with_name("own_code")


def write_table(file: Path, rows: slice) -> None:
    """Write some of scikit-learn's 569 tumours, in an order that mixes both kinds."""
    tumours = load_breast_cancer()
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow([*tumours.feature_names, "is_benign"])
        writer.writerows([*map(float, row), int(label)] for row, label in zip(tumours.data[rows], tumours.target[rows]))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with a blank and Chinese characters in its name, with the task and three nodes' data in it."""
    folder = tmp_path_factory.mktemp("own") / "我的 任务"
    shutil.copytree(OWN_CODE, folder)
    write_table(folder / "甲 医院" / "train.csv", slice(0, 569, 4))
    write_table(folder / "data b" / "train.csv", slice(1, 569, 4))
    for name, start in (("validation", 2), ("test", 3)):
        write_table(folder / "测试 数据" / f"{name}.csv", slice(start, 569, 4))
    return folder


@pytest.fixture(scope="module")
def finished(place, start) -> dict:
    """Return what `run` said."""
    nodes = ["--node", "甲医院=甲 医院", "--node", "b b=data b", "--aggregator", "测试 数据"]
    done = start("run", "tumours.py", *nodes, "--set", "patience=3", "--out", "运行 1", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_plain_program_works(place, tmp_path):
    write_table(tmp_path / "train.csv", slice(0, 569, 2))
    for name in ("validation", "test"):
        shutil.copy(place / "测试 数据" / f"{name}.csv", tmp_path)
    command = [sys.executable, str(place / "plain.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) > 0.93


def test_it_runs_and_ends_early(place, finished):
    from alphamed_tutorials.runs.folder import Run

    run = Run.open(place / "运行 1")
    losses = [row.value for row in run.rows if row.name == "validation/loss"]
    assert run.state == "done" and list(run.record["nodes"]) == ["aggregator", "b b", "甲医院"]
    assert len(losses) < 100 and min(losses) not in losses[-3:] and losses.index(min(losses)) == len(losses) - 4
    assert finished["metrics"]["test/accuracy"] > 0.93
    assert (place / "运行 1" / "logs" / "甲医院.log").exists()


def test_it_verifies_and_names_the_file(place, start):
    done = start(
        "verify",
        "tumours.py",
        "--node",
        "甲医院=甲 医院",
        "--node",
        "c=测试 数据",
        "--aggregator",
        "测试 数据",
        cwd=place,
    )
    assert done.returncode == 1 and "refused c" in done.stderr and "测试 数据/train.csv" in done.stdout


def test_it_is_packed(place, start):
    done = start("pack", "tumours.py:TumourScheduler", "--out", "要 上传", "--rounds", "7", cwd=place)
    assert done.returncode == 0, done.stderr
    upload = place / "要 上传"
    assert {file.name for file in upload.iterdir()} == {
        "DatasetVerify.py", "README.md", "src.zip", "submit.ipynb", "tumours.py",
    }  # fmt: skip
    assert (upload / "DatasetVerify.py").read_bytes() == (place / "tumours.py").read_bytes()
    assert "max_rounds=7" in (upload / "submit.ipynb").read_text(encoding="utf-8")
    assert "/data/alphamed-federated-dataset/tumours" in (upload / "README.md").read_text(encoding="utf-8")


def test_it_is_exported(place, finished):
    from alphamed_tutorials import Run, export

    report = export(Run.open(place / "运行 1"))
    assert (place / "运行 1" / "model.ts").exists() and report["torchscript"]["max_difference"] <= 1e-5
