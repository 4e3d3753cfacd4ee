"""The hub's way of a task, over real HTTP."""

import base64
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest
import requests
from playgroundhub import BOX, BOX_KEY, Node, Task, running

from alphamed_tutorials.errors import WrongUse
from alphamed_tutorials.playground import hub as admin
from alphamed_tutorials.playground.hub.serve import serve
from alphamed_tutorials.playground.hub.state import Hub, Limits
from alphamed_tutorials.playground.sealing import unseal


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


numbers = iter(range(1000))


@pytest.fixture
def task(hub) -> Task:
    return Task(hub, next(numbers))


def entries(node: Node, after: int = 0, wait: float = 0) -> list[dict]:
    return node.get("/v1/inbox", after=after, wait=wait)["entries"]


def controls(node: Node, task: Task) -> list[str]:
    return [entry["control"] for entry in entries(node) if entry["task"] == task.id and entry["kind"] == "control"]


# nodes


def test_an_invitation_admits_one_key_once(hub):
    token = admin.invite(hub.folder, "hospital-2")
    node = Node(hub.url, "hospital-2").register(token)
    node.register(token)  # its answer was lost
    key = node.get("/v1/key")["key"]
    assert base64.b64decode(key) == hub.hub.key.public
    assert {"name": "hospital-2", "organisation": "hospital-2's"} in node.get("/v1/nodes")
    other = Node(hub.url, "other")
    form = {"organisation": "x", "key": base64.b64encode(other.key.public).decode()}
    assert "used already" in other.refused(403, "POST", "/v1/nodes", json=form | {"token": token})
    assert "not valid" in other.refused(403, "POST", "/v1/nodes", json=form | {"token": "guess"})
    assert "not the one that was signed" not in other.refused(401, "GET", "/v1/nodes")
    again = admin.invite(hub.folder, "hospital-3")
    form = {"organisation": "x", "key": base64.b64encode(node.key.public).decode(), "token": again}
    assert "belongs to a node" in node.refused(409, "POST", "/v1/nodes", json=form)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://192.0.2.1:8443", None])
def test_the_line_that_invites_can_be_pasted(playground, hub, tmp_path, url):
    folder = tmp_path / "hub"
    folder.mkdir()
    (folder / "hub.sqlite").write_bytes((hub.folder / "hub.sqlite").read_bytes())
    if url:
        (folder / "hub.json").write_text(json.dumps({"url": url}))
    finished = playground("hub", "invite", "浙一 (影像科)", "--dir", folder)
    words = shlex.split(finished.out.splitlines()[-1])
    options = dict(zip(words[2::2], words[3::2]))
    assert options["--dir"] == options["--name"] == "浙一 (影像科)"
    assert options["--hub"] == (url or "URL") and ("--ca" in options) == (url or "").startswith("https")


def test_only_the_key_itself_can_be_admitted(hub):
    victim, thief = Node(hub.url, "v"), Node(hub.url, "t")
    form = {
        "token": admin.invite(hub.folder, "v"),
        "organisation": "x",
        "key": base64.b64encode(victim.key.public).decode(),
    }
    assert "signature" in thief.refused(401, "POST", "/v1/nodes", json=form)
    assert "public Ed25519 key" in thief.refused(422, "POST", "/v1/nodes", json=form | {"key": "AAAA"})


def test_names(hub):
    for name in ("", "a/b", "../x", ".hidden", "x" * 81, "a\nb"):
        with pytest.raises(WrongUse, match="no name for a node"):
            admin.invite(hub.folder, name)
    admin.invite(hub.folder, "浙一 (影像科)")
    hub.node("taken")
    with pytest.raises(WrongUse, match="admitted already"):
        admin.invite(hub.folder, "taken")
    with pytest.raises(WrongUse, match="no admitted node"):
        admin.revoke(hub.folder, "nobody")


# states


