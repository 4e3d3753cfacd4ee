"""A node's page as a test asks for it without a browser, and small tasks to look at."""

import re
from typing import Any

import requests
from playgroundworld import HERE

SMALL_SUBMISSION = HERE / "small_submission.py"
VERIFICATION = """class DatasetVerify: ...


def verify(data):
    if not (data / "labels.csv").exists():
        return False, "labels.csv is missing"
    return True, "labels.csv is there"
"""
IDLE = "import time\nwhile True: time.sleep(1)\n"
# An owner fails with a text that nobody else shall read.
FAILS = (
    """
if assignment["role"] != "aggregator":
    line.event("failed", text="no scan has 3 channels" + " or more" * 40, type="ValueError", file="own/model.py", line=12, round=2)
    raise SystemExit(1)
"""
    + IDLE
)


class Visitor(requests.Session):
    """Who looks at a node's page, without a browser.

    Args:
        node: The node.
        is_let_in: Whether it came through a link.
        language: The browser's.
    """

    def __init__(self, node: Any, is_let_in: bool = True, language: str = "en"):
        super().__init__()
        self.origin: str = node.parts.services.origin
        self.headers["Accept-Language"] = language
        if is_let_in:
            self.get(node.agent.link())

    def look(self, path: str, **options: Any) -> requests.Response:
        """Return what is at a path, and not what that leads to."""
        return self.get(self.origin + path, allow_redirects=False, **options)

    def word(self) -> str:
        """Return the word of this session's forms."""
        found = re.search(r'name="word" value="([^"]+)"', self.look("/help").text)
        assert found
        return found[1]

    def submit(self, path: str, files: Any = None, headers: Any = None, **fields: Any) -> requests.Response:
        """Send a form as a page of this session does; return what it leads to."""
        data = {"word": self.word(), **fields}
        return self.post(self.origin + path, data=data, files=files, headers=headers, timeout=60)


def made_task(initiator: Any, owners: list[str], verify: str = VERIFICATION, train: bytes = b"", **fields: Any) -> str:
    """Make a task with its code, as far as that is given; the owners are invited once both are there."""
    agent = initiator.agent
    task = str(agent.create(fields.pop("name", "a task"), owners, **fields)["id"])
    if verify:
        agent.put_code(task, "verify", verify.encode())
    if train:
        agent.put_code(task, "train", train)
    return task
