"""Point the SDK, whose code stays as it is, at the agent."""

import hashlib
import hmac
import secrets
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import alphafed.contractor.task_message_contractor as messages
import alphafed.fed_avg.contractor as fed_avg
import alphafed.fed_avg.dp_contractor as dp_fed_avg
import torch
from alphafed.contractor.task_contractor import AutoTaskContractor, TaskContractor

load_anything = torch.load


class Ids:
    """Random ids that a child started again draws again: what it then sends is what it sent.

    Only sessions and nonces are drawn here. Keys, which a peer must not guess, are left to `secrets`.

    Args:
        file: Holds the secret that they come from; made where it is missing.
    """

    def __init__(self, file: Path):
        if not file.exists():
            file.write_bytes(secrets.token_bytes(32))
        self._secret = file.read_bytes()
        self.count = 0

    def token_hex(self, num_bytes: int) -> str:
        """Return the next one."""
        self.count += 1
        return hmac.new(self._secret, str(self.count).encode(), hashlib.sha256).hexdigest()[: 2 * num_bytes]


def point_at(base: str, ids: Ids) -> None:
    """Let the SDK speak to an agent.

    Args:
        base: The agent's address for this child.
        ids: Where session ids and nonces come from.
    """
    TaskContractor._URL = base
    TaskContractor._REPORT_PROGRESS_URL = f"{base}/federated/task/progress"
    AutoTaskContractor._REPORT_PROGRESS_URL = f"{base}/automl/task/progress"
    messages.TaskMessageContractor._URL = f"{base}/message"
    for module in (messages, fed_avg, dp_fed_avg):
        vars(module)["secrets"] = SimpleNamespace(token_hex=ids.token_hex)
    torch.load = _load


def _load(*args: Any, **kwargs: Any) -> Any:
    """Load for the SDK what a peer sent: tensors, never objects, which torch < 2.6 would build as the peer likes."""
    if sys._getframe(1).f_globals.get("__name__", "").startswith("alphafed."):
        kwargs["weights_only"] = True
    return load_anything(*args, **kwargs)
