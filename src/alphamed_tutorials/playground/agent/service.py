"""What the platform's node service does for the SDK: messages, files, progress, for one child process at a time."""

import json
import secrets
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from starlette.exceptions import HTTPException

from ...errors import TutorialError
from .files import LARGEST, MARK, Files, relinked
from .journal import Journal
from .tape import Tape

HOLD = 5  # seconds that a `pop` is held open until a message comes
LARGEST_MESSAGE = 1000 * 1024  # bytes, sealed for all its receivers: the hub takes little more
INSIDE, RESULT, FINISH = "task_inside", "task_file_upload", "task_finish"  # the SDK's titles

ROUND_BEGINS, ANSWERS = "sync_state", "apply_sf_sending_data"  # and types: an owner offers what it has trained


class Refused(HTTPException):
    """A request that makes no sense, or is not allowed."""

    def __init__(self, text: str, status: int = 400):
        super().__init__(status, text)


class Services:
    """The services that are open, by the secret in their addresses.

    Attributes:
        origin: Where this agent is reached from its own machine, as in `http://127.0.0.1:40001`.
    """

    def __init__(self, origin: str):
        self.origin = origin
        self.open: dict[str, Any] = {}

    def add(self, service: Any) -> str:
        """Open a service and return its base address."""
        secret = secrets.token_urlsafe(24)
        self.open[secret] = service
        service.base = f"{self.origin}/{secret}/fed-service/api/v2"
        return str(service.base)

    def remove(self, service: Any) -> None:
        """Close a service: its address answers no more, and calls that are held open come back empty."""
        service.close()
        self.open = {secret: each for secret, each in self.open.items() if each is not service}

    def find(self, secret: str) -> Any:
        """Return the service of a secret.

        Raises:
            Refused: There is none.
        """
        if secret not in self.open:
            raise Refused("there is nothing at this address", 404)
        return self.open[secret]


