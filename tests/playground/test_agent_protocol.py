"""The agent as the SDK meets it: the SDK's own contractors speak to it."""

import io
import zipfile
from typing import Any

import pytest
import requests
from alphafed.contractor import TaskContractor, TaskMessageContractor
from alphafed.contractor.common import ContractException
from alphafed.data_channel import SharedFileDataChannel
from alphafed.fed_avg.contractor import CheckinEvent, FedAvgContractor
from playgroundworld import Near, World, code, ready_task, wait_for

from alphamed_tutorials.playground.agent.service import Service

IDLE = "import time\nwhile True: time.sleep(1)\n"


class Nodes:
    """Three nodes whose task runs; their children idle, and the test speaks in their place."""

    def __init__(self, aggregator: Near, owners: dict[str, Near]):
        self.aggregator, self.owners = aggregator, owners
        self.task = ready_task(self.aggregator, self.owners, code(IDLE))
        self.aggregator.agent.start(self.task)
        self.all = [self.aggregator, *self.owners.values()]
        self.services = [self.service(node) for node in self.all]
        self.ids = [service.own for service in self.services]

    def service(self, node: Near) -> Service:
        """Return what answers a node's child."""
        return wait_for(lambda: node.parts.tasks.running.get(self.task)).service

    def contractor(self, number: int, kind: type = FedAvgContractor) -> Any:
        """Return the SDK's contractor of a node."""
        base = self.services[number].base
        bound = type("Bound", (kind,), {"_URL": f"{base}/message"})(task_id=self.task)
        urls = {"_URL": base, "_REPORT_PROGRESS_URL": f"{base}/federated/task/progress"}
        bound._task_contractor = type("Bound", (TaskContractor,), urls)(task_id=self.task)
        return bound


@pytest.fixture(scope="module")
def nodes(lasting_world: World) -> Nodes:
    """Three nodes at work."""
    owners = {name: lasting_world.node(name) for name in ("a", "b")}
    return Nodes(lasting_world.node("aggregator"), owners)


def next_event(contractor: Any) -> Any:
    """Return the next event within ten seconds."""
    return next(iter(contractor.contract_events(timeout=10)))


def test_the_sdk_finds_all_nodes_in_their_order_and_passes_messages(nodes: Nodes) -> None:
    aggregator, first, second = (nodes.contractor(number) for number in range(3))
    assert aggregator.query_nodes() == nodes.ids == first.query_nodes()
    assert len(set(nodes.ids)) == 3 and all(each.startswith("p-") for each in nodes.ids)
    nonce = first.checkin(peer_id=nodes.ids[1])
    for receiver in (aggregator, second):  # `*` is all others
        event = next_event(receiver)
        assert isinstance(event, CheckinEvent) and (event.peer_id, event.nonce) == (nodes.ids[1], nonce)
    aggregator.respond_check_in(round=1, aggregator=nodes.ids[0], nonce=nonce, requester_id=nodes.ids[1])
    assert next_event(first).nonce == nonce
    for number in range(50):  # in their order
        nodes.services[1].push(message(nodes, [nodes.ids[0]], number=number))
    popped = [pop(nodes, 0)["number"] for _ in range(50)]
    assert popped == list(range(50))