def test_the_way_of_a_task(task):
    lab, clinic, ward = task.initiator, *task.others
    assert task.state() == "draft"
    assert "verification of the data is missing; the training code is missing" in lab.get(task.path)["why"]
    assert clinic.get("/v1/tasks") == []
    clinic.refused(404, "GET", task.path)
    task.give_code()
    assert task.state() == "verifying"
    assert controls(clinic, task) == controls(ward, task) == ["invited"]
    assert clinic.ask("GET", f"{task.path}/code/train").content == b"train"
    assert "nothing" not in clinic.refused(404, "GET", f"{task.path}/code/attachment")

    refusal = lab.refused(409, "POST", f"{task.path}/start")
    assert f"{clinic.name} has not verified its data (invited since " in refusal
    task.verify(clinic)
    task.verify(ward, ok=False, reason="labels.csv is missing")
    refusal = lab.refused(409, "POST", f"{task.path}/start")
    assert f"{clinic.name} has not joined (its data verified since" in refusal
    assert f"{ward.name} was refused" in refusal and "labels.csv is missing" in refusal
    assert "labels.csv" not in json.dumps(clinic.get(task.path))
    assert "cannot join" in ward.refused(
        409, "POST", f"{task.path}/join", json={"box_key": BOX_KEY, "sha256": task.sha256("train")}
    )
    task.verify(ward)
    task.join(clinic)
    assert task.state() == "verifying"
    task.join(ward)
    assert task.state() == "ready"
    assert "only the task's initiator" in clinic.refused(403, "POST", f"{task.path}/start")

    view = lab.post(f"{task.path}/start")
    assert (view["state"], view["attempt"], view["why"]) == ("running", 1, "started by the initiator")
    assert controls(lab, task) == ["start"] and controls(ward, task) == ["invited", "start"]
    assert "it runs since" in lab.refused(409, "POST", f"{task.path}/start")
    assert "stop it first" in lab.refused(409, "PUT", f"{task.path}/code/train", data=b"new")
    assert "stop it first" in lab.refused(409, "DELETE", task.path)
    assert "cannot join: the task is running" in ward.refused(
        409, "POST", f"{task.path}/join", json={"box_key": BOX_KEY, "sha256": task.sha256("train")}
    )

    lab.post(f"{task.path}/report", round=2, rounds=5, progress=40)
    view = ward.get(task.path)
    assert (view["round"], view["rounds"], view["progress"]) == (2, 5, 40)
    lab.post(f"{task.path}/stop")
    assert "is stopped since" in lab.refused(409, "POST", f"{task.path}/stop")
    view = lab.post(f"{task.path}/start")
    assert (view["attempt"], view["round"]) == (1, 2)  # goes on

    everyone = [member["pseudonym"] for member in view["members"]][1:]
    lab.post(
        f"{task.path}/messages", **lab.message(task.id, ["*"], receivers=everyone, title="task_finish", result=True)
    )
    assert (task.state(), lab.get(task.path)["progress"]) == ("finished", 100)
    assert controls(ward, task)[-1] == "finished"
    assert entries(ward)[-2]["title"] == "task_finish"
    assert "it finished at" in lab.refused(409, "POST", f"{task.path}/start")
    assert "comes too late" in ward.refused(
        410, "POST", f"{task.path}/messages", json=ward.message(task.id, [task.pseudonym(lab)])
    )


def test_a_failed_task_takes_new_code(task):
    task.start()
    lab, clinic, ward = task.initiator, *task.others
    where = {"file": "train.py", "line": 12, "kind": "ValueError"}
    clinic.post(f"{task.path}/report", state="failed", where=where)
    view = lab.get(task.path)
    assert (view["state"], view["why"]) == (
        "failed",
        f"{task.pseudonym(clinic)} failed in train.py, line 12: ValueError",
    )
    clinic.post(f"{task.path}/report", state="failed", where=where)  # once more changes nothing
    assert controls(ward, task) == ["invited", "start", "failed"]
    assert lab.post(f"{task.path}/start")["attempt"] == 1
    clinic.post(f"{task.path}/report", state="failed")
    lab.put(f"{task.path}/code/train", b"train")  # the same
    assert task.state() == "failed"
    lab.put(f"{task.path}/code/train", b"better")
    assert controls(ward, task)[-1] == "code"
    assert task.state() == "verifying"
    assert "has not joined" in lab.refused(409, "POST", f"{task.path}/start")
    old = {"box_key": BOX_KEY, "sha256": "0" * 64}
    assert "approve it again" in ward.refused(409, "POST", f"{task.path}/join", json=old)
    for node in task.others:
        task.join(node)
    assert lab.post(f"{task.path}/start")["attempt"] == 2
    message = ward.message(task.id, [task.pseudonym(lab)])
    assert "in attempt 2" in ward.refused(410, "POST", f"{task.path}/messages", json=message)


