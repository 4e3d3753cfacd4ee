"""The pages on one's own code: tables say all that the SDK and this project have, programs do what the text says of them."""

import ast
import inspect
import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from alphafed.fed_avg import FedAvgScheduler
from alphafed.scheduler import Scheduler
from test_reference import REQUIRED, read, rows

from alphamed_tutorials import new
from alphamed_tutorials.target import VERIFY_FILES
from pages import LANGUAGES, ROOT

SNIPPETS = ROOT / "snippets" / "own_code"
SOURCE = ROOT / "src" / "alphamed_tutorials"


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def table(language: str, anchor: str) -> list[list[str]]:
    return rows(read(language, "reference/task"), anchor)


def names(cell: str) -> list[str]:
    """Return the names in the inline code of a cell, without arguments."""
    return [name.partition("(")[0] for name in re.findall("`([^`]+)`", cell)]


def test_every_method_a_reader_may_write_is_documented(language):
    public = {
        name
        for name, member in vars(FedAvgScheduler).items()
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__")
    }
    found = [(name, cells[1] == REQUIRED[language]) for cells in table(language, "methods") for name in names(cells[0])]
    assert {name for name, _ in found} == public and len(found) == len(public)
    assert {name for name, is_required in found if is_required} == FedAvgScheduler.__abstractmethods__ - {"_run"}


def test_every_argument_of_the_sdk_is_documented(language):
    parameters = list(inspect.signature(FedAvgScheduler.__init__).parameters.values())[1:]
    documented = [(*names(cells[0]), cells[1]) for cells in table(language, "arguments")]
    assert documented == [(each.name, str(each.default)) for each in parameters]


