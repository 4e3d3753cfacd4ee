"""Operators at their nodes' pages, each with a browser of its own."""

import contextlib
from collections.abc import Iterator
from typing import Any

from browsing import DESKTOP

SECONDS = 30
LOCALES = {"zh": "zh-CN", "en": "en-US"}


@contextlib.contextmanager
def operated(browser: Any, agent: Any, language: str = "en", size: Any = DESKTOP, may_fail: bool = False, **options: Any) -> Iterator[Any]:  # fmt: skip
    """Yield a node's page as its operator sees it who came through a link.

    In the end, anything wrong fails the test: an error in the console, as of a script or a style that the page's policy
    refuses, an answer of 400 or more, a request to another address than the node's.

    Args:
        browser: The browser.
        agent: The node's.
        language: Of the operator.
        size: Of the window.
        may_fail: Whether answers may be missing or refuse something, as while an agent does not run.
        options: Of the browser's context.
    """
    context = browser.new_context(viewport=size, locale=LOCALES[language], reduced_motion="reduce", **options)
    context.set_default_timeout(1000 * SECONDS)
    faults: list[str] = []
    link = agent.link()
    origin = link.partition("/enter")[0] + "/"

    def watch(page: Any) -> None:
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: request.url.startswith((origin, "data:")) or faults.append(request.url))
        page.on(
            "console", lambda said: said.type == "error" and not is_expected(said.text) and faults.append(said.text)
        )

    def is_expected(text: str) -> bool:
        return may_fail and ("Failed to load resource" in text or "htmx:" in text)

    context.on("page", watch)
    page = context.new_page()
    page.goto(link)
    yield page
    context.close()
    assert not faults, faults


def origin(page: Any) -> str:
    """Return where the node of a page is."""
    return "/".join(page.url.split("/")[:3])


def open_task(page: Any, task: str) -> None:
    """Go to a task's page."""
    page.goto(f"{origin(page)}/tasks/{task}")
    page.wait_for_selector(".step")


def see(page: Any, text: str, where: str = "main") -> None:
    """Wait until a page says something."""
    page.locator(where, has_text=text).first.wait_for()


def press(page: Any, text: str) -> None:
    """Press a button, or follow a link that looks like one."""
    page.locator("main .button:visible", has_text=text).first.click()


def verify(page: Any, task: str) -> None:
    """Approve the data verification of a task, and let it begin."""
    open_task(page, task)
    press(page, "Read the code and verify")
    press(page, "Approve this code and verify my data")
    page.wait_for_selector(".step")


def join(page: Any) -> None:
    """Approve the training code once the data are verified, and join."""
    press(page, "Read the code and join")
    press(page, "Approve this code and join")
    see(page, "You have joined")