def test_a_new_verification_must_be_run(task):
    task.give_code()
    task.verify(task.first)
    task.join(task.first)
    task.initiator.put(f"{task.path}/code/verify", b"stricter")
    assert "has not verified its data" in task.initiator.refused(409, "POST", f"{task.path}/start")
    form = {"ok": True, "sha256": "0" * 64}
    assert "verify the data again" in task.first.refused(409, "POST", f"{task.path}/verdict", json=form)


def test_a_member_can_take_its_word_back(task):
    task.start()
    task.initiator.post(f"{task.path}/stop")
    task.verify(task.first, ok=False)
    assert "was refused" in task.initiator.refused(409, "POST", f"{task.path}/start")


def test_code_has_a_size(tmp_path):
    with running(tmp_path, Limits(verify=10, file=10)) as hub:
        task = Task(hub)
        assert "larger than 10 bytes" in task.initiator.refused(413, "PUT", f"{task.path}/code/verify", data=b"x" * 11)
        task.initiator.put(f"{task.path}/code/verify", b"x" * 10)
        task.initiator.put(f"{task.path}/code/verify", b"y" * 10)
        assert len(list((tmp_path / "code" / task.id).iterdir())) == 1
        assert not list((tmp_path / "incoming").iterdir())


def test_choosing_nodes(task):
    lab, form = task.initiator, {"name": "x", "box_key": BOX_KEY}
    assert "called nobody" in lab.refused(409, "POST", "/v1/tasks", json=form | {"nodes": ["nobody"]})
    assert "other nodes only" in lab.refused(409, "POST", "/v1/tasks", json=form | {"nodes": [lab.name]})
    assert "twice" in lab.refused(409, "POST", "/v1/tasks", json=form | {"nodes": [task.first.name] * 2})
    assert "nodes" in lab.refused(422, "POST", "/v1/tasks", json=form | {"nodes": []})
    assert "nodes.0" in lab.refused(422, "POST", "/v1/tasks", json=form | {"nodes": ["a\nb"]})
    assert "box_key" in lab.refused(422, "POST", "/v1/tasks", json={"name": "x", "nodes": ["a"], "box_key": "中文"})


def test_searching_and_deleting(hub, task):
    task.start()
    lab, clinic = task.initiator, task.first
    other = lab.post("/v1/tasks", name="Speech 语音", description="commands", nodes=[clinic.name], box_key=BOX_KEY)
    assert [each["id"] for each in lab.get("/v1/tasks", search="speech COMMANDS")] == [other["id"]]
    assert [each["id"] for each in lab.get("/v1/tasks", search="")] == [other["id"], task.id]
    clinic.put(f"{task.path}/files/{uuid.uuid4()}", b"sealed")
    lab.post(f"{task.path}/stop")
    lab.delete(task.path)
    assert "deleted by its initiator" in clinic.refused(404, "GET", task.path)
    assert [entry["control"] for entry in entries(clinic)] == ["deleted"]
    assert not (hub.folder / "files" / task.id).exists() and not (hub.folder / "code" / task.id).exists()
    events = [json.loads(record)["event"] for record in task.records()]
    assert events[0] == "created" and events[-1] == "deleted"  # the log stays
    lab.delete(f"/v1/tasks/{other['id']}")


# messages