def test_parameters_go_sealed_through_the_sdks_own_channel(nodes: Nodes, lasting_world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    content = b"a secret weight " * 200_000
    sender, receivers = SharedFileDataChannel(nodes.contractor(0)), [nodes.contractor(1), nodes.contractor(2)]
    with ThreadPoolExecutor() as threads:
        got = [
            threads.submit(
                SharedFileDataChannel(receiver).receive_stream,
                receiver=nodes.ids[number],
                source=nodes.ids[0],
                timeout=20,
            )
            for number, receiver in enumerate(receivers, 1)
        ]
        accepted = sender.batch_send_stream(source=nodes.ids[0], target=nodes.ids[1:], data_stream=content)
        assert sorted(accepted) == sorted(nodes.ids[1:])
        assert [future.result() for future in got] == [(nodes.ids[0], content)] * 2
    for file in (lasting_world.folder / "hub").rglob("*"):
        if file.is_file():
            held = file.read_bytes()
            assert b"a secret weight" not in held, file
            assert b"apply_sf_sending_data" not in held or b"file_url" not in held, file


def test_a_local_path_is_uploaded_from_the_childs_own_folder_only(nodes: Nodes) -> None:
    service, contractor = nodes.services[0], nodes.contractor(0)
    own = service.folder / "work" / "own.bin"
    own.write_bytes(b"own")
    url = contractor.upload_file(str(own))
    assert requests.get(url, timeout=5).content == b"own"
    with pytest.raises(ContractException):
        contractor._task_contractor.upload_file(str(nodes.aggregator.place.keys / "node.key"))


def test_strangers_and_nonsense_are_refused(nodes: Nodes) -> None:
    service = nodes.services[0]
    origin, base = nodes.aggregator.parts.services.origin, service.base
    assert requests.post(f"{origin}/guess/fed-service/api/v2/message/pop", json={}, timeout=5).status_code == 404
    for body in ({}, {"task_id": "another"}, {"task_id": nodes.task}, message(nodes, ["p-00000000"]), [1]):
        answer = requests.post(f"{base}/message/push", json=body, timeout=5)
        assert answer.status_code == 400 and answer.json()["code"] == 1, body
    large = message(nodes, ["*"], text="x" * 600_000)
    assert requests.post(f"{base}/message/push", json=large, timeout=5).status_code == 413
    assert requests.get(f"{base}/files/../../agent.db", timeout=5).status_code == 404
    assert requests.get(f"{base}/files/{'0' * 32}", timeout=5).status_code == 404
    operator = f"{origin}/operator/status"
    assert requests.get(operator, timeout=5).status_code == 401
    assert requests.get(operator, headers={"Authorization": "Bearer guess"}, timeout=5).status_code == 401


def test_a_message_that_names_another_sender_is_dropped(nodes: Nodes) -> None:
    nodes.services[1].push(message(nodes, [nodes.ids[0]], type="checkin", peer_id=nodes.ids[2]))
    nodes.services[1].push(message(nodes, [nodes.ids[0]], type="honest"))
    assert pop(nodes, 0)["type"] == "honest"
    dropped = [event for event in nodes.aggregator.agent.events(nodes.task) if event["kind"] == "dropped"]
    assert nodes.ids[2] in dropped[0]["text"] and nodes.ids[1] in dropped[0]["text"]


def test_the_sdk_submits_from_a_notebook(nodes: Nodes) -> None:
    node = nodes.aggregator
    task = node.agent.create("from a notebook", ["a"])["id"]
    url = node.agent.status()["notebook_url"]
    contractor = type("Bound", (TaskContractor,), {"_URL": url})(task_id=task)
    for submit, kind in ((contractor._submit_data_checker, "verify"), (contractor._submit_scheduler, "train")):
        with io.BytesIO(code()) as content:
            uploaded = contractor.upload_file(fp=content, upload_name="src.zip", persistent=True)
        submit(resource_url=uploaded, entry_type="pickle")
        assert node.agent.code(task, kind)["files"][0]["name"] == "entry.pickle"
    assert node.agent.show(task)["state"] == "verifying"
    with io.BytesIO() as empty:
        zipfile.ZipFile(empty, "w").close()
        uploaded = contractor.upload_file(fp=empty, upload_name="src.zip", persistent=True)
    with pytest.raises(ContractException):
        contractor._submit_scheduler(resource_url=uploaded, entry_type="pickle")


def test_results_come_to_every_node(nodes: Nodes, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alphamed_tutorials.playground.agent.runner.LATEST", 0.1)  # the children idle
    for name in ("report.zip", "model.pt"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    aggregator = nodes.contractor(0)
    aggregator.report_progress(50)
    wait_for(lambda: nodes.aggregator.agent.show(nodes.task)["progress"] == 50)
    aggregator.finish_task()
    aggregator.upload_metric_report(receivers=aggregator.EVERYONE, report_file=str(tmp_path / "report.zip"))
    aggregator.upload_model(receivers=aggregator.EVERYONE, model_file=str(tmp_path / "model.pt"))
    aggregator.notify_task_completion(result=True)
    for node in nodes.all:
        wait_for(lambda node=node: node.agent.show(nodes.task)["here"]["results"] == ["model.pt", "report.zip"])
        assert node.agent.results(nodes.task, "model.pt") == b"model.pt" * 1000
        assert node.agent.show(nodes.task)["state"] == "finished"
        wait_for(lambda node=node: not (node.place.task(nodes.task) / "files").exists(), 40, "files are kept for ever")
    assert nodes.aggregator.agent.audit(nodes.task)["is_sound"]


def message(nodes: Nodes, to: list[str], **content: Any) -> dict[str, Any]:
    """Return the body of a push."""
    content.setdefault("type", "note")
    body = {"task_id": nodes.task, "node_id_list": to, "message_title": "task_inside", "channel": "federated"}
    return {**body, "message_content": content}


def pop(nodes: Nodes, number: int) -> dict[str, Any]:
    """Return what the next pop of a node gets."""
    body = {"task_id": nodes.task, "channel": TaskMessageContractor._CHANNEL}
    return wait_for(lambda: nodes.services[number].pop(body).get("message_content"))
