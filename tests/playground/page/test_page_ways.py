"""Other ways to use a node's page: without scripts, without a mouse, with many tabs, with many tasks."""

import time
from typing import Any

import pytest
from pagebrowsing import open_task, origin, press, see
from pageworld import made_task
from small_submission import talk

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

VERIFY = {"name": "DatasetVerify.py", "mimeType": "text/x-python", "buffer": b"class DatasetVerify: ...\ndef verify(data):\n    return True, 'yes'\n"}  # fmt: skip
MANY = 200


def come_to(page: Any, text: str) -> None:
    """Press the tabulator until what has a text or a label is focused."""
    for _ in range(60):
        page.keyboard.press("Tab")
        label = page.evaluate("""() => {
            const at = document.activeElement;
            if (!at.matches("a, button, input, select, summary, textarea")) return "";
            return [...(at.labels || [])].map(each => each.innerText).join() || at.innerText;
        }""")
        if text in label:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "seen where it is"
            return
    pytest.fail(f"the tabulator does not come to {text}")


def test_a_task_is_made_without_a_mouse(nodes, operate, tmp_path):
    page, owner = operate(nodes.initiator), operate(nodes.first, may_fail=True)  # who sees that the task was deleted
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "To the content"
    page.keyboard.press("Enter")
    come_to(page, "New task")
    page.keyboard.press("Enter")
    page.wait_for_selector("#name")
    come_to(page, "Name")
    page.keyboard.type("by keyboard")
    come_to(page, "Description")
    page.keyboard.type("two lines\nof text")
    come_to(page, "or that of an example")
    page.keyboard.type("mnist")
    come_to(page, "hospital-a")
    page.keyboard.press("Space")
    come_to(page, "Create the task")
    page.keyboard.press("Enter")
    page.wait_for_selector(".step")
    come_to(page, "Send the training code")
    page.keyboard.press("Enter")
    see(page, "Waiting for the directed nodes", ".step")
    found = nodes.initiator.agent.show(page.url.rpartition("/")[2])
    assert (found["name"], found["description"].split()) == ("by keyboard", ["two", "lines", "of", "text"])
    see(owner, "by keyboard", ".tasks")
    come_to(owner, "by keyboard")
    owner.keyboard.press("Enter")
    for text in ("Read the code and verify", "Approve this code and verify", "Read the code and join", "Approve this code and join"):  # fmt: skip
        see(owner, text)
        come_to(owner, text)
        owner.keyboard.press("Enter")
    see(owner, "You have joined")
    for text, then in (("Start training", "Model: state dict"), ("Check it and read it", "The log is sound")):
        see(page, text)
        if then == "The log is sound":
            come_to(page, "Model: state dict")
            with page.expect_download() as download:
                page.keyboard.press("Enter")
            assert download.value.path().read_bytes() == b"model"
        come_to(page, text)
        page.keyboard.press("Enter")
        see(page, then)
    come_to(page, "by keyboard")  # back to the task
    page.keyboard.press("Enter")
    page.wait_for_selector(".step")
    delete = page.locator("main .button", has_text="Delete for ever")
    assert not delete.is_visible(), "it is not pressed by mistake"
    come_to(page, "Delete this task")
    page.keyboard.press("Enter")
    delete.wait_for()
    come_to(page, "Delete for ever")
    page.keyboard.press("Enter")  # and nothing more is asked
    page.wait_for_selector(".head a[href='/new']")
    assert page.locator(".tasks a", has_text="by keyboard").count() == 0
    owner.wait_for_selector("h1:has-text('could not be done')")


def test_a_task_goes_its_way_without_scripts(nodes, operate):
    initiator, owner = (
        operate(node, java_script_enabled=False, may_fail=True) for node in (nodes.initiator, nodes.first)
    )
    press(initiator, "New task")
    initiator.fill("#name", "without scripts")
    initiator.check("input[value=hospital-a]")
    initiator.set_input_files("#verify", VERIFY)
    press(initiator, "Create the task")
    initiator.set_input_files("#train", {"name": "src.zip", "mimeType": "application/zip", "buffer": talk(2)})
    press(initiator, "Upload the training code")
    reload_until(owner, "without scripts")
    owner.click(".tasks a:has-text('without scripts')")
    press(owner, "Read the code and verify")
    press(owner, "Approve this code and verify my data")
    reload_until(owner, "Your data will do")
    press(owner, "Read the code and join")
    press(owner, "Approve this code and join")
    reload_until(owner, "You have joined")
    initiator.reload()
    press(initiator, "Start training")
    reload_until(initiator, "Model: state dict")
    assert initiator.locator(".curve").count() == 1
    initiator.goto(origin(initiator) + "/?state=finished")
    initiator.fill("#search", "SCRIPTS without")
    press(initiator, "Search")
    assert initiator.locator(".tasks a").count() == 1
    initiator.locator("header button", has_text="Log out").click()
    see(initiator, "Log in to initiator")


def reload_until(page: Any, text: str) -> None:
    """Load a page anew until it says something."""
    until = time.monotonic() + 20
    while text not in page.inner_text("main"):
        assert time.monotonic() < until, f"{text} did not come"
        page.wait_for_timeout(200)
        page.reload()


