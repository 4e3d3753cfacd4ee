"""What is sent by a node's page and what it then shows, without a browser."""

import html
import io
import re
import threading
import time
import zipfile
from typing import Any

import pytest
from pageworld import IDLE, VERIFICATION, Visitor, made_task
from playgroundworld import code, wait_for

from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.playground.page.curves import by_metric, curve
from alphamed_tutorials.playground.page.jobs import Jobs

FORM = {
    "name": "scans",
    "description": "of hands",
    "nodes": "hospital-a",
    "rounds": "2",
    "seed": "5",
    "kind": "horizontal",
}
PYTHON = {"verify": ("DatasetVerify.py", VERIFICATION)}


@pytest.fixture(scope="module")
def initiator(nodes) -> Visitor:
    return Visitor(nodes.initiator)


def task_of(answer: Any) -> str:
    """Return the task on whose page a form has ended."""
    assert answer.status_code == 200 and "/tasks/" in answer.url, answer.text
    return str(answer.url.rpartition("/")[2])


def test_a_form_makes_a_task_as_alphamed_asks_for_it(nodes, initiator):
    files = {**PYTHON, "attachments": ("C:\\papers\\plan.md", "# A plan")}
    task = task_of(initiator.submit("/new", files=files, **FORM))
    found = nodes.initiator.agent.show(task)
    assert (found["name"], found["description"], found["state"]) == ("scans", "of hands", "draft")
    assert found["settings"] == {"rounds": 2, "seed": 5, "num_threads": 1, "example": ""}
    assert [each["name"] for each in found["invited"]] == ["hospital-a"]
    assert nodes.initiator.agent.code(task, "verify")["files"][0]["text"] == VERIFICATION
    assert [each["name"] for each in nodes.initiator.agent.code(task, "attachment")["files"]] == ["plan.md"]
    with zipfile.ZipFile(io.BytesIO(initiator.look(f"/tasks/{task}/attachment").content)) as archive:
        assert archive.read("plan.md") == b"# A plan"


def test_an_examples_verification_needs_no_file(nodes, initiator):
    task = task_of(initiator.submit("/new", verification_of="mnist", **FORM))
    assert "all is there" in nodes.initiator.agent.code(task, "verify")["files"][0]["text"]


@pytest.mark.parametrize(
    ("wrong", "files", "text"),
    [
        ({"name": " "}, PYTHON, "give the task a name"),
        ({"nodes": []}, PYTHON, "choose the directed nodes"),
        ({"nodes": "nobody"}, PYTHON, "no admitted node is called nobody"),
        ({"rounds": "2.5"}, PYTHON, "the number of rounds must be a whole number, not '2.5'"),
        ({"seed": "-1"}, PYTHON, "the seed must be a whole number"),
        ({}, {}, "choose one file: DatasetVerify.py"),
        ({}, {"verify": ("notes.txt", "nothing of the sort")}, "the file has no class DatasetVerify"),
        ({}, {"verify": ("x.py", b"\xff\xfeDatasetVerify")}, "saved as UTF-8"),
        ({"verification_of": "nothing"}, {}, "no example is called nothing"),
    ],
)
def test_a_wrong_form_says_so_keeps_what_was_typed_and_makes_nothing(nodes, initiator, wrong, files, text):
    before = len(nodes.initiator.agent.tasks())
    refused = initiator.submit("/new", files=files, **{**FORM, **wrong})
    said = html.unescape(refused.text)
    assert refused.status_code == 409 and text in said, said
    assert 'value="scans"' in said or "name" in wrong
    assert ">of hands</textarea>" in said
    assert 'value="hospital-a" checked' in said or "nodes" in wrong
    assert len(nodes.initiator.agent.tasks()) == before


@pytest.mark.parametrize(
    ("action", "files", "text"),
    [
        ("upload", {"train": ("src.zip", b"no archive")}, "the training code is no src.zip"),
        ("upload", {"train": ("src.zip", b"PK\x03\x04 but no archive")}, "the archive is damaged"),
        ("upload", {"train": ("src.zip", code().replace(b"entry.pickle", b"entry.nothin"))}, "the archive has no entry.pickle"),
        ("upload", {}, "choose one file: src.zip"),
        ("verification", {"verify": ("DatasetVerify.py", "a text")}, "the file has no class DatasetVerify"),
        ("example", {}, "rounds must be a whole number"),
    ],
)  # fmt: skip
def test_a_wrong_upload_is_refused_and_nothing_is_lost(nodes, initiator, action, files, text):
    task = made_task(nodes.initiator, ["hospital-a"], train=code())
    before = nodes.initiator.agent.show(task)["code"]
    shown = initiator.submit(f"/tasks/{task}/{action}", files=files, rounds="many")
    assert task_of(shown) == task and text in html.unescape(shown.text)
    assert nodes.initiator.agent.show(task)["code"] == before