class Service:
    """The node service of one child process.

    Args:
        journal: The node's.
        files: The task's.
        task: The task as the hub describes it.
        folder: The child's own folder, of which it may upload files by their path.
        tell: Called with each event that the child reports.
    """

    largest_file = LARGEST

    def __init__(
        self,
        journal: Journal,
        files: Files,
        task: dict[str, Any],
        folder: Path,
        tell: Callable[[dict[str, Any]], None] = lambda event: None,
    ):
        self.journal, self.files, self.folder, self.tell = journal, files, folder, tell
        self.task, self.attempt, self.own = task["id"], task["attempt"], task["me"]["pseudonym"]
        self.members = [member["pseudonym"] for member in task["members"]]
        self.tape = Tape(journal, self.task, self.attempt)
        self.base = ""
        self.is_closed = self.is_rewound = False
        self.round_since = 0.0  # when the round began that this node, as the aggregator, has last asked the others for
        self.answers: dict[str, float] = {}  # when each has answered in it, by pseudonym

    def close(self) -> None:
        """Answer nothing more: the child is gone, and what was held for it belongs to the next."""
        with self.journal.lock:
            self.is_closed = True
        self.journal.arrived.ring()

    # What the SDK asks

    def push(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a message for others: from here on it is on its way, whatever happens."""
        self._check_task(body)
        title, channel, content = body.get("message_title"), body.get("channel"), body.get("message_content")
        if title not in (INSIDE, RESULT, FINISH) or not isinstance(channel, str) or not isinstance(content, dict):
            raise Refused("a message needs a message_title that AlphaMed knows, a channel, and a message_content")
        targets = self._targets(body.get("node_id_list"))
        if len(json.dumps(content)) * len(targets) * 4 / 3 > LARGEST_MESSAGE:
            raise Refused(f"a message may have {LARGEST_MESSAGE} bytes for all its receivers: send a file", 413)
        key = f"push {title} {content.get('type')} {' '.join(sorted(targets))}"
        with self.journal.transaction():
            self._begin()
            answer = self.tape.replay_send(key)
            if answer is None:
                answer = self._send(title, channel, content, targets)
                self.tape.record(False, key, answer)
                if title == FINISH:
                    self.journal.end(self.task, self.attempt, "finished")
        return {"message_uuid": answer["id"]}

    def _send(self, title: str, channel: str, content: dict[str, Any], targets: list[str]) -> dict[str, Any]:
        """Queue a message; files of ours that it names get a name on their way that its receivers alone know."""
        if content.get("type") == ROUND_BEGINS:
            self.round_since, self.answers = time.time(), {}
        number, own_files = str(uuid.uuid4()), set[str]()
        transfers: dict[str, str] = {}

        def on_its_way(file: str) -> str:
            own_files.add(file)
            transfers.setdefault(file, uuid.uuid4().hex)
            return MARK + transfers[file]

        sealed = relinked(content, f"{self.base}/files/", on_its_way)
        others = [target for target in targets if target != self.own]
        if others:
            files = {new: old for old, new in transfers.items()}
            message = {
                "kind": "message", "id": number, "to": others, "title": title, "channel": channel,
                "attempt": self.attempt, "content": sealed, "files": files,
            }  # fmt: skip
            self.journal.queue(self.task, message)
        local = relinked(content, f"{self.base}/files/", MARK.__add__)
        if title == RESULT:  # the sender keeps it too, as the platform does
            self.journal.expect_result(self.task, local)
        elif self.own in targets:
            self.journal.receive(self.task, self.attempt, channel, local)
            self.journal.arrived.ring()
        return {"id": number, "files": sorted(own_files)}

    def came(self, sender: str, content: dict[str, Any]) -> None:
        """Notice what has come for the child, before it takes it."""
        if content.get("type") == ANSWERS and self.round_since:
            self.answers.setdefault(sender, time.time())

    def pop(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the next message; held open until one comes."""
        self._check_task(body)
        channel, until = str(body.get("channel")), time.monotonic() + HOLD
        while True:
            rings = self.journal.arrived.rings
            content = self._next(channel)
            left = until - time.monotonic()
            if content is not None:
                return {"message_content": relinked(content, MARK, f"{self.base}/files/".__add__)}
            if left <= 0:
                return {}
            self.journal.arrived.wait(rings, left)

    def _next(self, channel: str) -> dict[str, Any] | None:
        """Take the next message from the tape that is replayed, or from the inbox."""
        with self.journal.transaction():
            self._begin()
            again = self.tape.replay_pop(channel)
            if again is not None:
                return dict(again["content"])
            content = self.journal.take(self.task, self.attempt, channel)
            if content is not None:
                files = set[str]()
                relinked(content, MARK, lambda file: files.add(file) or file)  # type: ignore[func-returns-value]
                self.tape.record(True, channel, {"content": content, "files": sorted(files)})
                if content.get("type") == "finish_task":
                    self.journal.end(self.task, self.attempt, "finished")
            return content

    def nodes(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return who takes part, the initiator first."""
        self._check_task(body)
        return {"records": [{"node_id": member} for member in self.members]}

    def address(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return nothing: no member learns another's address, and the channel that asks for it (gRPC) is not used."""
        self._check_task(body)
        return {}

    def progress(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take how far the task is, in percent."""
        self._check_task(body)
        percent = body.get("progress_number")
        if not isinstance(percent, int) or not 0 <= percent <= 100:
            raise Refused("progress_number must be a number from 0 to 100")
        self.journal.queue(self.task, {"kind": "report", "attempt": self.attempt, "progress": percent})
        return {}

    def upload(self, source: BinaryIO) -> dict[str, Any]:
        """Keep a file; it stays here until a message names it."""
        with self.journal.transaction():
            self._begin()
            answer = self.tape.replay_send("upload")
        if answer is None:
            answer = {"files": [self.files.keep(source, self.largest_file)]}
            with self.journal.transaction():
                self._begin()
                self.tape.record(False, "upload", answer)
        return {"f_url": f"{self.base}/files/{answer['files'][0]}"}

    def upload_local(self, path: str) -> dict[str, Any]:
        """Keep a file that the child names by its path."""
        file = (self.folder / path).resolve()
        if not path or not file.is_relative_to(self.folder.resolve()) or not file.is_file():
            raise Refused(f"{path or 'nothing'} is no file below the task's own folder")
        with open(file, "rb") as source:
            return self.upload(source)

    def download(self, file: str) -> Path:
        """Return where a file lies that a message named."""
        try:
            return self.files.get(file)
        except TutorialError as error:
            raise Refused(str(error), 404) from None

    # What the guard around the scheduler asks

    def mark(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return where the tape stands; `keep` is the earliest position to which the child may still go back."""
        keep = body.get("keep")
        with self.journal.transaction():
            self._begin()
            position = self.tape.mark()
            unused = self.tape.cut(keep) if isinstance(keep, int) else set()
            unused -= self.journal.files_to_send(self.task)
        for file in unused:
            self.files.drop(file)
        return {"position": position}

    def rewind(self, body: dict[str, Any]) -> dict[str, Any]:
        """Go back to a position: what was popped, pushed and uploaded after it is answered from the tape."""
        position = body.get("position")
        if not isinstance(position, int):
            raise Refused("position must be a number that `mark` returned")
        with self.journal.transaction():
            self.is_rewound = True
            self._begin()
            return {"replayed": self.tape.rewind(position)}

    def event(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take what the operator shall know.

        Those that mean something here are listed in `child/__init__.py`: `started`, `round_started`, `round_done` with
        its rows, and `failed`, with which the task fails. Others are kept and shown.
        """
        if not isinstance(body.get("kind"), str):
            raise Refused("an event needs a kind")
        with self.journal.lock:
            self._begin()
        self.tell(body)
        return {}

    def _begin(self) -> None:
        """Refuse a child that is no longer the one; let one that asks for no position live through everything again."""
        if self.is_closed:
            raise Refused("there is nothing at this address", 404)
        if not self.is_rewound:
            self.is_rewound = True
            self.tape.rewind(0)

    def _check_task(self, body: dict[str, Any]) -> None:
        if body.get("task_id") != self.task:
            raise Refused(f"this child works on task {self.task}, not on {body.get('task_id')}")

    def _targets(self, given: Any) -> list[str]:
        """Return the members that a message is for; `*` means all others."""
        if given == ["*"]:
            return [member for member in self.members if member != self.own]
        if not isinstance(given, list) or not given:
            raise Refused("node_id_list must name members of the task")
        strangers = [each for each in given if each not in self.members]
        if strangers:
            raise Refused(f"{strangers[0]} is no member of the task")
        return list(dict.fromkeys(given))


class Notebook:
    """The node service of the operator's own notebook: `Scheduler.submit(TASK)` and `DataChecker.submit(TASK)`.

    Args:
        folder: Where uploads lie until they are submitted.
        put_code: Hands a task's code of a kind, `verify` or `train`, to the hub.
    """

    largest_file = 256 * 1024**2

    def __init__(self, folder: Path, put_code: Callable[[str, str, bytes], Any]):
        self.files, self.put_code, self.base = Files(folder, _absent), put_code, ""

    def upload(self, source: BinaryIO) -> dict[str, Any]:
        """Keep a file until it is submitted."""
        return {"f_url": f"{self.base}/files/{self.files.keep(source, self.largest_file)}"}

    def submit_verification(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an uploaded file the task's data verification."""
        return self._submit(body, "verify")

    def submit_training(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an uploaded `src.zip` the task's training code."""
        return self._submit(body, "train")

    def _submit(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        address = str(body.get("f_url"))
        try:
            path = self.files.get(address.removeprefix(f"{self.base}/files/"))
            self.put_code(str(body.get("task_id")), kind, path.read_bytes())
        except TutorialError as error:
            raise Refused(str(error), getattr(error, "status", 404)) from None
        path.unlink()
        return {}


def _absent(file: str, _: BinaryIO) -> None:
    raise TutorialError(f"file {file} was not uploaded here")
