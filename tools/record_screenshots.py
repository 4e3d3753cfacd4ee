"""Take the pictures of the walk on the playground's page, in both languages.

    python tools/record_screenshots.py      (`make screenshots`)

A federation is started in a folder that goes in the end. One task is taken the whole way, as the walk tells it; the
code of a second one is wrong, and is mended. Beside the pictures, `words.json` has what each of them says.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from chromium import launched
from pages import LANGUAGES, ROOT
from pictures import HEIGHT, WIDTHS, hold_still, take

FOLDER = ROOT / "docs" / "assets" / "playground"
WORDS = "words.json"
LOCALES = {"zh": "zh-CN", "en": "en-US"}
SECONDS = 120  # for one step
NODES = ("aggregator", "node1", "node2")
RIGHT, WRONG = "argmax(1) == labels)", "argmax(1) == label)"


class Walk:
    """A browser at each node's page, in each language; what is done is done in the first.

    Args:
        browser: Playwright's.
        agents: The nodes' agents by name.
        folder: Where the pictures go, in a folder for each language.
    """

    def __init__(self, browser, agents, folder: Path):
        self.browser, self.agents, self.folder = browser, agents, folder
        self.seen: list[str] = []
        self.words: dict[str, dict[str, list[str]]] = {language: {} for language in LANGUAGES}
        self.pages = {
            (language, node): self._opened(language, agents[node]) for language in LANGUAGES for node in NODES
        }

    def _opened(self, language: str, agent):
        size = {"width": WIDTHS["desktop"], "height": HEIGHT}
        page = self.browser.new_context(locale=LOCALES[language], viewport=size, reduced_motion="reduce").new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.goto(agent.link())
        return page

    def open(self, node: str, path: str, then: str) -> None:
        """Open one of a node's pages, and wait for something there."""
        page = self.pages[LANGUAGES[0], node]
        page.goto(urlsplit(page.url)._replace(path=path).geturl())
        page.wait_for_selector(then)

    def press(self, node: str, what: str, then: str) -> None:
        """Press something on a node's page, and wait for something else."""
        page = self.pages[LANGUAGES[0], node]
        page.click(what)
        page.wait_for_selector(then)

    def fill(self, node: str, what: str, text: str) -> None:
        """Write something into a field of a node's page."""
        self.pages[LANGUAGES[0], node].fill(what, text)

    def wait(self, node: str, what: str) -> None:
        """Wait for something on a node's page."""
        self.pages[LANGUAGES[0], node].wait_for_selector(what)

    def enter(self, node: str) -> None:
        """Log in again at a node's page."""
        for language in LANGUAGES:
            self.pages[language, node].goto(self.agents[node].link())

    def leave(self, node: str) -> None:
        """Log out there."""
        for language in LANGUAGES:
            self.pages[language, node].context.clear_cookies()

    def shoot(
        self, name: str, node: str, wait: str = "main", until: str | None = None, size: str = "desktop",
        since: str | None = None, unfold: str = "",
    ) -> None:  # fmt: skip
        """Take the pictures of what a node's page shows, and open it anew.

        Args:
            name: The pictures'.
            node: The node's.
            wait: What must be there.
            until: What is not shown any more.
            size: The window's: `desktop` or `phone`.
            since: What is shown first.
            unfold: What is pressed before, on the page that is opened anew.
        """
        parts = urlsplit(self.pages[LANGUAGES[0], node].url)
        pages = {language: self.pages[language, node] for language in LANGUAGES}
        for page in pages.values():
            page.set_viewport_size({"width": WIDTHS[size], "height": HEIGHT})
            page.goto(parts._replace(netloc=urlsplit(page.url).netloc).geturl())
        for page in pages.values():
            page.wait_for_selector(wait)
            if unfold:
                page.click(unfold)
            hold_still(page, self.seen, until, since)
        for language, page in pages.items():
            self.words[language][name] = take(page, self.folder / language / f"{name}.png")
        self.pages[LANGUAGES[0], node].reload()


def walk_the_whole_way(walk: Walk, data: Path, processes) -> None:
    """Take the demo task from its form to its audit.

    Args:
        walk: The browsers.
        data: Where each node's data lie.
        processes: The nodes' agents by name.
    """
    walk.leave("aggregator")
    walk.shoot("door", "aggregator", "pre")
    walk.enter("aggregator")
    walk.shoot("empty", "aggregator")
    walk.open("aggregator", "/help", "#terminal")
    walk.shoot("help", "aggregator", until="#terminal")
    walk.open("aggregator", "/", ".empty")
    walk.press("aggregator", 'a[href="/new?demo=1"]', "#name")
    walk.shoot("new", "aggregator")
    walk.fill("aggregator", "#description", "")  # which is Chinese, as who makes the task
    walk.press("aggregator", 'form[action="/new"] .main', ".step")
    walk.shoot("send", "aggregator", until="#members")
    walk.shoot("settings", "aggregator", until=".again", unfold=".ways summary")
    walk.press("aggregator", 'form[action$="/example"] button', ".waiting")
    walk.wait("node1", ".tasks a")
    walk.shoot("invited", "node1")
    walk.press("node1", ".tasks a", ".step")
    walk.shoot("verify", "node1", until="#code")
    walk.shoot("verify-phone", "node1", until="#members", size="phone")
    walk.press("node1", ".step .main", "pre.code")
    walk.shoot("verification", "node1", until=".line:nth-child(18)")
    walk.press("node1", "form .main", 'a[href$="/look/train"].main')
    walk.shoot("join", "node1", until="#members")
    with damaged(data / "node2"):
        walk.press("node2", ".tasks a", ".step")
        walk.press("node2", ".step .main", "pre.code")
        walk.press("node2", "form .main", ".step .bad")
        walk.shoot("refused", "node2", until="#members")
    walk.press("node2", ".step form .main", 'a[href$="/look/train"].main')
    walk.press("node1", ".step .main", "pre.code")
    walk.shoot("read", "node1", until="pre .line:nth-child(20)")
    walk.press("node1", "form .main", ".step .waiting")
    walk.shoot("joined", "node1", until="#code")
    walk.press("node2", ".step .main", "pre.code")
    walk.press("node2", "form .main", ".step .waiting")
    walk.shoot("ready", "aggregator", 'form[action$="/start"]', until="#code")
    walk.press("aggregator", 'form[action$="/start"] button', "progress")
    with held_in_round(walk, 3, processes["node1"].pid):
        walk.shoot("running", "aggregator", 'main:has(.badge.running) .curve .line[d*="L"]', until="#code")
    walk.wait("aggregator", 'a[href$="model.pt"]')
    walk.shoot("finished", "aggregator", until="#members")
    walk.shoot("finished-phone", "node1", 'a[href$="model.pt"]', until="#members", size="phone")
    walk.press("aggregator", 'a[href$="/audit"]', ".timeline")
    walk.shoot("audit", "aggregator", until=".timeline li:nth-child(12)")  # from there on nodes race


