"""Say at the foot of a page when it last changed and with what its code last ran, and where to say what is wrong.

The first date is that of the last commit that changed the page's text; where git or its history is missing there is none.
The second one and the versions stand in the recording of the page's outputs. The links come from the repository's address,
`extra.repository` of mkdocs.base.yml, where it is one for a browser.
"""

import json
import re
import subprocess
from pathlib import Path, PurePosixPath

from outputs import FOLDER
from pages import NOTEBOOKS

BRANCH = "main"


def last_changes(root: Path, folder: str) -> dict[str, str]:
    """Return the day of the last commit of each file.

    Args:
        root: The project's folder.
        folder: Which files: those below it. Their names are relative to the project's folder.
    """
    git = ["git", "-C", str(root), "-c", "core.quotePath=false"]
    log = ["log", "--relative", "--no-renames", "--format=%x00%cs", "--name-only", "--", folder]
    try:
        shallow = subprocess.run([*git, "rev-parse", "--is-shallow-repository"], capture_output=True, text=True)
        if shallow.stdout.strip() != "false":
            return {}  # its oldest commit seems to have changed everything
        commits = subprocess.run([*git, *log], capture_output=True, text=True, encoding="utf-8").stdout.split("\0")[1:]
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for day, *files in map(str.splitlines, commits):  # the newest first
        found = dict.fromkeys(filter(None, files), day) | found
    return found


def links(repository: str | None, source: str) -> dict[str, str]:
    """Return where a page can be edited, where mistakes are told, and where the licence is.

    Args:
        repository: Its address; one that is not for a browser, or none, gives no links.
        source: The page's file, relative to the project's folder.
    """
    if not re.match("https?://", repository or ""):
        return {}
    web = repository.rstrip("/").removesuffix(".git")
    places = {"edit": f"edit/{BRANCH}/{source}", "feedback": "issues", "licence": f"blob/{BRANCH}/LICENSE"}
    return {name: f"{web}/{place}" for name, place in places.items()}


def last_run(root: Path, source: str) -> dict:
    """Return the facts of the run that recorded a page's outputs, `date` and `versions` among them.

    Args:
        root: The project's folder.
        source: The page's file, relative to the project's folder; a page without code has no facts.
    """
    recording = root / FOLDER / Path(*PurePosixPath(source).parts[2:]).with_suffix(".json")
    return json.loads(recording.read_text("utf-8"))["recorded"] if recording.exists() else {}


def source_of(uri: str, language: str) -> str:
    """Return the file a page is written in, relative to the project's folder; a notebook is made from its guide."""
    return f"docs/{language}/{re.sub(f'^{NOTEBOOKS}', 'guides/', uri)}"


changes: dict[str, str] = {}  # a page's file → the day of its last commit


def on_pre_build(config):
    changes.clear()
    changes.update(last_changes(Path(config.config_file_path).parent, f"docs/{config.theme['language']}"))


def on_page_markdown(markdown, page, config, files):
    source = source_of(page.file.src_uri, config.theme["language"])
    page.meta["changed"] = changes.get(source)
    page.meta["ran"] = last_run(Path(config.config_file_path).parent, source)


def on_page_context(context, page, config, nav):
    context["foot"] = links(config.extra["repository"], source_of(page.file.src_uri, config.theme["language"]))
