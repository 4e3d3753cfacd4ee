"""Commands that run parts of the playground: serve, hub, node; and audit."""

import json
import signal
import threading
import webbrowser
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer

from ..errors import TutorialError, WrongUse
from .options import AsJson, Data, example_of_use, output
from .progress import console, say
from .task import LEAST, NodeFolder, TaskName, task_id

app = typer.Typer()
hub_app = typer.Typer(
    invoke_without_command=True,
    help="Run a hub, which the agents of all nodes reach; or invite and revoke nodes.",
    epilog=example_of_use("playground hub --dir hub --host 192.0.2.1 --port 8443 --certificate hub.pem --key hub.key"),
)
HubFolder = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder of the hub")]
NodeName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the node")]
HUB = Path("hub")
FIRST = "mnist"  # whose data are served where nothing is said
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser")]


@app.command(epilog=example_of_use("playground serve mnist --dir playground"))
def serve(
    example: Annotated[
        str | None,
        typer.Argument(
            metavar="EXAMPLE", help="Whose embedded data the nodes get", show_default="the folder's, or mnist"
        ),
    ] = None,
    directory: Annotated[
        Path,
        typer.Option("--dir", metavar="DIR", help="Where everything is kept; a folder used before is gone on with"),
    ] = Path("playground"),
    data: Data = None,
    in_browser: Annotated[bool, typer.Option("--open", help="Open the aggregator's page in the browser")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a hub and demo nodes on this machine, until Ctrl-C: a whole playground, with nothing to set up."""
    from ..data.folders import AGGREGATOR, example_of
    from ..playground.processes import federation

    folders = _data_folders(directory, example, data)
    example = example or example_of(folders[AGGREGATOR]) or FIRST
    with federation(directory.resolve(), folders) as agents:
        nodes = {name: str(directory / name) for name in agents}
        url = next(iter(agents.values())).status()["hub"]
        links = {name: agent.link() for name, agent in agents.items()}
        say(f"A hub at {url}, and {len(nodes)} nodes. Each has its page; a link opens it once:")
        for name, link in links.items():
            say(f"{name:>12}  {link}")
        initiator = quote(nodes["aggregator"])
        say(f"A new link: playground page --node {initiator}. To go on in a terminal instead:")
        owners = ",".join(name for name in nodes if name != "aggregator")
        say(f"playground task create {example} --nodes {owners} --node {initiator}")
        announce(as_json, hub=url, nodes=nodes, pages=links)
        if in_browser:
            webbrowser.open(links["aggregator"])
        wait_for_the_end()


def _data_folders(directory: Path, example: str | None, data: Path | None) -> dict[str, Path]:
    """Return the data folder of each node that is served: those given, those of before, or new ones with embedded data.

    Raises:
        WrongUse: The data were prepared for another example.
    """
    from ..catalogue import find
    from ..data.folders import AGGREGATOR, example_of, find_nodes
    from ..data.prepare import prepare
    from ..playground.agent.place import CONFIGURATION, Place

    before = directory / AGGREGATOR
    if data is None and (before / CONFIGURATION).exists() and Place(before).data.is_dir():
        data = Place(before).data.parent
    if data is None:
        data = directory / "data"
        if not data.exists():
            with console.status(f"preparing the embedded data of {example or FIRST}"):
                prepare(example or FIRST, data, num_nodes=2)
    folders = find_nodes(data)
    found = example_of(folders[AGGREGATOR])
    if example and found and find(example).name != found:
        place = quote(str(directory))
        raise WrongUse(
            f"the nodes of {directory} have the data of {found}: for {example} name another folder, as in --dir "
            f"{quote(find(example).name)}, or go on with {found}: playground serve {found} --dir {place}"
        )
    return folders


@app.command(epilog=example_of_use("playground page --open --node nodes/aggregator"))
def page(node: NodeFolder, in_browser: Open = False, as_json: AsJson = False) -> None:
    """Make a link to a node's page, which works once, in a browser on this machine."""
    from ..playground.agent.client import Agent

    with output(as_json) as result:
        result["page"] = Agent(node).link()
        say(result["page"])
        if in_browser:
            webbrowser.open(result["page"])


@hub_app.callback()
def hub(
    context: typer.Context,
    directory: HubFolder = HUB,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="This machine's, as the nodes reach it")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="Where it listens", min=0, max=65535)] = 8480,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="For TLS: its certificate")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="For TLS: the certificate's key")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a hub, which the agents of all nodes reach; or invite and revoke nodes."""
    if context.invoked_subcommand:
        return
    from ..playground.hub.serve import serve as serve_hub

    if bool(certificate) != bool(key):
        raise WrongUse("TLS needs both, --certificate and --key")
    url = f"{'https' if certificate else 'http'}://{host}:{port}"
    say(f"A hub at {url}, kept in {directory}. Invite a node: playground hub invite NAME --dir {quote(str(directory))}")
    if certificate is None and host not in ("127.0.0.1", "localhost", "::1"):
        say("Without --certificate, who listens on the network learns which node talks when.", style="yellow")
    announce(as_json, hub=url)
    serve_hub(directory, host, port, certificate, key)


@hub_app.command(epilog=example_of_use("playground hub invite hospital-1 --dir hub"))
def invite(name: NodeName, directory: HubFolder = HUB, as_json: AsJson = False) -> None:
    """Make an invitation, with which one node can be admitted once."""
    from ..playground.hub.nodes import invite as invite_node

    with output(as_json) as result:
        result |= {"name": name, "invitation": invite_node(_hub(directory), name)}
        url = _last_url(directory)
        ca = " --ca FILE" if url.startswith("https:") else ""
        say("Give this to the node's operator, and to nobody else. With it the node is admitted, once:")
        if ca:
            say("FILE is a copy of the hub's certificate; without --ca where the system knows who issued it.")
        print(
            f"playground node --dir {quote(name)} --name {quote(name)} --hub {url} --invitation {result['invitation']} "
            f"--data DIR{ca}"
        )


@hub_app.command(epilog=example_of_use("playground hub revoke hospital-1 --dir hub"))
def revoke(name: NodeName, directory: HubFolder = HUB, as_json: AsJson = False) -> None:
    """Shut a node out, at once and for good."""
    from ..playground.hub.nodes import revoke as revoke_node

    with output(as_json) as result:
        revoke_node(_hub(directory), name)
        result["revoked"] = name
        say(f"{name} is shut out")


def _last_url(directory: Path) -> str:
    """Return where the hub of a folder listens, or did so last."""
    try:
        return str(json.loads((directory / "hub.json").read_text("utf-8"))["url"])
    except (OSError, ValueError, KeyError):
        return "URL"


def _hub(directory: Path) -> Path:
    if not (directory / "hub.sqlite").exists():
        raise WrongUse(
            f"{directory} is no hub's folder: start it once, with playground hub --dir {quote(str(directory))}"
        )
    return directory


@app.command(epilog=example_of_use("playground node --dir hospital-1 --hub URL --invitation TOKEN --data DIR"))
def node(
    directory: Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder of the node")],
    hub: Annotated[str | None, typer.Option(metavar="URL", help="The hub's address; at the first start")] = None,
    invitation: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="The hub's invitation; at the first start")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The node's data; at the first start")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whom the invitation is for", show_default="the folder's name")
    ] = None,
    organisation: Annotated[str, typer.Option(metavar="TEXT", help="Whose node it is", show_default="NAME")] = "",
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The authority of the hub's certificate, if the system knows it not"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the agent of a node, until Ctrl-C. At the first start, the hub admits the node by its invitation."""
    from ..playground.agent.place import CONFIGURATION, Place
    from ..playground.agent.serve import serve as serve_agent

    if not (directory / CONFIGURATION).exists():
        if hub is None or invitation is None or data is None:
            raise WrongUse(f"{directory} is no node's folder yet: give --hub, --invitation and --data")
        if not data.is_dir():
            raise WrongUse(f"{data}: there is no such data folder")
        Place.write(
            directory, name=name or directory.resolve().name, hub=hub, invitation=invitation, data=str(data.resolve()),
            organisation=organisation, certificates=str(ca.resolve()) if ca else "",
        )  # fmt: skip
    elif any((hub, invitation, data, name, ca)):
        say(f"{directory} is a node's folder already: what it says in {CONFIGURATION} counts", style="yellow")

    def ready(link: str) -> None:
        say(f"The agent of {directory} runs. Its log: {directory / 'agent.log'}. Its page, which this link opens once:")
        say(link)
        place = quote(str(directory))
        say(f"A new link: playground page --node {place}. In a terminal: playground task list --node {place}")
        announce(as_json, node=str(directory), page=link)

    serve_agent(directory, ready=ready)


@app.command(epilog=example_of_use("playground audit mnist --node nodes/node1"))
def audit(task: TaskName, node: NodeFolder, as_json: AsJson = False) -> None:
    """Compare the hub's log of a task with all that this node has seen of it, and show it in words."""
    from ..playground.agent.client import Agent

    with output(as_json) as result:
        agent = Agent(node)
        result |= agent.audit(
            task if len(task) == 4 * LEAST else task_id(agent, task)
        )  # deleted ones by their whole id
        for line in result["timeline"]:
            print(line)
        if result["faults"]:
            raise TutorialError("the hub's log is not sound: " + "; ".join(result["faults"]))
        say(f"{result['size']} records, sound: they agree with {result['heads']} heads that this node has kept")


def announce(as_json: bool, **facts: Any) -> None:
    """Print what a script wants to know of something that goes on until it is ended."""
    if as_json:
        print(json.dumps(facts), flush=True)


def wait_for_the_end() -> None:
    """Wait for Ctrl-C, or to be told to end."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        ended.wait()
    except KeyboardInterrupt:
        say("ending")
