"""Every screen of a node's page: readable by everybody, in both languages, light and dark, on a desk and on a phone."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from browsing import DESKTOP
from pagebrowsing import operated, origin
from pageworld import FAILS, IDLE, VERIFICATION, made_task
from playgroundworld import Near, code, wait_for
from sampled import in_soak_but_every
from small_submission import talk

axe_module = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}
LONG = "a long name, as hospitals give, and_a_word_that_is_very_long_indeed_and_goes"
SCREENS = {  # what each says in English, so that none looks at something else, as an error
    "tasks": "New task", "no task": "There is no task yet", "no task found": "No task fits",
    "new": "Create the task", "new demo": "Create the task", "help": "What the audit proves", "door": "Log in",
    "refused": "could not be done", "no verification": "Send the data verification", "no code": "Send the training code",
    "waiting for nodes": "Wait for the directed nodes", "invited": "Read the code and verify",
    "data refused": "Your data were refused", "a node was refused": "labels.csv is missing",
    "verified": "Read the code and join", "ready": "Start training", "joined": "You have joined",
    "running": "Training is running", "running at an owner": "Training is running", "failed": "Mend what failed",
    "failed at an owner": "own/model.py:12", "stopped": "Go on", "finished": "Model: state dict",
    "finished at an owner": "Report: TensorBoard", "verification to approve": "Approve this code and verify",
    "code to approve": "Approve this code and join", "code that was changed": "What has changed",
    "audit": "The log is sound",
}  # fmt: skip


class Screen(NamedTuple):
    """Where a screen is seen."""

    node: Near
    path: str
    is_inside: bool = True


@pytest.fixture(scope="module")
def screens(nodes) -> dict[str, Screen]:
    """Tasks in all states, on the pages of an initiator and of an owner."""
    first, initiator = nodes.first, nodes.initiator

    def task(train: bytes = b"", step: str = "", verify: str = "class DatasetVerify: ...\ndef verify(data):\n    return True, 'yes'\n") -> str:  # fmt: skip
        made = made_task(initiator, ["hospital-a"], verify, train, name=LONG, description=f"{LONG}\n\n{LONG}")
        if train:
            wait_for(lambda: made in [each["id"] for each in first.agent.tasks()])
        steps = ["verify", "join", "start", "stop"]
        for each in steps[: steps.index(step) + 1] if step else ():
            if each == "verify":
                first.agent.verify(made, first.agent.code(made, "verify")["sha256"])
            elif each == "join":
                first.agent.join(made, first.agent.code(made, "train")["sha256"])
            else:
                getattr(initiator.agent, each)(made)
        return f"/tasks/{made}"

    def state(path: str) -> str:
        return str(initiator.agent.show(path.rpartition("/")[2])["state"])

    idle = code(IDLE, **{"model.py": "".join(f"line_{number} = {number}\n" for number in range(60))})
    refused, verified, ready = task(idle, "verify", VERIFICATION), task(idle, "verify"), task(idle, "join")
    running, finished, failed = task(talk(1000, "0.5"), "start"), task(talk(3), "start"), task(code(FAILS), "start")
    changed, invited, stopped = task(idle, "join"), task(idle), task(idle, "stop")
    initiator.agent.put_code(changed.rpartition("/")[2], "train", code(IDLE + "# new\n", **{"more.py": "new = 1\n"}))
    initiator.agent.put_code(ready.rpartition("/")[2], "attachment", b"# A plan")
    wait_for(lambda: (state(finished), state(failed)) == ("finished", "failed"))
    wait_for(
        lambda: all(node.agent.show(finished.rpartition("/")[2])["here"]["results"] for node in (initiator, first))
    )
    return {
        "tasks": Screen(initiator, "/"), "no task": Screen(nodes.second, "/"),
        "no task found": Screen(initiator, "/?search=nothing"), "new": Screen(initiator, "/new"),
        "new demo": Screen(initiator, "/new?demo=1"), "help": Screen(first, "/help"),
        "door": Screen(first, "/", is_inside=False), "refused": Screen(first, "/tasks/nothing"),
        "no verification": Screen(initiator, task(verify="")), "no code": Screen(initiator, task()),
        "waiting for nodes": Screen(initiator, invited), "invited": Screen(first, invited),
        "data refused": Screen(first, refused), "a node was refused": Screen(initiator, refused),
        "verified": Screen(first, verified), "ready": Screen(initiator, ready), "joined": Screen(first, ready),
        "running": Screen(initiator, running), "running at an owner": Screen(first, running),
        "failed": Screen(initiator, failed), "failed at an owner": Screen(first, failed),
        "stopped": Screen(initiator, stopped), "finished": Screen(initiator, finished),
        "finished at an owner": Screen(first, finished),
        "verification to approve": Screen(first, f"{invited}/look/verify"),
        "code to approve": Screen(first, f"{verified}/look/train"),
        "code that was changed": Screen(first, f"{changed}/look/train"),
        "audit": Screen(initiator, f"{finished}/audit"),
    }  # fmt: skip


@pytest.fixture(scope="module")
def page_of(browser) -> Iterator[Callable[[Screen, str], Any]]:
    """Return a function that opens a screen; each node has one page for each language."""
    pages: dict[tuple[Any, ...], Any] = {}
    with contextlib.ExitStack() as opened:

        def open_screen(screen: Screen, language: str) -> Any:
            key = id(screen.node), language, screen.is_inside
            if key not in pages:
                pages[key] = opened.enter_context(operated(browser, screen.node.agent, language, may_fail=True))
                if not screen.is_inside:
                    pages[key].context.clear_cookies()
            page = pages[key]
            page.goto(origin(page) + screen.path)
            return page

        yield open_screen


@pytest.fixture(scope="module")
def axe() -> Any:
    return axe_module.Axe()


def faults(axe: Any, page: Any) -> list[str]:
    """Return what axe finds on a page, whatever it weighs."""
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{fault['id']}: {[node['target'] for node in fault['nodes'][:5]]}" for fault in found]


LEAVE_THE_WINDOW = """[...document.querySelectorAll("main .button, input, select, textarea")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth)
    .map(each => each.outerHTML)"""


@pytest.mark.parametrize(("language", "scheme", "size"), [("zh", "light", DESKTOP), ("en", "dark", PHONE)])
@pytest.mark.parametrize("name", in_soak_but_every(2, SCREENS))
def test_a_screen_is_sound(screens, page_of, axe, name, language, scheme, size):
    page = page_of(screens[name], language)
    page.emulate_media(color_scheme=scheme)
    assert page.get_attribute("html", "lang") == language
    assert page.locator("h1").count() == 1
    assert language == "zh" or SCREENS[name] in page.inner_text("main")
    assert page.locator(".waiting").count() == page.locator(".waiting:has(time)").count()
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(LEAVE_THE_WINDOW) == []
    page.set_viewport_size(size)
    assert faults(axe, page) == []


def test_what_cannot_be_read_is_found(screens, page_of, axe):
    page = page_of(screens["help"], "en")
    page.locator("main p").first.evaluate("each => { each.innerHTML = '<b>some words</b>'; }")
    page.locator("main p b").evaluate("each => { each.style.opacity = .2; }")
    assert [fault.partition(":")[0] for fault in faults(axe, page)] == ["color-contrast"]
