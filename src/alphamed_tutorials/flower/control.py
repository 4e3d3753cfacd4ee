"""What is asked of a SuperLink from outside: who is registered, start this run, stop it, how does it stand."""

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import click
import httpx
import tomli_w
from flwr.cli.build import build_fab_from_files
from flwr.cli.flower_config import read_superlink_connection
from flwr.cli.typing import SuperLinkConnection
from flwr.cli.utils import init_http_client_from_connection
from flwr.common.constant import Status, SubStatus
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
)
from flwr.supercore.fab import Fab

from ..data.folders import node_order, refuse_unfit_name
from ..errors import TutorialError, WrongUse

# All code but the task's is installed on the machines, and nothing is installed when a run begins.
PROJECT = {"name": "alphamed-task", "version": "1.0.0", "license": "Apache-2.0", "dependencies": []}
APP = {
    "publisher": "alphamed-tutorials",
    "components": {
        "serverapp": "alphamed_tutorials.flower.server:app",
        "clientapp": "alphamed_tutorials.flower.client:app",
    },
}


class Standing(NamedTuple):
    """How a run stands, in Flower's own words: its commands end with 0 where one has failed."""

    is_over: bool
    is_done: bool
    details: str


class SuperLink:
    """A SuperLink that can be asked.

    Args:
        connection: How it is reached.
    """

    def __init__(self, connection: SuperLinkConnection):
        self.name = connection.name
        with self._explained(), contextlib.redirect_stdout(io.StringIO()):  # it tells which SuperLink it takes
            self._client = init_http_client_from_connection(connection)

    @classmethod
    def named(cls, name: str) -> "SuperLink":
        """Return the one that Flower's own configuration has under a name.

        Raises:
            WrongUse: It has none.
        """
        try:
            return cls(read_superlink_connection(name))
        except click.ClickException as error:
            raise WrongUse(f"--superlink {name} is not in Flower's configuration: {error.message}") from error

    def register(self, name: str, public_key: bytes) -> None:
        """Admit a SuperNode by its key."""
        with self._explained():
            self._client.RegisterNode(RegisterNodeRequest(public_key=public_key, name=name))

    def node_names(self) -> list[str]:
        """Return the names of the SuperNodes that are registered, in the order of data owners.

        Raises:
            WrongUse: A name will not do.
        """
        with self._explained():
            found = self._client.ListNodes(ListNodesRequest()).nodes_info
        names = sorted((node.name for node in found if node.status != "unregistered"), key=node_order)
        if "" in names:
            raise WrongUse("a SuperNode is registered without a name: unregister it, then register it with --name NAME")
        for name in names:
            refuse_unfit_name(name)
        return names

    def start(self, config: Mapping[str, str]) -> int:
        """Start a run; return its number.

        Raises:
            TutorialError: The SuperLink refuses.
        """
        project = {"project": PROJECT, "tool": {"flwr": {"app": {**APP, "config": dict(config)}}}}
        content, _ = build_fab_from_files({"pyproject.toml": tomli_w.dumps(project).encode()})
        fab = Fab(hashlib.sha256(content).hexdigest(), content, {})
        with self._explained():
            answer = self._client.StartRun(StartRunRequest(fab=fab_to_proto(fab)))
        if not answer.HasField("run_id"):
            raise TutorialError(f"the SuperLink {self.name} refuses the run: see its log")
        return int(answer.run_id)

    def stop(self, run: int) -> None:
        """Stop a run."""
        with self._explained():
            self._client.StopRun(StopRunRequest(run_id=run))

    def standing(self, run: int) -> Standing:
        """Return how a run stands."""
        with self._explained():
            found = self._client.ListRuns(ListRunsRequest(run_id=run)).run_dict
        if run not in found:
            return Standing(True, False, "the SuperLink was started anew, and knows nothing of it")
        status = found[run].status
        is_over = status.status == Status.FINISHED
        return Standing(is_over, is_over and status.sub_status == SubStatus.COMPLETED, status.details)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPStatusError as error:
            raise TutorialError(f"the SuperLink {self.name} refuses: {error.response.text[:500] or error}") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"the SuperLink {self.name} cannot be reached ({error}): is it running?") from error


class Unreachable(TutorialError):
    """A SuperLink does not answer."""
