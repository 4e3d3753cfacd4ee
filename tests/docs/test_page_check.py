"""What `playground check NAME --page` asks: whole examples pass, and each question sees a copy in which it is not so."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import NAME

from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.contribute import page_check
from alphamed_tutorials.contribute import repository as repository_module
from alphamed_tutorials.contribute.page_check import QUESTIONS, SHARED, Example, check_page
from alphamed_tutorials.contribute.running import run_tests, selection
from alphamed_tutorials.contribute.skeleton import HOME
from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.experiments.check.answers import Answer, Wrong
from pages import LANGUAGES, ROOT

TOLD = ("results", "todo", "licence")  # without running a test
OPEN = {"results", "todo", "licence"}  # in an example that was just added


@pytest.fixture
def copied(tmp_path) -> Callable[[str], Path]:
    """Return a function that copies what belongs to one example into a root of its own."""

    def copy(name: str) -> Path:
        results = [f"docs/results/{name}.json"]
        for file in [*Example(ROOT, name).files, *(ROOT / place for place in (*SHARED, *results))]:
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
        return tmp_path

    return copy


def change(root: Path, place: str, old: str, new: str) -> None:
    """Replace what the pattern `old` finds in one or several files."""
    files = list(root.glob(place))
    assert files and any(re.search(old, file.read_text("utf-8")) for file in files), place
    for file in files:
        file.write_text(re.sub(old, new, file.read_text("utf-8")), "utf-8")


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_what_our_examples_say_is_complete(example):
    answers = check_page(ROOT, example.name, only=TOLD)
    assert [answer.id for answer in answers] == list(TOLD)
    assert [answer for answer in answers if answer.answer != "ok"] == []


def test_of_an_example_just_added_it_names_what_is_to_be_said(skeleton):
    answers = {answer.id: answer for answer in check_page(skeleton, NAME, only=TOLD)}
    assert {answer.answer for answer in answers.values()} == {"failed"}
    assert re.match(rf"\d\d+ are left: {HOME}/{NAME}/example.toml line 10, ", answers["todo"].reason)
    assert answers["results"].reason == f"docs/results/{NAME}.json is missing"
    assert f"playground record {NAME}" in answers["results"].mend
    assert answers["licence"].reason == "example.toml does not say the source of the data"


FACTS, RESULTS, NOTICE = f"{HOME}/*/example.toml", "docs/results/*.json", "NOTICE"
DATA = "tests/examples/test_*_data.py"
BROKEN = [
    ("results", "mnist", RESULTS, '"example": "mnist"', '"example": "mnist2"', "was recorded for mnist2"),
    ("results", "mnist", FACTS, 'name = "test/loss"', 'name = "test/mse"', "example.toml test/accuracy, test/mse"),
    ("results", "mnist", FACTS, 'name = "label_skew"', 'name = "skew"', "the experiment skew of example.toml is not in"),
    ("results", "mnist", FACTS, "rounds = 20", "rounds = 30", "label_skew was recorded with another rounds: 20$"),
    ("results", "mnist", FACTS, r"more_seeds = \[2, 3\]", "more_seeds = [2]", r"iid was recorded with another more_seeds: \[2, 3\]"),
    ("results", "transfer_learning", FACTS, r"freeze_backbone = false", "freeze_backbone = true", "another freeze_backbone: False"),
    ("results", "mnist", "docs/en/guides/mnist.md", r"results-[\w-]+: mnist/iid", "result: x", "iid is shown nowhere on"),
    ("results", "mnist", "docs/zh/guides/mnist.md", r"results-[\w-]+: mnist/iid", "result: x", "iid is shown nowhere on"),
    ("results", "mnist", RESULTS, r"\A\{", "", "JSONDecodeError"),
    ("todo", "mnist", "snippets/mnist/start.py", r"\Z", "# TODO: more\n", "1 are left: snippets/mnist/start.py line"),
    ("todo", "mnist", "docs/en/guides/mnist.md", "digits", "TODO", r"are left: docs/en/guides/mnist.md line \d+, "),
    ("todo", "mnist", "docs/zh/learning-path.md", r"\[卷积网络的形状\]", "[TODO]", "learning-path.md: the column of mnist"),
    ("licence", "mnist", FACTS, 'licence = ".*"', 'licence = "TODO"', "example.toml does not say the licence"),
    ("licence", "mnist", NOTICE, "CC BY-SA 3.0", "CC BY 4.0", "NOTICE does not list name, source and licence"),
    ("licence", "mnist", NOTICE, "mnist +scikit", "digits    scikit", "NOTICE does not name mnist under Embedded data"),
    ("licence", "object_detection", NOTICE, "; used by object_detection|and object_detection", "", "under Weights"),
    ("licence", "mnist", "docs/en/guides/mnist.md", r"\*\*Licence\*\*", "**Terms**", "mnist.md does not say the licence"),
    ("licence", "mnist", "docs/zh/guides/mnist-program.md", r"\*\*许可证\*\*：", "**许可证**：TODO ", "zh/guides/mnist-program.md"),
    ("hazards", "mnist", "docs/en/guides/mnist.md", "#constants-by-node", "", "same tests of hazards"),
    ("hazards", "mnist", "docs/*/guides/mnist.md", r"symptoms\.md#|`test_\w+`", "", "the same tests of hazards: none at all"),
    ("hazards", "mnist", "tests/examples/test_*.py", r"def test_\w+", "def test_x", "has no test that the page names"),
    ("damages", "mnist", DATA, r"assert_refused\(", "assert_fine(", "no test of mnist damages its data"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "name", "place", "old", "new", "words"), BROKEN)
def test_what_is_not_said_is_found(copied, question, name, place, old, new, words):
    root = copied(name)
    change(root, place, old, new)
    (answer,) = check_page(root, name, only=[question])
    assert answer.answer == "failed" and answer.mend and re.search(words, answer.reason), answer


@pytest.mark.parametrize("place", ["docs/en/guides/mnist.md", "docs/results/mnist.json", "NOTICE"])
def test_a_missing_file_is_an_answer_too(copied, place):
    root = copied("mnist")
    (root / place).unlink()
    answers = check_page(root, "mnist", only=("results", "licence"))
    assert any(answer.answer == "failed" and Path(place).name in answer.reason for answer in answers), answers


def test_what_is_no_example_is_refused(tmp_path):
    with pytest.raises(WrongUse, match="nobody is no example of this repository"):
        check_page(tmp_path, "nobody")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_for_contributors_lists_the_questions(language):
    text = (ROOT / "docs" / language / "contribute.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| `(\w+)` \|", text.partition("{ #check }")[2])[1:]  # below the title
    assert rows == [question.id for question in QUESTIONS]


def test_both_commands_say_what_they_did(playground, repository, tmp_path, monkeypatch):
    root = shutil.copytree(repository, tmp_path / "root")
    monkeypatch.setattr(repository_module, "EXAMPLES", root / HOME)
    monkeypatch.setattr(page_check, "QUESTIONS", [each for each in QUESTIONS if each.id in TOLD])
    monkeypatch.chdir(root)
    finished = playground("new", NAME, "--page", "--title-zh", "心音", "--title-en", "Heart sounds", "--json")
    assert finished.code == 0 and f"playground check {NAME} --page" in finished.err, finished
    assert f"docs/zh/guides/{NAME}.md" in finished.json["files"] and finished.json["root"] == str(root)
    finished = playground("check", NAME, "--page", "--json")
    assert finished.code == 1 and [row["id"] for row in finished.json["rows"]] == list(TOLD)
    assert "3 of 3 failed: results, todo, licence" in finished.err
    finished = playground("check", "mnist", "--page")
    assert finished.code == 0 and "Is no TODO left?" in finished.out


# The tests it runs


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return a project whose tests bear the names that the tests of several examples have."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # what takes most of the seconds
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--strict-markers"\n', "utf-8")
    (tmp_path / "test_mnist.py").write_text("def test_hazard(): pass\n", "utf-8")
    (tmp_path / "test_my_mnist.py").write_text("def test_hazard(): assert 0\n", "utf-8")
    (tmp_path / "test_all.py").write_text(
        "import pytest\n\n"
        "OURS = ['mnist', 'mnist-2', '2-mnist', '2-mnist-2', 'snippets/mnist/a.py', 'rule-docs/zh/guides/mnist.md',\n"
        "        'docs/en/guides/mnist-program.md']\n"
        "OTHERS = ['my_mnist', 'my_mnist-2', '2-mnist_2', 'snippets/my_mnist/a.py', 'docs/zh/guides/my_mnist.md']\n\n"
        "@pytest.mark.parametrize('name', OURS, ids=OURS)\ndef test_ours(name): pass\n\n"
        "@pytest.mark.parametrize('name', OTHERS, ids=OTHERS)\ndef test_others(name): assert 0\n\n"
        "def test_project(): pytest.skip('no data')\n",
        "utf-8",
    )
    return tmp_path


def test_the_tests_of_one_example_are_run_and_of_no_other(project):
    told: list[str] = []
    files = ("test_mnist.py", "test_my_mnist.py", "test_all.py")
    found = run_tests(project, files, f"{selection('mnist')} or test_project", "", told.append)
    assert re.fullmatch(r"8 tests, 1 skipped, \d+\.\d min", found) and told[-1] == "100%"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("others", r"^test_all\.py::test_others\[my_mnist\]\n.*assert 0\nand 4 more$"),
        ("nothing", "^no test was run: .*13 deselected"),
    ],
)
def test_tests_that_fail_and_tests_that_are_not_there_are_named(project, chosen, words):
    with pytest.raises(Wrong, match=words):
        run_tests(project, ("test_all.py",), chosen, "", lambda progress: None)


# All of it


def asked(root: Path, *, only: str = "") -> dict[str, Answer]:
    """Return the answers of a process in which the code of the copy runs; all but one question are left out if asked."""
    program = (
        "import json, sys\nfrom pathlib import Path\n"
        "from alphamed_tutorials.contribute.page_check import ALL, check_page\n"
        f"answers = check_page(Path.cwd(), {NAME!r}, only=[{only!r}] if {only!r} else ALL)\n"
        "print(json.dumps([vars(answer) for answer in answers]))\n"
    )
    # A worker's name would let the copies' tests share what they make once.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environment["PYTHONPATH"] = str(root / "src")
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {row["id"]: Answer(**row) for row in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.soak
def test_an_example_just_added_lacks_only_what_its_author_knows(skeleton):
    answers = asked(skeleton)
    assert list(answers) == [question.id for question in QUESTIONS]
    assert {name for name, answer in answers.items() if answer.answer != "ok"} == OPEN, answers


CODE, GUIDE = f"{HOME}/{NAME}", f"docs/zh/guides/{NAME}.md"
FAULTS = [
    ("sections", GUIDE, r"## .* \{ #how-sure \}", "", "how-sure"),
    ("sections", f"docs/en/guides/{NAME}-program.md", "```sh", "```bash", "unknown kind of code block"),
    ("snippets", f"snippets/{NAME}/start.py", r"\Z", "raise SystemExit(3)\n", "start.py ended with exit status 3"),
    ("outputs", f"docs/results/outputs/guides/{NAME}.json", r'(?<="blocks": \{\n  )"\w+"', '"other"', "make outputs"),
    ("page", f"docs/results/outputs/guides/{NAME}-program.json", r'"printed": "(?=\w)', r'\g<0>one more\\n', "recorded"),
    ("page", f"snippets/{NAME}/look_inside.py", r"(# --8<-- \[end:shapes\])", r"1 / 0\n\1", "ended with exit status 1"),
    ("hazards", f"{CODE}/scheduler.py", "torch.manual_seed", "id", "test_the_seed_reaches_every_node"),
    ("damages", f"{CODE}/dataset_verify.py", r"(?<=\n    def verify_data\(self\)).*:\n", r"\g<0>        return True, ''\n", "test_"),
    ("task", f"{CODE}/scheduler.py", "/data/alphamed-federated-dataset", "/home/somebody", "read the same folder"),
]  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize(("question", "place", "old", "new", "words"), FAULTS)
def test_each_question_sees_the_copy_in_which_it_is_not_so(skeleton, tmp_path, question, place, old, new, words):
    root = shutil.copytree(skeleton, tmp_path / "root")
    change(root, place, old, new)
    answer = asked(root, only=question)[question]
    assert answer.answer == "failed" and answer.mend and re.search(words, answer.reason), answer
