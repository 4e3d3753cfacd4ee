"""What the page about the playground's protocol says is what hub and agent do."""

import hashlib
import json
import re
import time

import pytest
import requests
from playgroundhub import Task, running
from starlette.routing import Route

from alphamed_tutorials.playground import audit, sealing, signing
from alphamed_tutorials.playground.agent import app, courier, service
from alphamed_tutorials.playground.hub import app as hub_app
from alphamed_tutorials.playground.hub import messages, nodes
from alphamed_tutorials.playground.hub.state import Hub, Limits
from pages import LANGUAGES, ROOT

TEXTS = {language: (ROOT / "docs" / language / "playground/protocol.md").read_text("utf-8") for language in LANGUAGES}
# What the Chinese and the English page say, in their order.
FACTS = [
    (f"最多等 {service.HOLD} 秒", f"up to {service.HOLD} seconds"),
    (f"每 {courier.LOOK} 秒", f"every {courier.LOOK} seconds"),
    (f"最多 {courier.HELD} 秒", f"up to {courier.HELD} seconds"),
    (f"隔 {courier.SHORTEST} 秒", f"after {courier.SHORTEST} seconds and up to {courier.LONGEST:g}"),
    (f"最多 {messages.MOST_ENTRIES} 条", f"up to {messages.MOST_ENTRIES} entries or {messages.MOST_BYTES >> 20} MiB"),
    (f"最多 {hub_app.MOST_RECORDS} 条", f"up to {hub_app.MOST_RECORDS} records"),
    (f"相差 {signing.MAX_AGE.total_seconds():.0f} 秒", f"by {signing.MAX_AGE.total_seconds():.0f} seconds"),
]
pytestmark = pytest.mark.parametrize("language", LANGUAGES)


def section(language: str, anchor: str) -> str:
    """Return a section of the page."""
    return TEXTS[language].partition(f"{{ #{anchor} }}")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of a text's tables, without their heads."""
    found = [re.split(r"\s*\|\s*", line.strip())[1:-1] for line in text.splitlines() if line.startswith("|")]
    return [cells for before, cells in zip([[], *found], found) if not set("".join(cells)) <= set("-:") and before]


def code(cell: str) -> list[str]:
    """Return what stands as code in a cell; a question mark behind it belongs to it."""
    return re.findall(r"`([^`]+)`", re.sub(r"`([^`]+)`[?？]", r"`\1?`", cell))


def test_routes_and_bodies_are_those_of_the_hub(language, tmp_path):
    described = hub_app.make_app(Hub(tmp_path)).openapi()
    forms, expected = described["components"]["schemas"], {}
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            body = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            form = forms[body["$ref"].rpartition("/")[2]] if "$ref" in body else body
            fields = {name: name in form.get("required", ()) for name in form.get("properties", ())}
            fields |= {each["name"]: each["required"] for each in route.get("parameters", ()) if each["in"] == "query"}
            expected[f"{method.upper()} {path}"] = {name + "?" * (not needed) for name, needed in fields.items()}
    told = {}
    for route, _, body, _ in rows(section(language, "hub")):
        is_stream = route.startswith("`PUT")  # its cell explains the address
        told[route.strip("`")] = set() if is_stream else set(code(body))
    assert told == expected


def answers(task):
    """Ask a hub whose task runs for all that answers with JSON."""
    sent = task.initiator.post(f"{task.path}/messages", **task.initiator.message(task.id, [task.pseudonym(task.first)]))
    put = task.initiator.put(f"{task.path}/files/{sent['id']}", b"sealed")
    yield "POST /v1/tasks/{task}/messages", sent
    yield "PUT /v1/tasks/{task}/files/{identity}", put
    for path in ("/v1/health", "/v1/key", "/v1/nodes", "/v1/inbox"):
        yield f"GET {path}", task.first.get(path)
    yield "GET /v1/tasks/{task}/audit", task.first.get(f"{task.path}/audit")
    yield "GET /v1/tasks/{task}/audit/head", task.first.get(f"{task.path}/audit/head")


def test_answers_are_those_of_the_hub(language, tmp_path):
    told = {route.strip("`"): set(code(answer)) for route, *_, answer in rows(section(language, "hub"))}
    shown = set(code(re.search(r"\n\n\*\*.+`name`.+", section(language, "hub"))[0]))
    entries = section(language, "message").rpartition("\n\n")[2]
    with running(tmp_path) as hub:
        task = Task(hub).start()
        for route, answer in answers(task):
            assert set(answer[0] if isinstance(answer, list) else answer) == told[route], route
        view, inbox = task.initiator.get(task.path), task.first.get("/v1/inbox")["entries"]
    parts = [view, view["members"][0], view["invited"][0], view["code"]["train"]]
    assert set().union(*parts) - {"verify", "train"} == shown
    assert {each["kind"] for each in inbox} == {"message", "control"}
    assert set().union(*inbox) <= set(code(entries))
    source = (ROOT / "src/alphamed_tutorials/playground/hub/tasks.py").read_text("utf-8")
    controls = set(re.findall(r'"(\w+)"', " ".join(re.findall(r'\.tell\(.*|"control": "deleted"', source)))) - {
        "control"
    }
    assert controls <= set(code(entries))


