"""What the skills for coding assistants say exists and works; programs that were converted by nothing but the skill."""

import inspect
import json
import re
import runpy
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from alphafed.fed_avg import FedAvgScheduler

import alphamed_tutorials.experiments.check as check_module
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.experiments.check import answers
from alphamed_tutorials.experiments.check.questions import QUESTIONS
from alphamed_tutorials.runs.folder import KINDS, Run
from alphamed_tutorials.share.new import SKILLS, new, write_skills
from pages import ROOT, find_fences

NAMES = ("alphamed-convert-pytorch", "alphamed-diagnose-run")
TEXTS = {name: (SKILLS / name / "SKILL.md").read_text("utf-8") for name in NAMES}
HERE = Path(__file__).parent
CONVERTED = ("image", "text", "tabular")


def blocks(text: str, language: str) -> list[str]:
    lines = text.split("\n")
    return ["\n".join(lines[i + 1 : j]) for i, j in find_fences(lines) if lines[i] == f"```{language}"]


def spans(text: str) -> list[str]:
    """Return the code in the text, outside blocks."""
    lines = text.split("\n")
    code = {index for first, last in find_fences(lines) for index in range(first, last + 1)}
    return re.findall("`([^`]+)`", "\n".join(line for index, line in enumerate(lines) if index not in code))


def commands(text: str) -> list[str]:
    shown = [line for block in blocks(text, "sh") for line in block.split("\n")]
    return shown + [span for span in spans(text) if span.startswith("playground ")]


@pytest.mark.parametrize("name", NAMES)
def test_a_skill_has_a_name_and_says_when_it_is_for(name):
    _, head, body = TEXTS[name].split("---\n", 2)
    facts = yaml.safe_load(head)
    assert facts.keys() == {"name", "description"} and facts["name"] == name
    assert "Use " in facts["description"] and len(facts["description"]) <= 1024
    assert "user's language" in body


@pytest.mark.parametrize("name", NAMES)
def test_every_command_and_option_that_a_skill_names_exists(name):
    known = json.loads((ROOT / "docs" / "options.json").read_text("utf-8"))
    found = commands(TEXTS[name])
    assert len(found) > 5
    for command in found:
        program, verb, *words = command.split()
        assert program == "playground" and verb in known, command
        options = {option["name"].split()[0] for option in known[verb]} | {"--json"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, command


def test_every_question_of_check_is_explained_and_no_other():
    table = TEXTS["alphamed-convert-pytorch"].partition("## 5. Check")[2]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == ["id", *(question.id for question in QUESTIONS)]


def test_the_keys_and_the_answers_of_a_row_of_check_are_its_own():
    (text,) = re.findall(r"^Each row has .*?\.", TEXTS["alphamed-convert-pytorch"], re.MULTILINE)
    keys = {"id", "answer", "reason", "mend"}
    assert keys <= {field.name for field in fields(answers.Answer)}
    assert set(spans(text)) == keys | {answers.OK, answers.FAILED, answers.NOT_APPLICABLE, answers.NOT_ASKED}


def test_what_new_and_pack_are_said_to_leave_is_there(playground, tmp_path):
    text = TEXTS["alphamed-convert-pytorch"]
    skeleton = text.partition("## 2. Skeleton")[2].partition("\n## ")[0]
    named = [span for span in spans(skeleton) if span.endswith((".py", "/data"))]
    folder = named[-1].partition("/")[0]
    assert playground("new", folder).code == 0
    assert len(named) == 3 and all((tmp_path / folder / name.removeprefix(f"{folder}/")).exists() for name in named)
    (pack,) = blocks(text.partition("## 6. Pack")[2], "sh")
    assert playground(*pack.replace("my_task.py", folder).split()[1:]).code == 0
    files = [span for span in spans(text) if span.startswith("upload/")]
    assert files and all((tmp_path / name).is_file() for name in files)


def test_what_the_sdk_is_said_to_take_and_to_call_is_its_own():
    text = TEXTS["alphamed-convert-pytorch"]
    contract = text.partition("## The contract")[2].partition("\n## ")[0]
    methods = set(re.findall(r"`(\w+)\(", contract)) - {"DatasetVerify", "backward", "super"}
    assert methods and {name for name in methods if not hasattr(FedAvgScheduler, name)} == set()
    taken = re.findall(r"`(\w+)`", contract.partition("Taken by the SDK")[2])
    code = Path(inspect.getfile(FedAvgScheduler)).read_text("utf-8")
    code += Path(inspect.getfile(FedAvgScheduler.__mro__[1])).read_text("utf-8")
    assert len(taken) > 10 and [name for name in taken if not re.search(rf"\b{name}\b", code)] == []


def test_what_lies_in_a_run_folder_is_named_as_it_is(finished_run):
    text = TEXTS["alphamed-diagnose-run"]
    order = re.findall(r"^\| \d \| `(.+?)` \|", text, re.MULTILINE)
    places = [name.replace("NODE", "aggregator") for name in order]
    assert len(places) == 6 and [name for name in places if not (finished_run / name).exists()] == []
    for name in ("entry.pickle", "checkpoint.pt", "report.zip"):
        assert f"`{name}`" in text and (finished_run / name).exists()
    (row,) = re.findall(r"^\| 1 \| .*$", text, re.MULTILINE)
    states, keys = {"running", "done", "failed", "interrupted"}, re.findall(r"`(\w+)`", row)
    assert states <= set(keys) and set(keys) - states <= KINDS.keys()
    assert set(keys) - states <= Run.open(finished_run).record.keys()
    (row,) = re.findall(r"^\| 4 \| .*$", text, re.MULTILINE)
    header = (finished_run / "metrics.csv").read_text("utf-8").partition("\n")[0].split(",")
    assert header == re.findall(r"`(\w+)`", row)
    events = {json.loads(line)["event"] for line in (finished_run / "events.jsonl").read_text("utf-8").splitlines()}
    assert {"training", "trained"} <= events


def test_the_event_that_names_where_a_run_failed_is_the_one_the_skill_names(tmp_path):
    task = new("failing", folder=tmp_path)
    file = task / "scheduler.py"
    file.write_text(file.read_text("utf-8").replace("total_loss = 0.0", "total_loss = 1 / (self.current_round - 2)"))
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run(task, out=tmp_path / "run", num_rounds=3)
    events = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text("utf-8").splitlines()]
    began, ended = ([event for event in events if event["event"] == kind] for kind in ("training", "trained"))
    assert len(began) == len(ended) + 1 and began[-1]["round"] == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))["state"] == "failed"
    log = (tmp_path / "run" / "logs" / f"{began[-1]['node']}.log").read_text("utf-8")
    assert "Traceback" in log and "scheduler.py" in log and "ZeroDivisionError" in log


