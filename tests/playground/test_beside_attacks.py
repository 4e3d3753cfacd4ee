"""An honest task runs beside those who attack hub, nodes and log, and ends with the parameters of an undisturbed run."""

import json
import sqlite3
import sys
import textwrap
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import requests
import test_child
from playgroundhub import Node
from playgroundworld import wait_for
from schedulers import write_data
from test_agent_code import bomb, named
from test_child import Dishonest
from test_kills import LONG, SEED, Federation, Toy, assert_undisturbed, federated, packed

from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.playground import hub as admin
from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.source import DEFAULT_VERIFICATION

pytestmark = pytest.mark.soak

VICTIM, DISK = "node1", 64 << 20  # bytes that a child of this node may write
VERIFICATION = """
import os, socket, time

class DatasetVerify:
    data_dir = "/data/x"

    def __init__(self, task_id, current_node): ...

    def verify_data(self):
{}
        return True, "nothing stopped it"
"""
VERIFICATIONS = {
    "forks": ("while os.fork(): pass\ntime.sleep(60)", "may not have more than 16 processes at a time"),
    "fills the disk": (
        "for number in range(40):\n    open(str(number), 'wb').write(bytes(4 << 20))\ntime.sleep(60)",
        "its files take more than 64 MiB",
    ),
    "opens a socket": ("socket.create_connection(('192.0.2.1', 80))", "may not ask for the address of 192.0.2.1"),
    "reads the agent": ("open(f'/proc/{os.getppid()}/environ').read()", "may not look into process"),
}
ARCHIVES = {"leaves its folder": (named("../outside.py"), "outside.py"), "is a bomb": (bomb(), "zeros.py")}
SENT = {
    "NaN": "NaN in 0.weight",
    "code": "what cannot be read safely",
    "part": "0.weight of shape (1, 4), and (8, 4) is expected",
}
NUM_ATTACKS = len(VERIFICATIONS) + len(ARCHIVES) + len(SENT) + 2  # on the hub, and on a log


class Beside(Toy):
    """Let a round of the victim last until the attack of its number is over: each falls into another round."""

    def train_an_epoch(self):
        while self.node == VICTIM and not Path(self.data_dir, f"attack-{self.current_round}").exists():
            time.sleep(0.1)
        super().train_an_epoch()


def limit_disk(federation: Federation) -> None:
    """Let children of the victim write little, so that not much has to be written."""
    file, agent = federation.folder / VICTIM / "node.json", federation.agents[VICTIM]
    file.write_text(json.dumps({**json.loads(file.read_text()), "limits": {"disk": DISK}}))
    agent.kill()
    agent.begin()
    agent.wait()


def attack_by_verification(initiator: Agent, owner: Agent, body: str, said: str) -> str:
    """Let code attack a node that only asked it about data; return the task."""
    task = str(initiator.create("verifying", [VICTIM])["id"])
    initiator.put_code(task, "verify", VERIFICATION.format(textwrap.indent(body, 8 * " ")).encode())
    initiator.put_code(task, "train", packed(Toy()))
    verdict = owner.verify(task, owner.code(task, "verify")["sha256"])
    assert not verdict["ok"] and said in verdict["reason"], verdict
    return task


def attack_by_archive(initiator: Agent, owner: Agent, content: bytes, said: str) -> None:
    """Let code attack while it is unpacked, and before that whoever only looks at it."""
    task = str(initiator.create("unpacking", [VICTIM])["id"])
    initiator.put_code(task, "verify", DEFAULT_VERIFICATION.encode())
    with pytest.raises(TutorialError, match=said):
        initiator.put_code(task, "train", content)
        assert owner.verify(task, owner.code(task, "verify")["sha256"])["ok"]
        owner.join(task, owner.code(task, "train")["sha256"])


