"""Commands about tasks on the playground, for the operator of a node: playground task create, verify, join, start …"""

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import TutorialError, WrongUse
from ..playground.agent.client import Agent
from ..playground.metrics import as_csv
from ..target import Target
from ..texts import in_line, printable
from .options import AsJson, NumRounds, Seed, SettingTexts, TargetName, example_of_use, output, setting_values
from .progress import console, number, say, show_table

if TYPE_CHECKING:
    from ..playground.source import Source

app = typer.Typer(
    no_args_is_help=True,
    help="Tasks on the playground, as the operator of a node: create, verify, join, start, follow, take home.",
    epilog=example_of_use("playground task list --node nodes/aggregator"),
)

NodeFolder = Annotated[
    Path,
    typer.Option("--node", metavar="DIR", envvar="PLAYGROUND_NODE", help="The folder of the node that you operate"),
]
TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A task's id, the beginning of it, or its name")]
Approve = Annotated[
    str | None,
    typer.Option(metavar="SHA256", help="The hash of the code that may run here, or its beginning", show_default="ask"),
]
Kind = Annotated[str, typer.Option(metavar="verify|train", help="Which code")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it")]
LEAST = 8  # signs of a hash or an id


@app.command(epilog=example_of_use("playground task create mnist --nodes node1,node2 --node nodes/aggregator"))
def create(
    target: TargetName,
    node: NodeFolder,
    nodes: Annotated[str, typer.Option(metavar="NAME,NAME", help="The nodes to invite")],
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is called", show_default="TARGET")] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for")] = "",
    num_rounds: NumRounds = None,
    seed: Seed = 0,
    settings: SettingTexts = [],
    as_json: AsJson = False,
) -> None:
    """Create a task from a target, and send its code: what AlphaMed's users do with the form and submit()."""
    from ..catalogue import find

    with output(as_json) as result:
        agent, found = Agent(node), find(target)
        invited = [each.strip() for each in nodes.split(",") if each.strip()]
        _refuse_strangers(agent, invited)
        code, rounds = _code(found, num_rounds, seed, setting_values(found, settings))
        run = {"seed": seed, "num_threads": found.facts.run.num_threads, "rounds": rounds}
        made = agent.create(name or found.name, invited, description, run)
        agent.put_code(made["id"], "verify", code.verify)
        result |= agent.put_code(made["id"], "train", code.train)
        say(f"Created: {made['id']}. {', '.join(invited)} can look at it, verify their data and join:")
        say(f"playground task verify {made['id'][:LEAST]} --node DIR")


@app.command(epilog=example_of_use("playground task update mnist my_mnist --node nodes/aggregator"))
def update(
    task: TaskName, target: TargetName, node: NodeFolder, settings: SettingTexts = [], as_json: AsJson = False
) -> None:
    """Give a task of yours new code, before it starts or after it has failed or was stopped.

    Rounds and seed stay as they were. The other nodes look at the new code and join again; start then begins anew.
    """
    from ..catalogue import find

    with output(as_json) as result:
        agent, found = Agent(node), find(target)
        identity = task_id(agent, task)
        run = agent.show(identity)["settings"]
        code, _ = _code(found, run["rounds"], run["seed"], setting_values(found, settings))
        agent.put_code(identity, "verify", code.verify)
        result |= agent.put_code(identity, "train", code.train)
        say(f"{result['name']} is {result['state']}{': ' if result['why'] else ''}{result['why']}")
        say(f"The other nodes approve it: playground task join {identity[:LEAST]} --node DIR")


def _code(found: Target, rounds: int | None, seed: int, settings: dict[str, Any]) -> tuple["Source", int]:
    """Return a target's code as `submit()` sends it, and how many rounds it will run."""
    with console.status("making the code as submit() does, and trying it in a clean process"):
        from ..playground.source import make

        return make(found, rounds, seed, settings)


def _refuse_strangers(agent: Agent, invited: list[str]) -> None:
    """Refuse names that the hub does not know, before the code is made."""
    known = [each["name"] for each in agent.nodes() if each["name"] != agent.status()["name"]]
    strangers = [each for each in invited if each not in known]
    if strangers or not invited:
        what = f"no node is called {strangers[0]}" if strangers else "a task needs nodes that have data"
        raise WrongUse(f"{what}: give --nodes, some of {', '.join(known) or 'none (no other node is admitted yet)'}")


@app.command("list", epilog=example_of_use("playground task list --search mnist --node nodes/aggregator"))
def list_tasks(
    node: NodeFolder,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Words in name or description")] = "",
    as_json: AsJson = False,
) -> None:
    """List the tasks of a node, newest first."""
    with output(as_json) as result:
        result["tasks"] = Agent(node).tasks(search)
        rows = [
            (each["id"][:LEAST], each["name"], each["state"], _clock(each["since"]), each["role"], each["me"]["state"])
            for each in result["tasks"]
        ]
        show_table("Tasks", ("id", "name", "state", "since (UTC)", "role", "this node"), rows)