def test_messages_reach_their_receivers_only(task):
    task.start()
    lab, clinic, ward = task.initiator, *task.others
    to = task.pseudonym(clinic)
    message = lab.message(task.id, [to], b"secret")
    for _ in range(2):  # the answer was lost: it is sent again
        lab.post(f"{task.path}/messages", **message)
    (got,) = [entry for entry in entries(clinic) if entry["kind"] == "message"]
    assert got["from"] == task.pseudonym(lab) and got["id"] == message["id"]
    assert unseal(base64.b64decode(got["sealed"]), BOX) == b"secret"
    assert not [entry for entry in entries(ward) if entry["kind"] == "message"]
    assert entries(clinic, after=got["seq"]) == []
    stranger = lab.message(task.id, ["p-00000000"])
    assert "is no member" in lab.refused(409, "POST", f"{task.path}/messages", json=stranger)
    for receivers in ([], [to, task.pseudonym(ward)]):
        wrong = lab.message(task.id, [to], receivers=receivers)
        assert "sealed for each" in lab.refused(409, "POST", f"{task.path}/messages", json=wrong)


def test_messages_wait_while_a_task_is_stopped(task):
    """What an agent has accepted from its child may arrive after the stop; the task goes on with it."""
    task.start()
    task.initiator.post(f"{task.path}/stop")
    task.first.post(f"{task.path}/messages", **task.first.message(task.id, [task.pseudonym(task.initiator)]))
    assert entries(task.initiator)[-1]["kind"] == "message"


def test_an_inbox_is_held_open(task):
    task.start()
    clinic, lab = task.first, task.initiator
    last = entries(clinic)[-1]["seq"]
    message = lab.message(task.id, [task.pseudonym(clinic)])
    threading.Timer(0.3, lambda: Node.post(lab, f"{task.path}/messages", **message)).start()
    start = time.monotonic()
    (got,) = entries(clinic, after=last, wait=20)
    assert 0.2 < time.monotonic() - start < 5 and got["id"] == message["id"]
    assert entries(clinic, after=got["seq"], wait=0.2) == []


def test_a_large_inbox_comes_in_parts(task):
    task.start()
    lab, clinic = task.initiator, task.first
    to = task.pseudonym(clinic)
    for _ in range(15):
        lab.post(f"{task.path}/messages", **lab.message(task.id, [to], b"x" * 600_000))
    got, after = [], 0
    while part := entries(clinic, after=after):
        assert len(part) < 15
        got += part
        after = part[-1]["seq"]
    assert sum(entry["kind"] == "message" for entry in got) == 15


# files


def test_files(task):
    task.start()
    identity, data = uuid.uuid4(), os.urandom(3 << 20)
    path = f"{task.path}/files/{identity}"
    for _ in range(2):
        task.first.put(path, data)
    assert "another file" in task.first.refused(409, "PUT", path, data=b"other")
    assert task.second.ask("GET", path).content == data
    assert "no such file" in task.second.refused(404, "GET", f"{task.path}/files/{uuid.uuid4()}")


# what members see


def test_no_member_sees_a_name_or_an_address(task):
    task.start()
    lab, clinic, ward = task.initiator, *task.others
    ward.post(f"{task.path}/messages", **ward.message(task.id, [task.pseudonym(clinic)]))
    ward.post(f"{task.path}/report", state="failed", where={"file": "a.py", "line": 1, "kind": "KeyError"})
    seen = json.dumps(
        [clinic.get(task.path), clinic.get("/v1/tasks"), entries(clinic), clinic.get(f"{task.path}/audit")]
    )
    for text in (lab.name, ward.name, ward.key.key_id, "127.0.0.1"):
        assert text not in seen
    assert clinic.name not in seen
    assert [each["name"] for each in lab.get(task.path)["invited"]] == [clinic.name, ward.name]
    members = lab.get(task.path)["members"]
    assert [member["pseudonym"] for member in members] == [task.pseudonym(node) for node in (lab, clinic, ward)]
    assert lab.name not in json.dumps(members)