def fail_and_mend(walk: Walk, agents, folder: Path) -> None:
    """Run a task whose code is wrong, and send the right one."""
    from alphamed_tutorials.catalogue import find
    from alphamed_tutorials.playground.source import make
    from alphamed_tutorials.share.new import new

    scheduler = new("my_mnist", "mnist", folder) / "scheduler.py"
    right = scheduler.read_text("utf-8")
    scheduler.write_text(right.replace(RIGHT, WRONG), "utf-8")
    wrong, _ = make(find(str(scheduler.parent)), 3, 1, {})
    scheduler.write_text(right, "utf-8")
    mended, _ = make(find(str(scheduler.parent)), 3, 1, {})

    initiator, *owners = (agents[name] for name in NODES)
    task = initiator.create("My MNIST", list(NODES[1:]), settings={"rounds": 3, "seed": 1, "num_threads": 1})["id"]
    initiator.put_code(task, "verify", wrong.verify)
    initiator.put_code(task, "train", wrong.train)
    for owner in owners:
        owner.verify(task, owner.code(task, "verify")["sha256"])
        owner.join(task, owner.code(task, "train")["sha256"])
    initiator.start(task)
    walk.open("aggregator", f"/tasks/{task}", ".failure")
    walk.shoot("failed", "aggregator", until="#members")
    walk.shoot("replace", "aggregator", since="#code", until="#log", unfold="#replace > summary")
    walk.open("aggregator", "/", ".tasks")
    walk.shoot("list", "aggregator")
    initiator.put_code(task, "train", mended.train)
    walk.open("node1", f"/tasks/{task}", ".step")
    walk.press("node1", ".step .main", ".diff")
    walk.shoot("changed", "node1", until="h2:nth-of-type(2)")
    for owner in owners:
        owner.join(task, owner.code(task, "train")["sha256"])
    initiator.start(task)
    initiator.stop(task)
    walk.open("aggregator", f"/tasks/{task}", 'form[action$="/start"]')
    walk.shoot("stopped", "aggregator", until="#members")


def record(browser, folder: Path) -> None:
    """Walk, and write pictures and words into a folder."""
    from alphamed_tutorials.data.folders import find_nodes
    from alphamed_tutorials.data.prepare import prepare
    from alphamed_tutorials.playground.agent.client import Agent
    from alphamed_tutorials.playground.processes import processes

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        prepare("mnist", place / "data", num_nodes=2)
        nodes = find_nodes(place / "data")
        with processes(place / "playground", nodes) as (_, begun):
            agents = {name: Agent(place / "playground" / name) for name in nodes}
            walk = Walk(browser, agents, folder)
            walk_the_whole_way(walk, place / "data" / "nodes", begun)
            fail_and_mend(walk, agents, place)
        (folder / WORDS).write_text(json.dumps(walk.words, ensure_ascii=False, indent=1) + "\n", "utf-8")


@contextmanager
def held_in_round(walk: Walk, number: int, agent: int) -> Iterator[None]:
    """Let a data owner stop in a round, so that the run stands where it stands however fast the machine is.

    Args:
        walk: The browsers; the aggregator's shows the task.
        number: The round.
        agent: The process of the data owner's agent.
    """
    initiator = walk.agents["aggregator"]
    task = urlsplit(walk.pages[LANGUAGES[0], "aggregator"].url).path.rpartition("/")[2]
    owner = psutil.Process(agent).children()
    while not any(event["kind"] == "round_done" and event["round"] == number - 1 for event in initiator.events(task)):
        time.sleep(0.01)
    for process in owner:
        process.suspend()
    try:
        yield
    finally:
        for process in owner:
            process.resume()


@contextmanager
def damaged(data: Path) -> Iterator[None]:
    """Put a web page in the place of a node's labels, as a browser that was sent to a login page saves it."""
    (file,) = data.rglob("train-labels-idx1-ubyte.gz")
    right = file.read_bytes()
    file.write_bytes(b"<!DOCTYPE html>\n<title>Log in</title>\n")
    yield
    file.write_bytes(right)


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    with launched() as browser:
        record(browser, FOLDER)
