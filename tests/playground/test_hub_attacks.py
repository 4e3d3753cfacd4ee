"""Who attacks the hub is refused with a reason, it is written down, and the others notice nothing."""

import base64
import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playgroundhub import BOX_KEY, Node, Running, Task, running

from alphamed_tutorials.playground import hub as admin
from alphamed_tutorials.playground.hub.audit import HUB
from alphamed_tutorials.playground.hub.state import Limits
from alphamed_tutorials.playground.signing import digest_header


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running(tmp_path_factory.mktemp("hub"), Limits(file=1 << 20)) as hub:
        yield hub


@pytest.fixture(scope="module")
def task(hub) -> Task:
    """An honest task beside all attacks."""
    return Task(hub).start()


@pytest.fixture(autouse=True)
def unharmed(task):
    yield
    assert task.state() == "running"
    assert [node["name"] for node in task.initiator.get("/v1/nodes")]


def send(request: requests.PreparedRequest) -> requests.Response:
    return requests.Session().send(request, timeout=30)


def refusals(hub: Running) -> list[str]:
    records = [json.loads(record) for record in hub.hub.logs.records(HUB, 0, 10_000)]
    return [record["why"] for record in records if record["event"] == "refused"]


def signed(node: Node, method: str, path: str, **kwargs) -> requests.PreparedRequest:
    return node.key.sign(requests.Request(method, node.url + path, **kwargs).prepare())


def test_no_signature(hub):
    answer = requests.get(f"{hub.url}/v1/nodes")
    assert answer.status_code == 401 and "signature" in answer.json()["error"]
    assert requests.get(f"{hub.url}/v1/health").json() == {"ok": True}
    assert requests.get(f"{hub.url}/openapi.json").status_code == 401


def test_forged(hub, task):
    forger = Node(hub.url, "forger")
    forger.key.key_id = task.initiator.key.key_id
    assert "not of this key" in forger.refused(401, "POST", f"{task.path}/stop")
    assert refusals(hub)[-1].endswith("not of this key")


def test_a_changed_body(hub, task):
    message = task.first.message(task.id, [task.pseudonym(task.initiator)])
    request = signed(task.first, "POST", f"{task.path}/messages", json=message)
    original, request.body = request.body, request.body.replace(b'"round": 1', b'"round": 9')
    assert "not the one that was signed" in send(request).json()["error"]
    request.headers["Content-Digest"] = digest_header(hashlib.sha256(request.body).digest())
    assert "signature" in send(request).json()["error"]
    assert original != request.body and send(signed(task.first, "GET", "/v1/inbox")).ok


def test_a_changed_file(hub, task):
    path = f"{task.path}/files/{uuid.uuid4()}"
    request = signed(task.first, "PUT", path, data=b"sealed")
    request.body = b"SEALED"
    assert "not the one that was signed" in send(request).json()["error"]
    assert "no such file" in task.first.refused(404, "GET", path)
    assert not list((hub.folder / "incoming").iterdir())


def test_replays(hub, task):
    request = signed(task.first, "GET", "/v1/inbox")
    assert send(request).ok
    assert "received before" in send(request).json()["error"]
    request.url = request.url + "?after=1"
    assert "signature" in send(request).json()["error"]
    assert any("received before" in why for why in refusals(hub))


def test_replays_at_the_same_time(task):
    request = signed(task.first, "GET", "/v1/inbox")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(request).status_code, range(16)))
    assert sorted(answers) == [200] + [401] * 15


def test_an_old_signature(task, monkeypatch):
    from datetime import datetime, timedelta

    from alphamed_tutorials.playground import signing

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(minutes=6)

    monkeypatch.setattr(signing, "datetime", Yesterday)
    request = signed(task.first, "GET", "/v1/inbox")
    monkeypatch.undo()
    assert send(request).status_code == 401


def test_a_stranger(hub, task):
    stranger = hub.node("stranger")
    identity = uuid.uuid4()
    task.first.put(f"{task.path}/files/{identity}", b"sealed")
    for method, path, form in [
        ("GET", "", None),
        ("GET", f"/files/{identity}", None),
        ("GET", "/code/train", None),
        ("GET", "/audit", None),
        ("GET", "/audit/head", None),
        ("POST", "/start", None),
        ("POST", "/stop", None),
        ("DELETE", "", None),
        ("POST", "/messages", stranger.message(task.id, [task.pseudonym(task.first)])),
        ("POST", "/join", {"box_key": BOX_KEY, "sha256": "0" * 64}),
        ("POST", "/report", {"state": "failed"}),
        ("PUT", f"/files/{uuid.uuid4()}", None),
        ("PUT", "/code/train", None),
    ]:
        text = stranger.refused(404, method, task.path + path, json=form)
        assert text == stranger.refused(404, "GET", "/v1/tasks/missing")  # it does not even learn that there is one
    assert any(why.startswith("stranger: ") for why in refusals(hub))
    assert stranger.get("/v1/tasks") == [] and stranger.get("/v1/inbox")["entries"] == []


