"""Say at the foot of a page when it last changed, and where to improve it or to say what is wrong.

The date is that of the last commit that changed the page's text; where git or its history is missing there is none. The
links come from the repository's address, `extra.repository` of mkdocs.base.yml, where it is one for a browser.
"""

import re
import subprocess
from pathlib import Path

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


def source_of(uri: str, language: str) -> str:
    """Return the file a page is written in, relative to the project's folder; a notebook is made from its guide."""
    return f"docs/{language}/{re.sub(f'^{NOTEBOOKS}', 'guides/', uri)}"


changes: dict[str, str] = {}  # a page's file → the day of its last commit


def on_pre_build(config):
    changes.clear()
    changes.update(last_changes(Path(config.config_file_path).parent, f"docs/{config.theme['language']}"))


def on_page_markdown(markdown, page, config, files):
    page.meta["changed"] = changes.get(source_of(page.file.src_uri, config.theme["language"]))


def on_page_context(context, page, config, nav):
    context["foot"] = links(config.extra["repository"], source_of(page.file.src_uri, config.theme["language"]))