@app.command(epilog=example_of_use("playground task show mnist --node nodes/aggregator"))
def show(task: TaskName, node: NodeFolder, as_json: AsJson = False) -> None:
    """Show how a task stands, why, and what each member has done."""
    with output(as_json) as result:
        agent = Agent(node)
        result |= agent.show(task_id(agent, task))
        why = f": {result['why']}" if result["why"] else ""
        title = f"{result['name']} is {result['state']} since {_clock(result['since'])} UTC{why}"
        rows = [
            (
                in_line(each["pseudonym"]) + (" (this node)" if each["pseudonym"] == result["me"]["pseudonym"] else ""),
                each["role"],
                each["state"],
                _clock(each["since"]),
                _clock(each["away_since"]),
            )
            for each in result["members"]
        ]
        show_table(title, ("member", "role", "state", "since (UTC)", "away since"), rows)
        if result.get("invited"):
            invited = [(each["name"], each["state"], in_line(each["reason"] or "")) for each in result["invited"]]
            show_table("Invited", ("node", "state", "reason"), invited)
        if result["state"] == "running" and result["round"]:
            say(f"Round {result['round']} of {result['rounds'] or '?'}, {result['progress']} %")
        for event in result["failures"]:
            say(f"On this node: {event['text']}", style="red")
        if result.get("hub_is_away"):
            say(f"As this node saw it last: {result['hub_is_away']}", style="yellow")


@app.command(epilog=example_of_use("playground task code mnist --kind train --node nodes/node1"))
def code(task: TaskName, node: NodeFolder, kind: Kind = "train", as_json: AsJson = False) -> None:
    """Show a task's code, file by file, with the hash that approves it."""
    with output(as_json) as result:
        agent = Agent(node)
        result |= agent.code(task_id(agent, task), kind)
        _show_code(result)


def _show_code(shown: dict[str, Any]) -> None:
    for file in shown["files"]:
        print(f"── {printable(file['name'])} ({file['bytes']} bytes, SHA-256 {file['sha256'][:12]}…)")
        if "text" in file:
            print(printable(file["text"]))
    say(f"SHA-256 of the whole, which approves it: {shown['sha256']}")


@app.command(epilog=example_of_use("playground task verify mnist --node nodes/node1"))
def verify(task: TaskName, node: NodeFolder, approve: Approve = None, as_json: AsJson = False) -> None:
    """Let a task's DatasetVerify look at this node's data, after you have approved its code."""
    with output(as_json) as result:
        agent = Agent(node)
        identity = task_id(agent, task)
        approved = _approved(agent, identity, "verify", approve)
        with console.status("verifying the data"):
            result |= agent.verify(identity, approved)
        if not result["ok"]:
            raise TutorialError(f"the data were refused: {result['reason']}")
        say(f"The data will do: {result['reason']}")
        say(f"Next: playground task join {identity[:LEAST]} --node {quote(str(node))}")


@app.command(epilog=example_of_use("playground task join mnist --node nodes/node1"))
def join(task: TaskName, node: NodeFolder, approve: Approve = None, as_json: AsJson = False) -> None:
    """Join a task, after you have approved its training code: it runs here once the initiator starts it."""
    with output(as_json) as result:
        agent = Agent(node)
        identity = task_id(agent, task)
        result |= agent.join(identity, _approved(agent, identity, "train", approve))
        say(f"Joined as {result['me']['pseudonym']}; the task is {result['state']}")


def _approved(agent: Agent, task: str, kind: str, approve: str | None) -> str:
    """Return the hash of a task's code if the operator approves it: on the command line, before, or when asked now.

    Raises:
        WrongUse: Nobody can be asked, or another code was meant.
        TutorialError: The operator says no.
    """
    shown = agent.code(task, kind)
    sha256 = str(shown["sha256"])
    if approve is None and agent.show(task)["here"]["approved"][kind] == sha256:
        return sha256
    if approve is None and sys.stdin.isatty():
        _show_code(shown)
        if typer.confirm("May this code run on your node?", err=True):
            return sha256
        raise TutorialError("the code was not approved, and does not run")
    look = f"look at it with `playground task code {task[:LEAST]} --kind {kind}`, then approve it: --approve {sha256}"
    if approve is None:
        raise WrongUse(f"nobody has approved the task's code on this node: {look}")
    if len(approve) < LEAST or not sha256.startswith(approve.lower()):
        raise WrongUse(f"the task's code is not {approve}: {look}")
    return sha256