def record_everything(folder) -> list[dict]:
    """Let happen whatever a hub writes down; return all records."""
    with running(folder, Limits(away=0.4)) as hub:
        first, second = Task(hub).start(), Task(hub, 1).start()
        path = first.initiator.post(f"{first.path}/messages", **first.initiator.message(first.id, ["*"], receivers=[
            first.pseudonym(node) for node in first.others
        ]))["id"]  # fmt: skip
        first.initiator.put(f"{first.path}/files/{path}", b"sealed")
        first.first.ask("GET", f"{first.path}/files/{path}")
        until = time.monotonic() + 20
        while not {"away", "back"} <= {json.loads(record)["event"] for record in first.records()}:
            assert time.monotonic() < until
            first.first.get("/v1/inbox", after=10**6, wait=0.2)
            if any('"away"' in record for record in first.records()):
                first.second.get("/v1/inbox", after=10**6, wait=0.2)
        first.first.post(f"{first.path}/report", state="failed", attempt=1)
        second.initiator.post(f"{second.path}/stop")
        second.initiator.post(f"{second.path}/start")
        end = second.initiator.message(second.id, [second.pseudonym(second.first)], title="task_finish", result=True)
        second.initiator.post(f"{second.path}/messages", **end)
        records = [*first.records(), *second.records()]
        second.initiator.delete(second.path)
        records += second.records()
        nodes.revoke(folder, first.first.name)
        first.first.ask("GET", "/v1/nodes")
        return [json.loads(record) for record in [*records, *hub.hub.logs.records("hub", 0, 1000)]]


def test_records_are_those_of_the_hub(language, tmp_path):
    told = {}
    for events, fields in rows(section(language, "log")):
        told |= {event: set(code(fields)) - {"left_out_before"} for event in code(events)}
    written = {record["event"]: set(record) - {"time", "event"} for record in record_everything(tmp_path)}
    assert written == told
    assert set(told) == set(audit._WORDS)


def test_a_request_is_signed_as_shown(language):
    shown = section(language, "signatures").partition("```text\n")[2].partition("\n```")[0]
    request = requests.Request("POST", "https://192.0.2.1:8443/v1/tasks/1/join", json={}).prepare()
    signed = signing.SigningKey.make().sign(request)
    lines = [f"{signed.method} {signed.path_url} HTTP/1.1"]
    names = ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
    lines += [f"{name}: {signed.headers[name]}" for name in names]
    pattern = re.escape(shown).replace("…", r"[^\s;:,]+?")
    assert re.fullmatch(pattern, "\n".join(lines))


def test_a_sealed_file_is_laid_out_as_shown(language):
    magic, count, key, header, piece = (cells[0] for cells in rows(section(language, "sealing")))
    assert (int(magic), int(count), int(header)) == (len(sealing.MAGIC), 2, sealing.HEADER)
    assert key.startswith(str(sealing.SEALED_KEY))
    assert piece.startswith(f"{sealing.PIECE} + {sealing.OVERHEAD}")
    assert f"`{sealing.MAGIC.decode()}`" in section(language, "sealing")


def merkle(leaves: list[bytes]) -> bytes:
    """Return the tree hash as RFC 9162 defines it."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0]).digest() if leaves else hashlib.sha256().digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle(leaves[:half]) + merkle(leaves[half:])).digest()


def test_heads_are_those_of_rfc_9162_and_signed_as_shown(language):
    for number in range(9):
        records = [f"record {each}" for each in range(number)]
        assert audit.Tree(records).get_root() == merkle([record.encode() for record in records])
    shown = section(language, "log").partition("```text\n")[2].partition("\n```")[0]
    signed = audit.Head("a log", 5, "00ff", "2026-01-01T00:00:00.000Z").signed.decode()
    assert re.fullmatch(re.escape(shown).replace("…", '[^",]+'), signed)


def test_calls_are_those_that_the_agent_answers(language):
    [mount] = app.routes(service.Services("http://127.0.0.1:1"))
    answered = {route.path for route in mount.routes if isinstance(route, Route)}
    assert {path for cells in rows(section(language, "agent")) for path in code(cells[0])} == answered


def test_figures_are_those_of_the_code(language):
    assert {fact[language == "en"] for fact in FACTS if fact[language == "en"] not in TEXTS[language]} == set()
