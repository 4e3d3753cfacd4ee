"""What the child and its agent say to each other beside the SDK's protocol."""

import json
from typing import Any

import requests

HEADERS = {"content-type": "application/json"}


class Line:
    """The child's line to its agent.

    Args:
        base: The agent's address for this child.
    """

    def __init__(self, base: str):
        self._url = f"{base}/playground"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between the two

    def mark(self, keep: int | None) -> int:
        """Return how far this child read and sent the task's messages.

        Args:
            keep: The earliest position that may still be gone back to; None for the beginning.
        """
        return self._post("mark", keep=keep)["position"]

    def rewind(self, position: int) -> None:
        """Have the agent answer again what it answered after `position`, and send nothing twice."""
        self._post("rewind", position=position)

    def event(self, kind: str, **fields: Any) -> None:
        """Tell the agent."""
        self._post("event", kind=kind, **fields)

    def _post(self, verb: str, **body: Any) -> dict[str, Any]:
        answer = self._session.post(
            f"{self._url}/{verb}", data=json.dumps(body), headers=HEADERS
        )  # NaN may be among it
        answer.raise_for_status()
        return answer.json()["data"]