def test_every_attribute_of_the_sdk_is_documented(language):
    """Properties and what the SDK assigns: a reader has to know which names are taken."""
    assigned = {
        node.attr
        for kind in (Scheduler, FedAvgScheduler)
        for node in ast.walk(ast.parse(inspect.getsource(kind)))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    properties = {name for name, member in vars(FedAvgScheduler).items() if isinstance(member, property)}
    arguments = set(inspect.signature(FedAvgScheduler.__init__).parameters)
    taken = {name for name in assigned | properties if not name.startswith("_")} - arguments
    documented = [name for cells in table(language, "attributes") for name in names(cells[0])]
    assert set(documented) == taken | {"data_dir"} and len(documented) == len(set(documented))


def test_every_file_and_function_that_is_looked_for_is_documented(language):
    """`member("prepare", "read")` and `optional("model", "Predictor")` in our code name what a task may bring."""
    looked_for = {
        (f"{file}.py", name)
        for path in SOURCE.rglob("*.py")
        for file, name in re.findall(r'\.(?:member|optional)\("(\w+)", "(\w+)"\)', path.read_text("utf-8"))
    }
    assert len(looked_for) == 5
    cells = table(language, "files")
    for number, row in enumerate(cells):
        if not row[0]:  # a second line of the file above
            row[0] = cells[number - 1][0]
    assert {file for cells in cells for file in names(cells[0])} == {
        *(file for file, _ in looked_for),
        *VERIFY_FILES,
        "scheduler.py",
        "example.toml",
        "requirements.txt",
        "data/",
    }
    for file, name in looked_for:
        assert any(file in names(cells[0]) and name in names(cells[1]) for cells in cells), name


def test_every_member_of_dataset_verify_is_documented(language):
    verifier = next(
        node
        for node in ast.parse((SNIPPETS / "my_task.py").read_text("utf-8")).body
        if _is_named(node, "DatasetVerify")
    )
    members = {getattr(node, "name", None) or ast.unparse(node.targets[0]) for node in verifier.body}
    assert {name for cells in table(language, "dataset-verify") for name in names(cells[0])} == members


def _is_named(node: ast.AST, name: str) -> bool:
    return getattr(node, "name", None) == name


def definitions(file: Path) -> dict[str, str]:
    """Return the source of what a file defines at its top level, by name."""
    found = {}
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = ast.unparse(node.value)
    return found


def test_what_both_programs_share_is_the_same_to_the_letter():
    plain, federated = definitions(SNIPPETS / "train.py"), definitions(SNIPPETS / "my_task.py")
    shared = plain.keys() & federated.keys()
    assert shared == {"COLUMNS", "MEANS", "SPREADS", "read_samples", "build_network", "measure"}
    assert {name: plain[name] for name in shared} == {name: federated[name] for name in shared}


def test_the_loop_is_the_same_apart_from_self():
    plain, federated = (definitions(SNIPPETS / name) for name in ("train.py", "my_task.py"))
    scheduler = ast.parse(federated["DiabetesScheduler"]).body[0]
    loop = next(node for node in scheduler.body if _is_named(node, "train_an_epoch"))
    moved = ast.unparse(loop.body).replace("self.", "").replace("train_loader", "loader")
    assert moved == ast.unparse(ast.parse(plain["train_an_epoch"]).body[0].body)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """Yield an empty folder that programs run in, as the pages' do; they import each other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(SNIPPETS)
    yield tmp_path
    for name in ("train", "my_task"):
        sys.modules.pop(name, None)


def test_a_test_after_each_epoch_changes_the_order_of_the_next(place):
    import train

    new("toy")

    def parameters(tests_often: bool) -> list[torch.Tensor]:
        torch.manual_seed(train.SEED)
        model = train.build_network()
        optimizer = torch.optim.Adam(model.parameters(), lr=train.LEARNING_RATE)
        loader = train.DataLoader(train.read_samples(train.TRAIN_FILE), train.BATCH_SIZE, shuffle=True)
        tests = train.DataLoader(train.read_samples(train.TEST_FILE), batch_size=1000)
        for _ in range(2):
            train.train_an_epoch(model, loader, optimizer)
            if tests_often:
                train.measure(model, tests)
        return list(model.parameters())

    once, again, often = (parameters(tests_often) for tests_often in (False, False, True))
    assert all(map(torch.equal, once, again)) and not any(map(torch.equal, once, often))


@pytest.mark.slow
def test_early_stopping_saves_the_best_model(place):
    found = runpy.run_path(str(SNIPPETS / "early_stopping.py"))
    stopped, scheduler = found["stopped"], found["EarlyStopping"]()
    losses = [row.value for row in stopped.rows if row.name == "validation/loss"]
    assert len(losses) < scheduler.max_rounds and losses.index(min(losses)) == len(losses) - 1 - scheduler.patience
    scheduler.data_dir = "toy/data/aggregator"
    scheduler.load_state_dict(torch.load(stopped.path / "model.pt", weights_only=True))
    assert found["measure"](scheduler.model, scheduler.validation_loader)[0] == min(losses)


RECIPES = [file for file in sorted(SNIPPETS.glob("*.py")) if "(DiabetesScheduler):" in file.read_text("utf-8")]
WEIGHTED = ROOT / "snippets" / "mnist" / "weighted_mean.py"  # the page: only the base class differs for yours


def as_file(recipe: Path) -> str:
    """Return a recipe's imports and definitions below the task's file, as a reader would put them there."""
    defined = [
        ast.unparse(node)
        for node in ast.parse(recipe.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.Import | ast.ImportFrom)
        and not re.match("my_task|alphamed_tutorials", getattr(node, "module", "") or "")
    ]
    ours = "\n\n".join(defined).replace("(MNISTScheduler)", "(DiabetesScheduler)")
    return (SNIPPETS / "my_task.py").read_text("utf-8") + "\n\n" + ours + "\n"


@pytest.mark.soak
@pytest.mark.parametrize("recipe", [*RECIPES, WEIGHTED], ids=lambda recipe: recipe.stem)
def test_every_recipe_passes_the_check_but_the_one_that_sends_products(recipe, place, start):
    new("toy")
    (place / "task.py").write_text(as_file(recipe), encoding="utf-8")
    scheduler = runpy.run_path(str(SNIPPETS / "my_task.py"))["DiabetesScheduler"]()
    torch.save(scheduler.build_model().state_dict(), "toy/data/aggregator/pretrained.pt")
    done = start("check", "task.py", "--data", "toy/data", "--json", cwd=place)
    answers = {answer["id"]: answer["answer"] for answer in json.loads(done.stdout)["rows"]}
    assert {name for name, answer in answers.items() if answer != "ok"} == (
        {"plain_loop"} if recipe == WEIGHTED else set()
    )