@pytest.mark.parametrize("field", ["target", "verification_of"])
def test_a_form_cannot_name_a_file_of_this_machine(nodes, initiator, tmp_path, field):
    """Whose code would be imported, outside the sandbox."""
    ran, file = tmp_path / "ran", tmp_path / "task.py"
    file.write_text(f"open({str(ran)!r}, 'w')")
    task = made_task(nodes.initiator, ["hospital-a"], train=code())
    action = "example" if field == "target" else "verification"
    shown = initiator.submit(f"/tasks/{task}/{action}", **{field: str(file)})
    assert f"no example is called {file}" in html.unescape(shown.text)
    assert not ran.exists()


def test_what_an_example_is_set_to_is_made_into_its_code(nodes, initiator):
    task = task_of(initiator.submit("/new", verification_of="mnist", **FORM))
    task_of(initiator.submit(f"/tasks/{task}/example", target="mnist", rounds="7", **{"set.pause": "0.25"}))
    wait_for(lambda: "train" in nodes.initiator.agent.show(task)["code"])
    files = {each["name"]: each for each in nodes.initiator.agent.code(task, "train")["files"]}
    assert "time.sleep(0.25)" in files["behave.py"]["text"] and "range(1, 7 + 1)" in files["behave.py"]["text"]
    assert nodes.initiator.agent.show(task)["state"] == "verifying"


def test_code_of_an_example_is_not_sent_to_a_task_that_verifies_the_data_of_another(nodes, initiator):
    task = task_of(initiator.submit("/new", verification_of="mnist", **FORM))

    def submit() -> str:
        return html.unescape(initiator.submit(f"/tasks/{task}/example", target="speech_commands", rounds="2").text)

    assert (
        "verifies the data of mnist: choose this example, or first send the data verification of speech_com" in submit()
    )
    assert "train" not in nodes.initiator.agent.show(task)["code"]
    task_of(initiator.submit(f"/tasks/{task}/verification", files=PYTHON))
    assert "verifies the data" not in submit()
    wait_for(lambda: "train" in nodes.initiator.agent.show(task)["code"])
    again = task_of(initiator.submit(f"/tasks/{task}/verification", verification_of="mnist"))
    assert "all is there" in nodes.initiator.agent.code(again, "verify")["files"][0]["text"]


def test_a_verification_that_was_sent_is_not_asked_for_again(initiator):
    """Another one can be sent, where nobody looks who has nothing to change."""
    task = task_of(initiator.submit("/new", files=PYTHON, **FORM))
    shown = initiator.look(f"/tasks/{task}").text
    ways, _, rest = shown.partition('<div class="ways">')[2].partition('<details class="again">')
    assert len(re.findall("<h3>", ways)) == 2 and "verification" not in ways
    assert (
        "<summary>Send another data verification</summary>" in rest and f'action="/tasks/{task}/verification"' in rest
    )


@pytest.mark.parametrize(("language", "word"), [("zh", "异构"), ("en", "Heterogeneous")])
def test_the_kind_that_there_is_not_leads_to_the_reason(nodes, language, word):
    visitor = Visitor(nodes.initiator, language=language)
    line = re.search(r'<label class="choice off">.*', visitor.look("/new").text)
    assert line and word in line[0] and " disabled>" in line[0]
    path, _, place = re.search('href="([^"]+)"', line[0])[1].partition("#")
    reason = visitor.look(path).text.partition(f'<h2 id="{place}">')[2].partition("<h2")[0]
    assert word.lower() in reason.lower() and len(reason) > 100


def test_the_first_page_and_the_help_tell_the_same_way(nodes):
    first, help_page = (re.findall('<ol class="way">.*?</ol>', Visitor(nodes.second).look(path).text, re.DOTALL)
                        for path in ("/", "/help"))  # fmt: skip
    assert len(first) == 1 and first == help_page
    assert first[0].index("the training code") < first[0].index("are invited") < first[0].index("verification")


