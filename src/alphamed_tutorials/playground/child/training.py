"""Run a task's scheduler with the unmodified SDK, from its beginning or from the last snapshot."""

import torch

from ...engines.failures import NodeFailed, told
from ...engines.node import Node
from ...engines.peers import PeerRefused
from ...engines.workers import hand_over_by_value
from ...faults import quiet_threads
from .assignment import Assignment
from .guarded import Guard, put_guard, refuse_again, speaks_fed_avg
from .line import Line
from .peers import guard_channel
from .sdk import Ids, point_at
from .snapshots import Snapshots


@quiet_threads()
def train(assignment: Assignment) -> int:
    """Run the scheduler in the child's `code/`; return what the process ends with.

    A task that failed on this node is told to the agent.
    """
    line = Line(assignment.base)
    torch.set_num_threads(assignment.num_threads)
    hand_over_by_value()
    try:
        _run(assignment, line)
        return 0
    except NodeFailed as failure:
        peer = failure.error.peer if isinstance(failure.error, PeerRefused) else None
        line.event("failed", **told(failure, assignment.code), peer=peer)
        return 1


def _run(assignment: Assignment, line: Line) -> None:
    entry = (assignment.code / "entry.pickle").read_bytes()
    log_file = assignment.made("logs") / f"{assignment.name}.log"
    node = Node(assignment.name, entry, assignment.data, assignment.made("root"), log_file, assignment.seed)
    ids = Ids(assignment.made("snapshots") / "ids.key")
    guard = Guard(node, Snapshots(assignment.folder / "snapshots", node, ids), line)
    point_at(assignment.base, ids)
    is_patient = speaks_fed_avg(type(node.scheduler)) and not assignment.is_aggregator
    guard_channel(assignment.base, guard.check, guard.sent, guard.interrupt if is_patient else None)
    try:
        with node.active() as scheduler:
            for name, value in assignment.settings.items():
                setattr(scheduler, name, value)
            refuse_again(scheduler, assignment.folder / "snapshots")
            put_guard(guard)
            scheduler._run(
                id=assignment.pseudonym, task_id=assignment.task, is_initiator=assignment.is_aggregator, recover=False
            )
            if guard.error is not None:
                raise guard.error
    finally:
        node.close()