def attack_by_parameters(federation: Federation, trace: Path, sent: str, said: str) -> None:
    """Let an owner send what would harm the aggregator, or spoil the average."""
    initiator, names = federation.initiator, [VICTIM, "node2"]
    task = str(initiator.create("sending", names, settings={"seed": SEED, "num_threads": 1})["id"])
    initiator.put_code(task, "verify", DEFAULT_VERIFICATION.encode())
    initiator.put_code(task, "train", packed(Dishonest(sent, trace), test_child))
    for name in names:
        owner = federation.clients[name]
        assert owner.verify(task, owner.code(task, "verify")["sha256"])["ok"]
        owner.join(task, owner.code(task, "train")["sha256"])
    initiator.start(task)
    wait_for(lambda: federation.state(task) == "failed", LONG, f"{sent}: the task does not fail")
    assert any(said in event.get("text", "") for event in initiator.events(task)), initiator.events(task)


def attack_the_hub(folder: Path, task: str) -> None:
    """Attack the hub as one who was admitted, as one who was not, and as one who was revoked."""
    mallory = Node(json.loads((folder / "hub.json").read_text())["url"], "mallory")
    path = f"/v1/tasks/{task}"
    mallory.refused(401, "GET", "/v1/nodes")
    mallory.register(admin.invite(folder, "mallory"))
    assert mallory.get("/v1/nodes")
    for way, place in (("GET", ""), ("POST", "/stop"), ("GET", "/audit"), ("GET", f"/files/{uuid.uuid4()}")):
        mallory.refused(404, way, path + place)
    mallory.refused(413, "POST", "/v1/tasks", data=b"x" * (2 << 20))
    forger = Node(mallory.url, "forger")
    forger.key.key_id = mallory.key.key_id
    assert "not of this key" in forger.refused(401, "POST", f"{path}/stop")
    replayed = mallory.key.sign(requests.Request("GET", mallory.url + "/v1/inbox").prepare())
    answers = [requests.Session().send(replayed, timeout=60).status_code for _ in range(2)]
    assert answers == [200, 401]
    admin.revoke(folder, "mallory")
    assert "was revoked" in mallory.refused(401, "GET", "/v1/nodes")


def edit_log(folder: Path, task: str) -> None:
    """Change what the hub's database says that another task's log said."""
    with closing(sqlite3.connect(folder / "hub.sqlite", timeout=60)) as database, database:
        change = "UPDATE events SET record = '{' WHERE log = ? AND number = 1"
        assert database.execute(change, [task]).rowcount


def test_an_honest_task_beside_all_attacks(tmp_path: Path) -> None:
    data, settings = write_data(tmp_path / "data", node1=8, node2=12, node3=24), {"max_rounds": NUM_ATTACKS}
    expected = run_local(Toy(**settings), data, tmp_path / "expected", seed=SEED)
    with federated(tmp_path / "federation", data) as federation:
        limit_disk(federation)
        hub, attacker, victim = tmp_path / "federation" / "hub", *map(federation.clients.get, ("node3", VICTIM))
        honest = federation.start(Beside(calculation_timeout=10 * LONG, **settings), sys.modules[__name__])
        attacks = iter(range(1, NUM_ATTACKS + 1))

        def beside(attack: Callable[..., str | None], *arguments: object) -> str | None:
            number = next(attacks)
            wait_for(lambda: federation.happened(VICTIM, honest, "training", number), LONG, f"no round {number}")
            found = attack(*arguments)
            (data / "nodes" / VICTIM / f"attack-{number}").touch()
            return found

        for body, said in VERIFICATIONS.values():
            attacked = beside(attack_by_verification, attacker, victim, body, said)
        for content, said in ARCHIVES.values():
            beside(attack_by_archive, attacker, victim, content, said)
        beside(attack_the_hub, hub, honest)
        for sent, said in SENT.items():
            beside(attack_by_parameters, federation, tmp_path / "ran", sent, said)
        assert victim.audit(attacked)["is_sound"] and not (tmp_path / "ran").exists()
        beside(edit_log, hub, attacked)
        audit = victim.audit(attacked)
        assert not audit["is_sound"] and "changed" in str(audit["faults"])
        federation.wait_until_finished(honest)
        assert_undisturbed(federation, honest, expected)