def refused(rows) -> dict[str, str]:
    return {row.id: f"{row.answer}: {row.reason}" for row in rows if row.answer != "ok"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2], ids=["task", "with early stopping"])
def test_the_example_of_the_skill_passes_check(tmp_path, server, count):
    data = new("toy", folder=tmp_path) / "data"
    shutil.copy(data / "aggregator" / "test.csv", data / "aggregator" / "validation.csv")
    code = blocks(TEXTS["alphamed-convert-pytorch"], "python")[:count]
    (tmp_path / "my_task.py").write_text("\n\n".join(code) + "\n", "utf-8")
    assert refused(check_module.check(tmp_path / "my_task.py", data, server=server)) == {}


@pytest.fixture(params=CONVERTED)
def converted(request, tmp_path) -> Path:
    """Return a folder with a converted program, `task.py`, and its `data` as `deal.py` deals them out."""
    for file in (HERE / request.param).glob("*.py"):
        shutil.copy(file, tmp_path)
    runpy.run_path(str(tmp_path / "deal.py"))["main"](tmp_path / "data")
    return tmp_path


@pytest.mark.slow
def test_a_program_converted_by_the_skill_passes_check(converted, server):
    assert refused(check_module.check(converted / "task.py", converted / "data", server=server)) == {}


@pytest.mark.slow
def test_a_program_converted_by_the_skill_learns(converted):
    finished = run(converted / "task.py", converted / "data", seed=1, out=converted / "run")
    name = next(name for name in finished.metrics if name.startswith("test/"))
    assert finished.metrics[name] > 0.93


def test_skills_are_put_beside_a_task_and_what_is_there_stays(tmp_path):
    places = write_skills(tmp_path / "skills")
    assert [place.name for place in places] == list(NAMES)
    for name in NAMES:
        assert (tmp_path / "skills" / name / "SKILL.md").read_text("utf-8") == TEXTS[name]
    changed = places[0] / "SKILL.md"
    changed.write_text("mine", "utf-8")
    assert write_skills(tmp_path / "skills") == places and changed.read_text("utf-8") == "mine"


def test_new_says_where_the_skills_are(playground, tmp_path):
    finished = playground("new", "my_task", "--with-skills", "--json")
    assert finished.code == 0
    files = [tmp_path / place / "SKILL.md" for place in finished.json["skills"]]
    assert [file.parent.name for file in files] == list(NAMES) and all(file.is_file() for file in files)
    shown = playground("new", "other_task", "--with-skills")
    assert all(f"skills/{name}/SKILL.md" in shown.out + shown.err for name in NAMES), shown


def test_the_repository_s_folder_and_the_package_s_are_the_same():
    assert (ROOT / "skills").resolve() == SKILLS.resolve()
