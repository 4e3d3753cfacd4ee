"""Commands about tasks of one's own: new, pack."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WrongUse
from .options import AsJson, NumRounds, SettingTexts, TargetName, example_of_use, output, setting_values
from .progress import console, say, show_table, status

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
    page: Annotated[
        bool, typer.Option("--page", help="Add an example with its pages to the project's repository")
    ] = False,
    title_zh: Annotated[str, typer.Option(metavar="TITLE", help="With --page: the Chinese title")] = "",
    title_en: Annotated[str, typer.Option(metavar="TITLE", help="With --page: the English title")] = "",
    as_json: AsJson = False,
) -> None:
    """Start a task of your own: a folder that runs at once, on toy data that are made too.

    With --page it becomes an example of this project, with pages in both languages.
    """
    from ..share.new import new as write_new
    from ..share.new import write_skills

    if not bool(title_zh) == bool(title_en) == page:
        raise WrongUse("--page, --title-zh and --title-en go together: the pages need a title in both languages")
    with output(as_json) as result:
        if page:
            result |= add_page(name, {"zh": title_zh, "en": title_en}, like or "mnist")
            return
        folder = write_new(name, like)
        result |= {"folder": str(folder), "files": sorted(file.name for file in folder.iterdir())}
        say(f"Written to {folder}, see its README.md. Next: playground run {folder}")
        if with_skills:
            result["skills"] = [str(skill) for skill in write_skills()]
            say("For your coding assistant to read:")
            for skill in result["skills"]:
                say(f"  {skill}/SKILL.md")


def add_page(name: str, titles: dict[str, str], like: str) -> dict[str, Any]:
    """Add an example with its pages, and say what comes next."""
    from ..contribute.repository import find_repository
    from ..contribute.skeleton import add_example

    root = find_repository()
    with status(f"copying {like}"):
        files = [str(file) for file in add_example(root, name, titles, like)]
    show_table(f"Written or changed in {root}", ("file",), [(file,) for file in files])
    say(f"Next: playground check {name} --page says what is left to do. The steps are in docs/en/contribute.md")
    return {"root": str(root), "files": files}


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