def test_back_and_forward_lead_to_pages_that_are_up_to_date(nodes, operate):
    task = made_task(nodes.initiator, ["hospital-a"], "", name="first")
    page = operate(nodes.initiator)
    page.click(f".tasks a[href$='{task}']")
    page.wait_for_selector(".step")
    assert page.title() == "first · initiator"
    page.click(".crumbs a")
    page.wait_for_selector(".tasks")
    page.go_back()
    page.wait_for_selector(".step")
    nodes.initiator.agent.put_code(task, "verify", b"DatasetVerify = None")
    see(page, "Send the training code", ".step")
    page.go_back()
    page.wait_for_selector(".tasks")
    assert page.title() == "Tasks · initiator"
    made_task(nodes.initiator, ["hospital-a"], "", name="second")
    see(page, "second", ".tasks")
    page.go_forward()
    page.wait_for_selector(".step")
    assert page.title() == "first · initiator"


def test_the_language_that_is_chosen_stays(nodes, operate):
    task = made_task(nodes.initiator, ["hospital-a"], "")
    page = operate(nodes.initiator)
    open_task(page, task)
    page.click("header a[hreflang=zh]")
    page.wait_for_selector("html[lang=zh]")
    assert page.locator(".step h2").inner_text() == "发送数据验证代码"
    page.click(".crumbs a")
    page.wait_for_selector(".tasks")
    see(page, "新建任务")
    page.reload()
    assert page.get_attribute("html", "lang") == "zh"
    nodes.initiator.agent.put_code(task, "verify", b"DatasetVerify = None")
    see(page, "发送训练代码", ".tasks")
    page.click("header a[hreflang=en]")
    page.wait_for_selector("html[lang=en]")


def test_a_log_of_a_megabyte_is_read_from_its_end(nodes, operate):
    task = made_task(nodes.initiator, ["hospital-a"])
    logs = nodes.initiator.place.attempt(task, 1) / "logs"
    logs.mkdir(parents=True)
    file = logs / "child.log"
    file.write_text("".join(f"line {number:06} {'value ' * 15}\n" for number in range(10_000)))
    assert file.stat().st_size > 1_000_000
    page = operate(nodes.initiator, may_fail=True)  # a text has no icon
    began = time.monotonic()
    open_task(page, task)
    log = page.locator("pre.log")
    assert "line 009999" in log.inner_text() and "line 000001" not in log.inner_text()
    assert time.monotonic() - began < 5
    rest = "log => log.scrollHeight - log.clientHeight - log.scrollTop"
    assert log.evaluate("log => log.scrollHeight > 2 * log.clientHeight") and log.evaluate(rest) < 2
    with open(file, "a") as more:
        more.write("the very last line\n")
    see(page, "the very last line", "pre.log")
    page.wait_for_function(f"({rest})(document.querySelector('pre.log')) < 2")
    page.click("a:has-text('The whole log')")
    page.wait_for_url("**/log.txt")
    whole = page.inner_text("body")
    assert len(whole) > 1_000_000 and "line 000000" in whole and "the very last line" in whole


HIDE = """is => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => is });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_seven_tabs_of_a_node_load_and_the_one_that_is_looked_at_is_up_to_date(nodes, operate):
    """Browsers open six connections to an address: six streams would leave none for a seventh tab."""
    task = made_task(nodes.initiator, ["hospital-a"], "")
    tabs = [operate(nodes.initiator)]
    open_task(tabs[0], task)
    for _ in range(7):
        tabs[-1].evaluate(HIDE, True)  # as the browser does when another tab comes before it
        tabs.append(tabs[0].context.new_page())
        tabs[-1].goto(tabs[0].url)
        tabs[-1].wait_for_selector(".step")
    nodes.initiator.agent.put_code(task, "verify", b"DatasetVerify = None")
    see(tabs[-1], "Send the training code", ".step")
    assert "Send the training code" not in tabs[0].inner_text(".step"), "nobody looks at it"
    tabs[-1].evaluate(HIDE, True)
    tabs[0].evaluate(HIDE, False)
    see(tabs[0], "Send the training code", ".step")


def test_a_list_of_many_tasks_is_soon_there_and_is_searched(nodes, operate):
    for number in range(MANY):
        settings = {"rounds": 3, "seed": 0, "num_threads": 1, "example": ""}
        nodes.second.parts.tasks.create(f"scan n{number:03}", "of the hand" if number % 2 else "of the foot", ["hospital-a"], settings)  # fmt: skip
    page = operate(nodes.second)
    began = time.monotonic()
    page.goto(origin(page) + "/")
    assert page.locator(".tasks a").count() == MANY
    assert time.monotonic() - began < 3
    page.fill("#search", "hand n13")
    press(page, "Search")
    page.wait_for_url("**/?search=hand%20n13")
    titles = page.locator(".tasks .title")
    titles.nth(5).wait_for(state="detached")
    assert titles.all_inner_texts() == [f"scan n{number}" for number in (139, 137, 135, 133, 131)]
    page.click("nav.states a:has-text('draft')")
    page.wait_for_url("**state=draft*")
    assert page.input_value("#search") == "hand n13"
    nodes.second.agent.create("hand n13 too", ["hospital-a"])
    see(page, "hand n13 too")
    page.goto(origin(page) + "/?state=running")
    see(page, "No task fits")
