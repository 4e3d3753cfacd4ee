"""What an operator can do next in a task, or what it waits for."""

from typing import Any

BEFORE = ("draft", "verifying", "ready")
STEPS = {
    "send_verification": "Send the data verification",
    "send_code": "Send the training code",
    "wait_for_nodes": "Wait for the directed nodes",
    "start": "Start training",
    "verify": "Verify your data",
    "join": "Join the task",
    "wait_for_start": "Wait for the start",
    "wait_for_initiator": "Wait for the initiator",
    "watch": "Training is running",
    "mend": "Mend what failed",
    "go_on": "Go on",
    "take_home": "Take the results home",
}
DOING = {  # by the kind of a job
    "send": "Sending",
    "submit": "Making the training code as submit() does, and trying it in a clean process",
    "verify": "The data verification is looking at your data",
    "join": "Joining",
    "start": "Starting",
    "stop": "Stopping",
    "export": "Exporting the model, in the sandbox",
}
STATES = {
    "draft": "The initiator has not sent verification and training code yet; only it sees the task.",
    "verifying": "The directed nodes are invited; not all have verified their data and joined.",
    "ready": "All nodes have joined; the initiator can start.",
    "running": "The nodes train, round after round.",
    "finished": "The last round is over; every node has model and report.",
    "failed": "Something raised an error on a node; with other code the task can start again.",
    "stopped": "The initiator stopped it; it can go on where it was.",
}


def next_step(task: dict[str, Any]) -> str:
    """Return the next step: a key of `STEPS`.

    Args:
        task: As `Tasks.show` describes it.
    """
    return _of_initiator(task) if is_initiator(task) else _of_owner(task)


def is_initiator(task: dict[str, Any]) -> bool:
    """Return whether this node made the task."""
    return bool(task["role"] == "aggregator")


def _of_initiator(task: dict[str, Any]) -> str:
    state, code = task["state"], task["code"]
    if state in ("running", "finished"):
        return "watch" if state == "running" else "take_home"
    if state == "failed":
        return "mend"
    if "verify" not in code:
        return "send_verification"
    if "train" not in code:
        return "send_code"
    if state == "stopped":
        return "go_on"
    return "start" if state == "ready" else "wait_for_nodes"


def _of_owner(task: dict[str, Any]) -> str:
    state, mine = task["state"], task["me"]["state"]
    if state in ("running", "finished"):
        return "watch" if state == "running" else "take_home"
    if mine in ("invited", "refused"):
        return "verify"
    if mine == "verified":
        return "join"
    return "wait_for_start" if state in BEFORE else "wait_for_initiator"