def test_code_that_was_changed_after_its_approval_is_shown_as_a_difference(nodes):
    owner = Visitor(nodes.first)
    task = made_task(nodes.initiator, ["hospital-a"], "# DatasetVerify\ndef verify(data):\n    return True, 'yes'\n", code("rate = 1\nkeep = 2\n", **{"old.py": "gone = 1\n"}))  # fmt: skip
    wait_for(lambda: task in [each["id"] for each in nodes.first.agent.tasks()])
    fresh = owner.look(f"/tasks/{task}/look/train").text
    assert "What has changed" not in fresh and "Approve this code and join" not in fresh, "first the data"
    for kind, action in (("verify", "verify"), ("train", "join")):
        sha256 = nodes.first.agent.code(task, kind)["sha256"]
        assert f'value="{sha256}"' in owner.look(f"/tasks/{task}/look/{kind}").text
        owner.submit(f"/tasks/{task}/{action}", approve=sha256)
    wait_for(lambda: nodes.first.agent.show(task)["me"]["state"] == "joined")
    assert "approved exactly this code" in owner.look(f"/tasks/{task}/look/train").text

    nodes.initiator.agent.put_code(task, "train", code("rate = 3\nkeep = 2\n", **{"new.py": "come = 1\n"}))
    changed = owner.look(f"/tasks/{task}/look/train").text
    assert "The code was changed since you approved it" in changed
    for line in ('removed">-rate = 1', 'added">+rate = 3', 'added">+come = 1', 'removed">-gone = 1'):
        assert line in changed
    assert "keep = 2" in changed and "keep = 2" not in "".join(part for part in changed.split("\n") if "added" in part)
    old = owner.submit(f"/tasks/{task}/join", approve=sha256)
    assert "look at it, and approve this hash" in html.unescape(old.text), "the hash of what is not there any more"
    assert nodes.first.agent.show(task)["me"]["state"] == "verified"


def test_what_others_say_is_text_and_nothing_else(nodes):
    trick = "<script>alert(1)</script>"
    task = made_task(
        nodes.initiator, ["hospital-a"], f"class DatasetVerify: ...\ndef verify(data):\n    return True, {trick!r}\n",
        code(IDLE, **{f"{trick.replace('/', '')}.py": trick}), name=trick, description=trick,
    )  # fmt: skip
    wait_for(lambda: task in [each["id"] for each in nodes.first.agent.tasks()])
    nodes.first.agent.verify(task, nodes.first.agent.code(task, "verify")["sha256"])
    journal = nodes.first.parts.journal
    journal.record(task, 1, {"kind": "failed", "text": trick, "type": trick, "file": trick, "line": 1})
    journal.record(task, 1, {"kind": "restart", "text": trick})
    journal.record(task, 1, {"kind": "round_done", "round": 1, "rows": [[trick, 1.0]]})
    (nodes.first.place.task(task) / "verify-1" / "logs").mkdir(exist_ok=True)
    (nodes.first.place.task(task) / "verify-1" / "logs" / "child.log").write_text(trick)
    visitors = [
        Visitor(node, language=language) for node in (nodes.first, nodes.initiator) for language in ("zh", "en")
    ]
    for visitor in visitors:
        for path in (
            "/",
            f"/?search={trick}&state={trick}",
            *(f"/tasks/{task}{end}" for end in ("", "/look/train", "/look/verify", "/audit")),
        ):
            seen = visitor.look(path)
            assert seen.status_code == 200 and trick not in seen.text and "<script>" not in seen.text, path
            assert "&lt;script&gt;alert" in seen.text or "audit" in path, path
    table = visitors[0].look(f"/tasks/{task}/metrics.csv")
    assert trick in table.text and table.headers["Content-Type"].startswith("text/csv")
    assert visitors[0].look(f"/tasks/{task}/log.txt").headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("kind", ["failed", "alarm"])
def test_what_ended_a_task_is_shown_though_no_line_of_code_is_to_blame(nodes, kind):
    task = made_task(nodes.initiator, ["hospital-a"])
    nodes.initiator.parts.journal.record(task, 1, {"kind": kind, "text": "it took more than 500 MiB of memory"})
    shown = Visitor(nodes.initiator).look(f"/tasks/{task}")
    assert shown.status_code == 200 and "it took more than 500 MiB of memory" in shown.text


def test_a_long_log_makes_no_long_page(nodes):
    """Neither by many lines nor by long ones; who wants it whole gets it whole."""
    task = made_task(nodes.initiator, ["hospital-a"])
    logs = nodes.initiator.place.attempt(task, 1) / "logs"
    logs.mkdir(parents=True)
    log = "".join(f"{number:06} {'value ' * 15}\n" for number in range(10_000)) + "last " * 200_000
    (logs / "child.log").write_text(log)
    visitor = Visitor(nodes.initiator)
    began = time.monotonic()
    page = visitor.look(f"/tasks/{task}")
    assert len(page.content) < 100_000 and "last last" in page.text and time.monotonic() - began < 3
    whole = visitor.look(f"/tasks/{task}/log.txt").text
    assert log.rstrip() in whole


def next_event(visitor: Visitor, path: str, change: Any) -> tuple[str, float]:
    """Return the first event of a stream, and how many seconds after a change it came."""
    with visitor.look(path, stream=True, timeout=15) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        changed = time.monotonic()
        threading.Timer(0, change).start()
        found = next(line for line in lines if line)
        return found, time.monotonic() - changed