def test_a_file_of_another_task(hub, task):
    other = Task(hub, 1).start()
    identity = uuid.uuid4()
    task.first.put(f"{task.path}/files/{identity}", b"sealed")
    assert "not a member" in other.first.refused(404, "GET", f"{task.path}/files/{identity}")
    assert "no such file" in other.first.refused(404, "GET", f"{other.path}/files/{identity}")
    for path in (
        f"{other.path}/files/..%2F{task.id}%2F{identity}",
        f"{other.path}/files/../../{task.id}/files/{identity}",
    ):
        assert other.first.ask("GET", path).status_code in (404, 422)


def test_revoked(hub):
    task = Task(hub, 2).start()
    clinic = task.first
    held = ThreadPoolExecutor(1).submit(clinic.ask, "GET", "/v1/inbox", params={"after": 10**6, "wait": 1})
    admin.revoke(hub.folder, clinic.name)
    assert held.result().status_code in (200, 401)
    for method, path in [
        ("GET", "/v1/inbox"),
        ("GET", task.path),
        ("GET", "/v1/nodes"),
        ("PUT", f"{task.path}/files/{uuid.uuid4()}"),
    ]:
        assert f"{clinic.name} was revoked" in clinic.refused(401, method, path)
    assert clinic.name not in [node["name"] for node in task.initiator.get("/v1/nodes")]
    again = {"token": "x", "organisation": "x", "key": base64.b64encode(clinic.key.public).decode()}
    assert "not valid" in clinic.refused(403, "POST", "/v1/nodes", json=again)
    assert f"{clinic.name}: this invitation is not valid" in refusals(hub)[-1]
    events = [json.loads(record) for record in hub.hub.logs.records(HUB, 0, 10_000)]
    assert any(event["event"] == "revoked" and event["name"] == clinic.name for event in events)
    assert any(f"{clinic.name} was revoked" in line for line in admin.history(hub.folder))


def test_a_node_that_is_revoked_while_it_waits_gets_nothing(tmp_path):
    with running(tmp_path, Limits(away=1)) as hub:
        task = Task(hub).start()
        clinic, lab = task.first, task.initiator
        last = clinic.get("/v1/inbox")["entries"][-1]["seq"]
        message = lab.message(task.id, [task.pseudonym(clinic)])
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(clinic.ask, "GET", "/v1/inbox", params={"after": last, "wait": 20})
            admin.revoke(tmp_path, clinic.name)
            lab.post(f"{task.path}/messages", **message)
            assert held.result().status_code == 401


def test_too_large(task):
    assert "larger than" in task.first.refused(413, "POST", f"{task.path}/report", data=b"x" * (65 << 10))
    assert "larger than" in task.first.refused(413, "POST", f"{task.path}/messages", data=b"x" * (1 << 20) + b"x")
    assert "larger than" in task.first.refused(413, "PUT", f"{task.path}/files/{uuid.uuid4()}", data=b"x" * (9 << 20))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"id": NaN}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"\\ud800": 1}',
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/nodes", "/v1/tasks", "{task}/messages", "{task}/report", "{task}/verdict", "{task}/join"]
)
def test_no_json(task, path, body):
    headers = {"Content-Type": "application/json"}
    answer = task.first.ask("POST", path.format(task=task.path), data=body, headers=headers)
    assert answer.status_code in (200, 401, 422, 400), answer.text
    assert answer.status_code == 200 or answer.json()["error"]


@pytest.mark.parametrize("settings", ['{"a": NaN}', '{"a": Infinity}', '{"a": "\\ud800"}', '{"\\udfff": 1}'])
def test_settings_are_json(task, settings):
    body = f'{{"name": "x", "nodes": ["{task.first.name}"], "box_key": "{BOX_KEY}", "settings": {settings}}}'
    headers = {"Content-Type": "application/json"}
    assert "settings" in task.initiator.refused(422, "POST", "/v1/tasks", data=body, headers=headers)


def test_many_refusals_do_not_fill_the_disk(hub):
    before = len(hub.hub.logs.records(HUB, 0, 100_000))
    for _ in range(400):
        assert requests.get(f"{hub.url}/v1/nodes").status_code == 401
    assert len(hub.hub.logs.records(HUB, 0, 100_000)) - before < 300


def test_a_member_cannot_speak_for_another(task):
    """The sender is known by its key; nothing in a message says who it is."""
    message = task.first.message(task.id, [task.pseudonym(task.second)], **{"from": task.pseudonym(task.initiator)})
    assert "from" in task.first.refused(422, "POST", f"{task.path}/messages", json=message)
    finish = task.first.message(task.id, [task.pseudonym(task.second)], title="task_finish", result=True)
    task.first.post(f"{task.path}/messages", **finish)
    assert task.state() == "running"
