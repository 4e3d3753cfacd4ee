"""The whole way on three nodes' pages with real training: an example of ours, and a file of one's own."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime
import pytest
import torch
from pagebrowsing import join, operated, origin, press, see, verify
from test_task_command import TASK

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.playground.page import submissions
from alphamed_tutorials.playground.processes import federation

pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINING = 120_000  # milliseconds, on a busy machine
UPLOADS = ("src.zip", "DatasetVerify.py")
OWNERS = ("node1", "node2")


class Open(NamedTuple):
    """The pages of three nodes, and where their data lie."""

    initiator: Any
    owners: dict[str, Any]
    data: Path


@pytest.fixture(scope="module")
def pages(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    folder = tmp_path_factory.mktemp("playground")
    prepare("mnist", folder / "data", num_nodes=2)
    names = ("aggregator", *OWNERS)
    for name in names:
        (folder / "data" / "nodes" / name / "numbers.txt").write_text("1 3 5 7")
    folders = {name: folder / "data" / "nodes" / name for name in names}
    with contextlib.ExitStack() as opened:
        agents = opened.enter_context(federation(folder, folders))
        pages = {name: opened.enter_context(operated(browser, agent)) for name, agent in agents.items()}
        for page in pages.values():
            page.context.set_default_timeout(TRAINING)
        yield Open(pages["aggregator"], {name: pages[name] for name in OWNERS}, folder / "data")


def finish(pages: Open, task: str) -> bytes:
    """Approve a task on its owners' pages, start it; return the model that all of them take home."""
    for page in pages.owners.values():
        page.goto(origin(page) + "/")
        page.wait_for_selector(f".tasks a[href$='{task}']")  # the invitation comes by itself
        verify(page, task)
    for page in pages.owners.values():
        join(page)
    press(pages.initiator, "Start training")
    models = []
    for page in (pages.initiator, *pages.owners.values()):
        models.append(taken(page, "Model: state dict").read_bytes())
    assert models[0] == models[1] == models[2]
    return models[0]


def test_an_example_gives_the_parameters_of_the_local_engine(pages, tmp_path):
    page = pages.initiator
    page.goto(origin(page) + "/new?demo=1")
    page.fill("#rounds", "2")
    press(page, "Create the task")
    press(page, "Send the training code")
    see(page, "Waiting for the directed nodes", ".step")
    model = finish(pages, page.url.rpartition("/")[2])
    page.wait_for_selector(".curve")
    exported = {form: taken_as(page, form) for form in ("TorchScript", "ONNX")}
    images = torch.rand(1, 1, 28, 28)
    script, session = torch.jit.load(exported["TorchScript"]), onnxruntime.InferenceSession(exported["ONNX"])
    answer = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    torch.testing.assert_close(script(images), torch.tensor(answer), rtol=1e-4, atol=1e-5)
    with zipfile.ZipFile(taken(page, "Report: TensorBoard")) as report:
        assert any("tfevents" in name for name in report.namelist())
    local = run("mnist", pages.data, num_rounds=2, seed=1, out=tmp_path / "local")
    assert (local.path / "model.pt").read_bytes() == model


def taken(page: Any, text: str) -> Path:
    """Press what downloads a file; return the file."""
    with page.expect_download() as download:
        press(page, text)
    return Path(download.value.path())


def taken_as(page: Any, form: str) -> Path:
    """Have the model made in another form, and download that."""
    press(page, f"Make {form} of the model")
    see(page, f"Model: {form}", ".downloads")
    return taken(page, f"Model: {form}")


@pytest.mark.soak
def test_a_file_of_ones_own_fails_is_mended_and_finishes(pages, tmp_path):
    file = tmp_path / "mean.py"

    def pack(text: str) -> None:
        file.write_text(text)
        for name, content in zip(UPLOADS, submissions.make(tmp_path / "made", str(file), 2, 0, {})):
            (tmp_path / name).write_bytes(content)

    pack(TASK.replace("def run_test(self):", "def run_test(self):\n        raise KeyError('loss')"))
    page, first = pages.initiator, pages.owners["node1"]
    page.goto(origin(page) + "/new")
    page.fill("#name", "mean")
    page.check("input[value=node1]")
    page.set_input_files("#verify", tmp_path / "DatasetVerify.py")
    press(page, "Create the task")
    page.set_input_files("#train", tmp_path / "src.zip")
    press(page, "Upload the training code")
    see(page, "Waiting for the directed nodes", ".step")
    task = page.url.rpartition("/")[2]
    verify(first, task)
    join(first)
    press(page, "Start training")
    see(page, "Mend what failed", ".step")
    see(page, "KeyError: 'loss'", ".failure")
    see(page, "mean.py:", ".failure")
    pack(TASK)
    page.click("#replace summary")
    page.set_input_files("#replace #train", tmp_path / "src.zip")
    press(page, "Upload the training code")
    press(first, "Read the code and join")
    see(first, "raise KeyError('loss')", ".diff .removed")
    press(first, "Approve this code and join")
    press(page, "Start training")
    for each in (page, first):
        each.wait_for_selector("a[href$='model.pt']")
    see(page, "loss", ".curves figcaption")