def test_a_page_hears_of_a_change_and_of_one_that_it_missed(nodes, initiator):
    task = made_task(nodes.initiator, ["hospital-a"])
    for path, end in (("/", "/live?search=&state=&"), (f"/tasks/{task}", f"/tasks/{task}/live?")):
        seen = initiator.look(path).text.partition("seen=")[2].partition('"')[0]
        assert len(seen) == 16

        def change(text: str = end) -> None:
            nodes.initiator.agent.put_code(task, "attachment", text.encode())

        found, seconds = next_event(initiator, f"{end}seen={seen}", change)
        assert found == "event: changed" and seconds < 5
        missed, _ = next_event(initiator, f"{end}seen={seen}", lambda: None)
        assert missed == "event: changed"


def test_what_cannot_be_done_now_leads_back_to_the_task(nodes, initiator):
    task = made_task(nodes.initiator, ["hospital-a"])
    may_end = threading.Event()
    threading.Thread(target=initiator_job, args=(nodes, task, may_end)).start()
    wait_for(lambda: nodes.initiator.parts.page.jobs.of(task))
    refused = initiator.submit(f"/tasks/{task}/start")
    may_end.set()
    assert refused.status_code == 409 and "being done for this task already" in refused.text
    assert f'href="/tasks/{task}"' in refused.text


def initiator_job(nodes: Any, task: str, may_end: threading.Event) -> None:
    """Do something in a task until it may end."""
    nodes.initiator.parts.page.jobs.do(task, "send", may_end.wait)


def test_a_task_is_deleted_by_its_initiator_only(nodes, initiator):
    task = made_task(nodes.initiator, ["hospital-a"], train=code(), name="to be deleted")
    wait_for(lambda: task in [each["id"] for each in nodes.first.agent.tasks()])
    owner = Visitor(nodes.first)
    assert "/delete" not in owner.look(f"/tasks/{task}").text
    refused = owner.submit(f"/tasks/{task}/delete")
    assert refused.status_code == 403 and "only the task&#39;s initiator" in refused.text
    deleted = initiator.submit(f"/tasks/{task}/delete")
    assert deleted.url == initiator.origin + "/" and "to be deleted" not in deleted.text
    assert initiator.look(f"/tasks/{task}").status_code == 404


@pytest.mark.parametrize("name", ["model.pt", "child.json", "..%2Fcode", "%2e%2e%2f%2e%2e%2f%2e%2e%2fagent.db"])
def test_results_are_all_that_is_given_away(nodes, initiator, name):
    task = made_task(nodes.initiator, ["hospital-a"])
    nodes.initiator.parts.tasks.results(task).mkdir(parents=True, exist_ok=True)
    (nodes.initiator.parts.tasks.results(task) / "child.json").write_text("a secret")
    answer = initiator.look(f"/tasks/{task}/results/{name}")
    assert answer.is_redirect or answer.status_code == 404


def test_without_the_hub_the_page_shows_what_the_node_saw_last(nodes, initiator):
    task = made_task(nodes.initiator, ["hospital-a"], name="seen before")
    initiator.look(f"/tasks/{task}")
    nodes.world.kill_hub()
    try:
        for path in ("/", f"/tasks/{task}"):
            seen = initiator.look(path)
            assert seen.status_code == 200 and "As this node saw it last" in seen.text and "seen before" in seen.text
        refused = initiator.look("/new")
        assert refused.status_code in (409, 503) and "cannot be reached" in refused.text
        shown = initiator.submit(f"/tasks/{task}/start")
        assert "cannot be reached" in shown.text, "why it was not done"
    finally:
        nodes.world.start_hub()
    wait_for(lambda: "As this node saw it last" not in initiator.look("/").text)


def test_one_thing_at_a_time_is_done_for_a_task(monkeypatch):
    monkeypatch.setattr("alphamed_tutorials.playground.page.jobs.MOMENT", 0.05)
    jobs, may_end = Jobs(), threading.Event()
    jobs.do("a", "verify", may_end.wait)
    assert jobs.of("a").is_running
    with pytest.raises(TutorialError, match="already"):
        jobs.do("a", "join", may_end.wait)
    jobs.do("b", "join", lambda: None)
    may_end.set()
    wait_for(lambda: not jobs.of("a").is_running)
    jobs.do("a", "join", lambda: 1 / 0)
    wait_for(lambda: "agent.log" in jobs.of("a").refusal)


def test_a_curve_leaves_out_what_is_no_number():
    rows = [
        {"round": number, "name": "loss", "value": value}
        for number, value in enumerate((1.0, float("nan"), float("inf"), 3.0), 1)
    ]
    points = by_metric(rows)["loss"]
    drawn = str(curve("loss", points, "loss: <from> 1 to 3"))
    assert drawn.count("h0") == 2 and "nan" not in drawn and "inf" not in drawn and "&lt;from&gt;" in drawn
    assert curve("loss", [(1, float("nan"))], "") == ""
    assert str(curve("loss", [(1, 2.0)], "")).count("h0") == 1