@app.command(epilog=example_of_use("playground task start mnist --wait --node nodes/aggregator"))
def start(
    task: TaskName,
    node: NodeFolder,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; Ctrl-C leaves it running")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a task of yours, or go on with one that was stopped or has failed."""
    with output(as_json) as result:
        agent = Agent(node)
        identity = task_id(agent, task)
        result |= agent.start(identity)
        say(f"{result['name']} runs")
        if wait:
            with console.status("running") as status:
                result |= agent.wait(identity, look=lambda found: status.update(_progress(found)))
            if result["state"] != "finished":
                raise TutorialError(f"the task is {result['state']}: {result['why']}")
            say(f"Finished. Next: playground task model {identity[:LEAST]} --node {quote(str(node))}")


def _progress(task: dict[str, Any]) -> str:
    return f"round {task['round']} of {task['rounds'] or '?'}"


@app.command(epilog=example_of_use("playground task stop mnist --node nodes/aggregator"))
def stop(task: TaskName, node: NodeFolder, as_json: AsJson = False) -> None:
    """Stop a task of yours; `start` goes on with it."""
    with output(as_json) as result:
        agent = Agent(node)
        result |= agent.stop(task_id(agent, task))
        say(f"{result['name']} is {result['state']}")


@app.command(epilog=example_of_use("playground task log mnist --lines 20 --node nodes/node1"))
def log(
    task: TaskName,
    node: NodeFolder,
    lines: Annotated[int, typer.Option(metavar="N", help="The last N lines", show_default="all", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Show what a task has logged on this node."""
    with output(as_json) as result:
        agent = Agent(node)
        result["log"] = agent.log(task_id(agent, task), lines)
        print(printable(result["log"]), end="")


@app.command(epilog=example_of_use("playground task metrics mnist --csv metrics.csv --node nodes/aggregator"))
def metrics(
    task: TaskName,
    node: NodeFolder,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write round, node, name, value to this file")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the metrics that a task has logged on this node."""
    from .options import refuse_existing

    with output(as_json) as result:
        refuse_existing(csv)
        agent = Agent(node)
        rows = result["metrics"] = agent.metrics(task_id(agent, task))
        if csv:
            csv.write_text(as_csv(rows), encoding="utf-8", newline="")
        last = {row["name"]: row for row in rows}
        shown = [(in_line(name), number(row["value"]), str(row["round"])) for name, row in last.items()]
        show_table("Metrics of this node", ("metric", "last value", "round"), shown)


@app.command(epilog=example_of_use("playground task model mnist --out model.pt --node nodes/node1"))
def model(
    task: TaskName,
    node: NodeFolder,
    out: Out = None,
    form: Annotated[
        Literal["state_dict", "torchscript", "onnx"],
        typer.Option(
            metavar="state_dict|torchscript|onnx",
            help="As torch.save writes it, or with its network, which the task's code builds in the sandbox",
        ),
    ] = "state_dict",
    as_json: AsJson = False,
) -> None:
    """Take the model of a finished task home."""
    from ..playground.agent.exporting import FORMS

    _take(FORMS.get(form, "model.pt"), task, node, out, as_json, form if form in FORMS else None)


@app.command(epilog=example_of_use("playground task report mnist --out report.zip --node nodes/node1"))
def report(task: TaskName, node: NodeFolder, out: Out = None, as_json: AsJson = False) -> None:
    """Take the report of a finished task home: TensorBoard's logs of the aggregator."""
    _take("report.zip", task, node, out, as_json)


def _take(name: str, task: str, node: Path, out: Path | None, as_json: bool, form: str | None = None) -> None:
    from ..runs.writing import write_whole
    from .options import refuse_existing

    with output(as_json) as result:
        file = out or Path(name)
        refuse_existing(file)
        agent = Agent(node)
        identity = task_id(agent, task)
        if form:
            with console.status(f"exporting the model as {form}"):
                agent.export(identity, form)
        content = agent.results(identity, name)
        write_whole(file, content)
        result |= {"file": str(file), "bytes": len(content)}
        say(f"Written to {file} ({len(content)} bytes)")


@app.command(epilog=example_of_use("playground task delete mnist --node nodes/aggregator"))
def delete(task: TaskName, node: NodeFolder, as_json: AsJson = False) -> None:
    """Delete a task of yours on all nodes and at the hub, but its log, which stays for audits."""
    with output(as_json) as result:
        agent = Agent(node)
        result["deleted"] = task_id(agent, task)
        agent.delete(result["deleted"])
        say(f"Deleted: {result['deleted']}")


def task_id(agent: Agent, text: str) -> str:
    """Return the id of the task that a text names.

    Raises:
        WrongUse: None is named so, or several are.
    """
    tasks = agent.tasks()
    found = [each for each in tasks if each["id"] == text] or [
        each for each in tasks if each["name"] == text or (len(text) >= LEAST and each["id"].startswith(text))
    ]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        names = ", ".join(f"{each['id'][:LEAST]} ({each['name']})" for each in tasks) or "it has none"
        raise WrongUse(f"this node has no task {text}: {names}")
    listed = ", ".join(f"{each['id'][:LEAST]} (since {_clock(each['since'])})" for each in found)
    raise WrongUse(f"several tasks are called {text}: name one by its id, {listed}")


def _clock(time: str | None) -> str:
    """Return a time as it is shown."""
    return f"{time[:10]} {time[11:19]}" if time else ""
