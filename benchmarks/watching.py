"""Pages that are open during a run: a browser's part of each, and how long it and the hub make one wait."""

import contextlib
import multiprocessing
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import requests

from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.agent.hub_client import HubClient
from alphamed_tutorials.playground.agent.keys import Keys

PAUSE = 0.1  # seconds between two questions to the hub
OPENING = 60  # seconds that all pages may take to open
CHANGED = b"event: changed"


class Watched:
    """What was seen by those who look at a task on the pages of all nodes.

    Attributes:
        pages: Seconds until a page was there, of each that was fetched.
        hub: Seconds until the hub answered, of each question.
    """

    def __init__(self) -> None:
        self.pages: list[float] = []
        self.hub: list[float] = []

    def summary(self) -> dict[str, float]:
        """Return medians and 95th percentiles in milliseconds."""
        return {
            f"{name}_{what}_ms": round(1000 * statistics.quantiles(seconds, n=100)[percent - 1], 1)
            for name, seconds in (("page", self.pages), ("hub_answer", self.hub))
            for what, percent in (("median", 50), ("p95", 95))
        } | {"pages_fetched": len(self.pages), "hub_asked": len(self.hub)}


@contextlib.contextmanager
def watching(agents: Mapping[str, Agent], task: str) -> Iterator[Watched]:
    """Keep the page of a task open on every node, and ask the hub all the while, to the end of a `with` block."""
    context = multiprocessing.get_context("spawn")
    watched, over, times = Watched(), context.Event(), context.Queue()
    # what it costs to open them all at one moment is not asked here; a page that does not open ends the wait
    opened = threading.Barrier(len(agents) + 1, timeout=OPENING)
    threads = [
        threading.Thread(target=_browse, args=(agent, task, watched, over, opened), daemon=True)
        for agent in agents.values()
    ]
    for thread in threads:
        thread.start()
    opened.wait()
    # in a process of its own: among so many threads it would wait for its own turn, not for the hub's answer
    first = next(iter(agents.values()))
    arguments = (first.status()["hub"], Path(first.folder) / "keys", task, over, times)
    asking = context.Process(target=_ask, args=arguments, daemon=True)
    asking.start()
    yield watched
    over.set()
    watched.hub = times.get(timeout=15)
    for each in (asking, *threads):
        each.join(15)


def _browse(agent: Agent, task: str, watched: Watched, over: Event, opened: threading.Barrier) -> None:
    """Do what a browser does: follow the page's stream, and fetch the page whenever it has changed."""
    with requests.Session() as browser, contextlib.suppress(requests.RequestException):
        browser.trust_env = False
        link = agent.link()
        browser.get(link)
        page = f"{link.partition('/enter/')[0]}/tasks/{task}"
        browser.get(page).raise_for_status()
        opened.wait()
        with browser.get(f"{page}/live", stream=True, timeout=60) as stream:
            for line in stream.iter_lines():
                if over.is_set():
                    return
                if line == CHANGED:
                    started = time.perf_counter()
                    browser.get(page).raise_for_status()
                    watched.pages.append(time.perf_counter() - started)


def _ask(url: str, keys: Path, task: str, over: Event, times: Any) -> None:
    """Ask the hub how the task stands, as one of its nodes; hand over the seconds of each answer in the end."""
    hub, seconds = HubClient(url, Keys(keys).signing, None), []
    while not over.wait(PAUSE):
        started = time.perf_counter()
        hub.get(f"/v1/tasks/{task}")
        seconds.append(time.perf_counter() - started)
    times.put(seconds)