def test_silence_is_reported(tmp_path):
    with running(tmp_path, Limits(away=0.6)) as hub:
        task = Task(hub).start()
        lab, clinic, ward = task.initiator, *task.others

        def away(present: list[Node], nodes: int) -> dict:
            for _ in range(60):
                for node in present:
                    entries(node)
                view = lab.get(task.path)
                if sum(member["away_since"] is not None for member in view["members"]) == nodes:
                    return view
                time.sleep(0.1)
            raise AssertionError(view)

        assert f"{ward.name} has not been heard of since" in away([lab, clinic], 1)["why"]
        assert ward.name not in clinic.get(task.path)["why"]
        assert "not been heard" not in away([lab, clinic, ward], 0)["why"]
        events = [json.loads(record) for record in task.records()]
        assert [each["event"] for each in events if each.get("who") == task.pseudonym(ward)][-2:] == ["away", "back"]


# the process


def start_hub(folder, *arguments) -> tuple[subprocess.Popen, str]:
    command = [sys.executable, "-m", "alphamed_tutorials.playground.hub", str(folder), *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for _ in range(200):
        said = folder / "hub.json"
        if said.exists() and json.loads(said.read_text())["pid"] == process.pid:
            return process, json.loads(said.read_text())["url"]
        if process.poll() is not None:
            raise AssertionError(process.stderr.read())
        time.sleep(0.1)
    raise AssertionError("the hub did not start")


def test_a_hub_that_is_killed_goes_on(tmp_path):
    process, url = start_hub(tmp_path)

    class At:
        folder = tmp_path
        node = staticmethod(lambda name: Node(url, name).register(admin.invite(tmp_path, name)))

    task = Task(At).start()
    clinic, lab = task.first, task.initiator
    message = lab.message(task.id, [task.pseudonym(clinic)])
    lab.post(f"{task.path}/messages", **message)
    signed = lab.key.sign(requests.Request("GET", f"{url}{task.path}").prepare())
    assert requests.Session().send(signed).ok
    head = task.head()
    process.kill()
    process.wait()
    process, _ = start_hub(tmp_path, "--port", url.rpartition(":")[2])
    try:
        assert "received before" in requests.Session().send(signed).json()["error"]
        lab.post(f"{task.path}/messages", **message)
        assert [entry["id"] for entry in entries(clinic) if entry["kind"] == "message"] == [message["id"]]
        assert task.head()["root"] == head["root"]
        lab.post(f"{task.path}/stop")
        assert (tmp_path / "hub.key").stat().st_mode & 0o777 == 0o600
        with pytest.raises(WrongUse, match="another hub"):
            serve(tmp_path)
        waiting = threading.Thread(target=lambda: entries(clinic, after=10**6, wait=50))
        waiting.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
        waiting.join(5)
        assert not waiting.is_alive()
    finally:
        process.kill()
        assert process.stderr.read() == ""


def test_the_hub_needs_no_torch():
    code = "import sys, alphamed_tutorials.playground.hub.serve; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_serving_says_what_does_not_work(tmp_path):
    with pytest.raises(WrongUse, match="certificate and its key"):
        serve(tmp_path, certificate=tmp_path / "a.pem")
    with pytest.raises(WrongUse, match="cannot listen"):
        serve(tmp_path, host="203.0.113.1")
    assert Hub(tmp_path).key.key_id == Hub(tmp_path).key.key_id


def certificate(folder):
    """Make a certificate for 127.0.0.1 that signs itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime.now(UTC) - timedelta(days=1))
    builder = builder.not_valid_after(datetime.now(UTC) + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    (folder / "hub.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / "hub-key.pem").write_bytes(private)
    return folder / "hub.pem", folder / "hub-key.pem"


def test_a_hub_speaks_tls(tmp_path):
    public, private = certificate(tmp_path)
    folder = tmp_path / "hub"
    folder.mkdir()
    process, url = start_hub(folder, "--certificate", str(public), "--key", str(private))
    try:
        node = Node(url, "far away")
        with pytest.raises(requests.exceptions.SSLError):
            node.ask("GET", "/v1/health")
        node.session.trust_env = False  # REQUESTS_CA_BUNDLE would be believed rather than what is given here
        node.session.verify = str(public)
        node.register(admin.invite(folder, "far away"))
        assert node.get("/v1/nodes") == [{"name": "far away", "organisation": "far away's"}]
    finally:
        process.terminate()
        process.wait(10)
