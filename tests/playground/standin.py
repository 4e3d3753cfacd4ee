"""Stand in for the agents of all nodes of one task: the SDK's protocol from queues in memory, with a tape a node."""

import json
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOLD = 2.0  # seconds that a pop is held open


@dataclass
class Member:
    """What one node's agent holds."""

    inbox: list = field(default_factory=list)
    tape: list = field(default_factory=list)  # (kind, key, answer)
    replay: list = field(default_factory=list)
    events: list = field(default_factory=list)

    def again(self, is_pop: bool, key: str) -> Any:
        """Return what was answered before a restart, if this was asked before."""
        for row in self.replay:
            if (row[0] == "pop") == is_pop:
                if not is_pop and row[1] != key:
                    self.mismatches = [*getattr(self, "mismatches", []), (row[1], key)]
                    self.replay = [each for each in self.replay if each[0] == "pop"]
                    return None
                self.replay.remove(row)
                self.tape.append(row)
                return row[2]
        return None


class StandIn:
    """Serve members by their pseudonyms, the aggregator first."""

    def __init__(self, *names: str):
        self.members = {name: Member() for name in names}
        self.files: dict[str, bytes] = {}
        self.results: dict[str, bytes] = {}
        self.changed = threading.Condition()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def base(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}/fed-service/api/v2"

    def events(self, name: str, kind: str) -> list[dict]:
        return [event for event in self.members[name].events if event["kind"] == kind]

    def answer(self, name: str, call: str, body: dict) -> Any:
        member = self.members[name]
        if call == "/message/pop":
            again = member.again(True, "") or (member.inbox.pop(0) if self._wait(member) else None)
            if again is not None and (not member.tape or member.tape[-1][2] is not again):
                member.tape.append(("pop", "", again))
            return (
                {"message_content": json.loads(json.dumps(again).replace("FILES", f"{self.base(name)}/files"))}
                if again
                else {}
            )
        if call == "/message/push":
            content = json.loads(json.dumps(body["message_content"]).replace(f"{self.base(name)}/files", "FILES"))
            targets = (
                [each for each in self.members if each != name]
                if body["node_id_list"] == ["*"]
                else body["node_id_list"]
            )
            key = f"{content['type']} {targets}"
            again = member.again(False, key)
            if again is None:
                again = uuid.uuid4().hex
                if body["message_title"] == "task_inside":
                    for target in targets:
                        self.members[target].inbox.append(content)
                elif body["message_title"] == "task_file_upload":
                    self.results[content["file_type"]] = self.files.get(content["file_url"].rpartition("/")[2])
                member.tape.append(("push", key, again))
            return {"message_uuid": again}
        if call == "/task/nodelist":
            return {"records": [{"node_id": each} for each in self.members]}
        if call == "/playground/mark":
            return {"position": len(member.tape)}
        if call == "/playground/rewind":
            member.replay = member.tape[body["position"] :] + member.replay
            del member.tape[body["position"] :]
        if call == "/playground/event":
            member.events.append(body)
        return {}

    def _wait(self, member: Member) -> bool:
        return self.changed.wait_for(lambda: member.inbox, HOLD)

    def upload(self, name: str, content: bytes) -> Any:
        member = self.members[name]
        file = member.again(False, "upload")
        if file is None:
            file = uuid.uuid4().hex
            self.files[file] = content
            member.tape.append(("upload", "upload", file))
        return {"f_url": f"{self.base(name)}/files/{file}"}

    def handler(standin) -> type:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                name, call = re.fullmatch(r"/([^/]+)/fed-service/api/v2(/.*)", urlsplit(self.path).path).groups()
                with standin.changed:
                    if call == "/file/upload":
                        mark = b"--" + re.search("boundary=(.*)", self.headers["content-type"])[1].encode()
                        data = standin.upload(name, body.split(b"\r\n\r\n", 1)[1].rpartition(b"\r\n" + mark)[0])
                    else:
                        data = standin.answer(name, call, json.loads(body))
                    standin.changed.notify_all()
                self.send(json.dumps({"code": 0, "data": data}).encode())

            def do_GET(self):
                file = self.path.rpartition("/")[2]
                self.send(standin.files.get(file, b""), 200 if file in standin.files else 404)

            def send(self, content, status=200):
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_): ...

        return Handler


def write_child(folder: Path, entry: bytes, **said: Any) -> Path:
    """Make the folder of a child."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "entry.pickle").write_bytes(entry)
    (folder / "child.json").write_text(json.dumps({"kind": "train", "task": "t1", **said}, default=str))
    return folder


def start_child(folder: Path, environment: Mapping[str, str]) -> subprocess.Popen:
    """Start a child in its folder."""
    with open(folder / "output.txt", "ab") as output:
        command = [sys.executable, "-m", "alphamed_tutorials.playground.child", str(folder)]
        return subprocess.Popen(command, env=dict(environment), stdout=output, stderr=output)
