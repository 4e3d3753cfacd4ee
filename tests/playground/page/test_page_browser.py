"""What operators meet on their nodes' pages in a real browser; the nodes' children are small programs."""

import re
from typing import Any

import pytest
from pagebrowsing import open_task, origin, press, see
from pageworld import FAILS, IDLE, VERIFICATION, made_task
from playgroundworld import Far, code, wait_for
from small_submission import talk

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

ALL_WELL = "class DatasetVerify: ...\n\n\ndef verify(data):\n    return True, 'all is there'\n"
ROUNDS_SEEN = r"round (\d+) of"


def invited(nodes: Any, *owners: Any, verify: str = ALL_WELL, train: bytes = b"", **fields: Any) -> str:
    """Return a task to which owners are invited."""
    names = [node.place.configuration.name for node in owners]
    task = made_task(nodes.initiator, names, verify, train or code(IDLE), **fields)
    for owner in owners:
        wait_for(lambda owner=owner: task in [each["id"] for each in owner.agent.tasks()])
    return task


def joined(nodes: Any, *owners: Any, **fields: Any) -> str:
    """Return a task that owners have joined, whose code they approved in a terminal."""
    task = invited(nodes, *owners, **fields)
    for owner in owners:
        owner.agent.verify(task, owner.agent.code(task, "verify")["sha256"])
        owner.agent.join(task, owner.agent.code(task, "train")["sha256"])
    return task


def file(name: str, content: bytes) -> Any:
    """Return a file to choose."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_data_that_were_refused_are_mended_and_verified_again(nodes, operate):
    task = invited(nodes, nodes.first, verify=VERIFICATION)
    owner, initiator = operate(nodes.first), operate(nodes.initiator)
    open_task(initiator, task)
    open_task(owner, task)
    press(owner, "Read the code and verify")
    press(owner, "Approve this code and verify my data")
    see(owner, "Your data were refused", ".step")
    see(owner, "labels.csv is missing", ".step")
    see(initiator, "labels.csv is missing", "[aria-labelledby=invited]")
    (nodes.first.place.data / "labels.csv").write_text("1")
    press(owner, "Verify again")
    see(owner, "labels.csv is there", ".step")
    see(initiator, "verified", "[aria-labelledby=invited]")
    assert owner.locator("main .notice.bad").count() == 0


def test_code_that_fails_is_replaced_looked_at_and_goes_on(nodes, operate):
    task = joined(nodes, nodes.first, train=code(FAILS))
    owner, initiator = operate(nodes.first), operate(nodes.initiator)
    open_task(owner, task)
    open_task(initiator, task)
    press(initiator, "Start training")
    see(owner, "own/model.py:12", ".failure")
    see(owner, "no scan has 3 channels", ".failure")
    see(initiator, "Mend what failed", ".step")
    see(initiator, "failed in own/model.py, line 12: ValueError")
    assert "no scan" not in initiator.content(), "what the error says stays at home"

    initiator.click("#replace summary")
    initiator.set_input_files("#replace #train", file("src.zip", talk(3)))
    press(initiator, "Upload the training code")
    see(initiator, "Waiting for the directed nodes")
    see(owner, "changed since you approved it")
    press(owner, "Read the code and join")
    see(owner, 'if assignment["role"] != "aggregator":', ".diff .removed")
    see(owner, "line.event(", ".diff .added")
    press(owner, "Approve this code and join")
    press(initiator, "Start training")
    for page in (initiator, owner):
        page.wait_for_selector("a[href$='model.pt']")
    with owner.expect_download() as download:
        press(owner, "Model: state dict")
    assert download.value.path().read_bytes() == b"model"
    see(initiator, "0.3", ".curves figcaption")
    assert initiator.locator(".failure").count() == owner.locator(".failure").count() == 0, "it is long mended"


def test_an_example_from_the_form_to_the_model(nodes, operate):
    """The way that the page itself proposes, in Chinese."""
    initiator, owner = operate(nodes.initiator, language="zh"), operate(nodes.first, language="zh")
    initiator.goto(origin(initiator) + "/new?demo=1")
    initiator.fill("#name", "胸片")
    initiator.uncheck("input[value=hospital-b]")
    press(initiator, "创建任务")
    initiator.click("summary:has-text('设置')")
    initiator.fill("[name='set.pause']", "2")  # a round lasts longer than from one look at it to the next
    press(initiator, "发送训练代码")
    owner.click(".tasks a:has-text('胸片')")
    press(owner, "看代码，验证数据")
    press(owner, "批准这份代码，验证我的数据")
    press(owner, "看代码，加入任务")
    press(owner, "批准这份代码，加入任务")
    press(initiator, "启动训练")
    see(owner, "轮，共 3 轮", ".progress")
    see(initiator, "已完成", ".badge.finished")
    initiator.wait_for_selector("a[href$='model.pt']")
    initiator.click("a[href$='/audit']")
    see(initiator, "日志完好", ".notice.good")


ONE_ANSWERS = """
me, others = assignment["pseudonym"], [each["node_id"] for each in line.post("/task/nodelist")["records"]]
if me == others[0]:
    line.event("round_started", round=1, rounds=2)
    line.push(["*"], type="sync_state")
    line.pop()
