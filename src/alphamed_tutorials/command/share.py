"""Commands about tasks of one's own: new, pack."""

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, NumRounds, SettingTexts, TargetName, example_of_use, output, setting_values
from .progress import console, say, show_table

app = typer.Typer()


@app.command(epilog=example_of_use("playground new my_task --like mnist"))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the task and its folder are called")],
    like: Annotated[
        str | None, typer.Option(metavar="EXAMPLE", help="Copy this example", show_default="a small task")
    ] = None,
    with_skills: Annotated[
        bool, typer.Option("--with-skills", help="Put skills for coding assistants into `skills`, beside the task")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a task of your own: a folder that runs at once, on toy data that are made too."""
    from ..share.new import new as write_new
    from ..share.new import write_skills

    with output(as_json) as result:
        folder = write_new(name, like)
        result |= {"folder": str(folder), "files": sorted(file.name for file in folder.iterdir())}
        say(f"Written to {folder}, see its README.md. Next: playground run {folder}")
        if with_skills:
            result["skills"] = [str(skill) for skill in write_skills()]
            say("For your coding assistant to read:")
            for skill in result["skills"]:
                say(f"  {skill}/SKILL.md")


@app.command(epilog=example_of_use("playground pack my_task --out upload --set learning_rate=0.01"))
def pack(
    target: TargetName,
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for what goes to AlphaMed")],
    num_rounds: NumRounds = None,
    settings: SettingTexts = [],
    as_json: AsJson = False,
) -> None:
    """Make what goes to AlphaMed, and try there and back whether it can be submitted and unpacked."""
    from ..catalogue import find

    with output(as_json) as result:
        found = find(target)
        values = setting_values(found, settings)
        with console.status("packing, and submitting it to a stand-in"):
            from ..share.pack import pack as pack_task

            result |= pack_task(found, out, num_rounds, values)
        rows = [(each["name"], str(each["bytes"]), each["purpose"]) for each in result["files"]]
        show_table(f"Written to {out}", ("file", "bytes", "what it is for"), rows)
        inside = [(each["name"], str(each["bytes"])) for each in result["src.zip"]]
        show_table("In src.zip", ("file", "bytes"), inside)
        for warning in result["warnings"]:
            say(f"Warning: {warning}", style="yellow")
        say(f"Next: open {out / 'README.md'}, it says what to do on AlphaMed")