else:
    line.pop()
    if me == others[1]:
        line.push(others[:1], type="apply_sf_sending_data", source=me)
"""


def test_the_aggregators_page_says_who_has_answered_in_a_round(nodes, operate):
    task = joined(nodes, nodes.first, nodes.second, train=code(ONE_ANSWERS + IDLE))
    initiator, owner = operate(nodes.initiator), operate(nodes.first)
    open_task(initiator, task)
    press(initiator, "Start training")
    members = "[aria-labelledby=members] tbody tr"
    see(initiator, "has answered in this round at", members)
    rows = initiator.locator(members).all_inner_texts()
    assert "this round" not in rows[0], "the aggregator itself"
    assert "has answered in this round at" in rows[1] and "at work in this round since" in rows[2], rows
    open_task(owner, task)
    see(owner, "round 1 of 2", ".progress")
    assert "this round" not in owner.inner_text(".wide"), "owners do not hear of each other"
    nodes.initiator.agent.stop(task)
    see(initiator, "Go on", ".step")
    assert "this round" not in initiator.inner_text(".wide")


@pytest.mark.slow
def test_a_page_outlives_its_agent(nodes, operate):
    far = Far(nodes.world.place("hospital-c"))
    nodes.world.on_close.callback(far.kill)
    task = joined(nodes, far, train=talk(200, "0.2"))
    nodes.initiator.agent.start(task)
    page = operate(far, may_fail=True)
    open_task(page, task)
    see(page, "round", ".progress")
    assert not page.is_visible("#lost")
    far.kill()
    page.wait_for_selector("#lost", state="visible")
    before = round_of(page)
    far.start()
    page.wait_for_selector("#lost", state="hidden")
    wait_for(lambda: round_of(page) > before, 30)
    nodes.initiator.agent.stop(task)
    see(page, "stopped", ".badge")


def round_of(page: Any) -> int:
    """Return the round that a page shows."""
    page.wait_for_timeout(100)
    found = re.search(ROUNDS_SEEN, page.inner_text("main"))
    return int(found[1]) if found else 0


def cut(node: Any) -> None:
    """Break all connections to a node that are open, as a machine that slept does."""
    connections = [each for each in list(node.server.server_state.connections) if each.transport]
    for each in connections:
        each.loop.call_soon_threadsafe(each.transport.abort)
    assert connections


def test_a_stream_that_was_lost_is_opened_again_and_nothing_is_missed(nodes, operate):
    task = invited(nodes, nodes.first)
    page = operate(nodes.initiator, may_fail=True)
    open_task(page, task)
    for text in ("missed = 1", "heard = 1"):
        cut(nodes.initiator)
        sent = nodes.initiator.parts.tasks.put_code(task, "train", code(text))
        see(page, sent["code"]["train"]["sha256"][:12])
        assert not page.is_visible("#lost")


def test_two_tabs_of_a_node_show_the_same_and_may_do_the_same(nodes, operate):
    task = joined(nodes, nodes.first)
    first = operate(nodes.initiator, may_fail=True)  # of two starts at once, one is refused
    second = first.context.new_page()
    second.goto(first.url)
    for page in (first, second):
        open_task(page, task)
    for page in (first, second):  # before either has heard of the other
        page.locator("form[action$='/start'] button").evaluate("button => button.click()")
    for page in (first, second):
        page.locator("main", has_text=re.compile("Training is running|could not be done")).wait_for()
        if page.locator("h1", has_text="could not be done").count():  # it came while the other was being done
            press(page, "Back")
        see(page, "Training is running", ".step")
    assert nodes.initiator.agent.show(task)["attempt"] == 1
    first.evaluate(
        "document.querySelectorAll('form[action$=\"/stop\"] button').forEach(each => { each.click(); each.click(); })"
    )
    for page in (first, second):
        see(page, "stopped", ".badge")
        see(page, "Go on", ".step")


def test_an_impatient_click_makes_no_second_task(nodes, operate):
    page = operate(nodes.initiator)
    page.goto(origin(page) + "/new")
    page.fill("#name", "impatient")
    page.select_option("#verification_of", "mnist")
    page.check("input[value=hospital-a]")
    page.locator("main .button", has_text="Create the task").dblclick()
    page.wait_for_selector(".step")
    page.wait_for_timeout(1500)
    assert [each["name"] for each in nodes.initiator.agent.tasks("impatient")] == ["impatient"]


def test_a_wrong_file_is_said_and_the_form_can_be_sent_again(nodes, operate):
    page = operate(nodes.initiator, may_fail=True)
    page.goto(origin(page) + "/new")
    page.fill("#name", "scans")
    page.fill("#description", "of hands")
    page.check("input[value=hospital-a]")
    page.set_input_files("#verify", file("DatasetVerify.py", b"a text of something else"))
    press(page, "Create the task")
    see(page, "the file has no class DatasetVerify", ".notice.bad")
    assert page.input_value("#name") == "scans" and page.input_value("#description") == "of hands"
    assert page.is_checked("input[value=hospital-a]") and not page.is_checked("input[value=hospital-b]")
    page.set_input_files("#verify", file("DatasetVerify.py", ALL_WELL.encode()))
    press(page, "Create the task")
    for name, content, said in (
        ("src.zip", b"this is no archive", "the training code is no src.zip"),
        ("src.zip", code().replace(b"entry.pickle", b"entry.nothin"), "the archive has no entry.pickle"),
    ):
        page.set_input_files("#train", file(name, content))
        press(page, "Upload the training code")
        see(page, said, ".step .notice.bad")
    page.set_input_files("#train", file("src.zip", code(IDLE)))
    press(page, "Upload the training code")
    see(page, "Waiting for the directed nodes", ".step")
    assert page.locator("main .notice.bad").count() == 0


def test_what_is_typed_and_chosen_survives_what_happens_meanwhile(nodes, operate):
    task = made_task(nodes.initiator, ["hospital-a"], ALL_WELL)
    page = operate(nodes.initiator)
    open_task(page, task)
    page.click("summary:has-text('Settings')")
    page.fill("[name='set.pause']", "0.125")
    page.set_input_files("#train", file("src.zip", code(IDLE)))
    page.focus("[name='set.pause']")
    nodes.initiator.agent.put_code(task, "attachment", b"something new")
    page.wait_for_selector("a[href$='/look/attachment']")
    assert page.input_value("[name='set.pause']") == "0.125" and page.is_visible("[name='set.pause']")
    assert page.evaluate("document.activeElement.name") == "set.pause"
    assert page.evaluate("document.getElementById('train').files.length") == 1
    press(page, "Upload the training code")
    see(page, "Waiting for the directed nodes", ".step")


def test_what_did_not_reach_the_agent_can_be_sent_again(nodes, operate):
    task = made_task(nodes.initiator, ["hospital-a"], ALL_WELL)
    page = operate(nodes.initiator, may_fail=True)
    open_task(page, task)
    page.set_input_files("#train", file("src.zip", code(IDLE)))
    page.route("**/upload", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        press(page, "Upload the training code")
    page.wait_for_selector(".step [aria-busy=true]", state="detached")
    nodes.initiator.agent.put_code(task, "attachment", b"something new")
    page.wait_for_selector("a[href$='/look/attachment']")
    assert page.evaluate("document.getElementById('train').files.length") == 1
    page.unroute("**/upload")
    press(page, "Upload the training code")
    see(page, "Waiting for the directed nodes", ".step")
