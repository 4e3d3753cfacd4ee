"""Say at the top of a page that the other language's is newer.

`docs/translations.json` keeps the hash of each page's text in both languages, as they were when they last said the same.
Where a page still has that text and its twin no longer has, the twin is newer. Git is not asked: it knows when a file
changed, but not whether somebody compared the two, and a copy of the project may come without it.
`make translated` writes the file.
"""

import hashlib
import json
from pathlib import Path

from footer import source_of
from pages import LANGUAGES

FILE = Path("docs", "translations.json")


def hashes(root: Path, name: str) -> dict[str, str]:
    """Return the hash of a page's text in each language.

    Args:
        root: The project's folder.
        name: The page, as `guides/mnist`.
    """
    texts = {language: root.joinpath("docs", language, f"{name}.md").read_text("utf-8") for language in LANGUAGES}
    return {language: hashlib.sha256(text.encode()).hexdigest()[:12] for language, text in texts.items()}


def compared(root: Path) -> dict[str, dict[str, str]]:
    """Return the hashes of every page that was compared, as they were then."""
    return json.loads((root / FILE).read_text("utf-8")) if (root / FILE).exists() else {}


def newer(root: Path, name: str) -> set[str]:
    """Return the languages in which a page has changed since both were compared.

    A page that never was compared, and one of a project with one language, has none.
    """
    before = compared(root).get(name)
    if not before or not all(root.joinpath("docs", language).is_dir() for language in LANGUAGES):
        return set()
    return {language for language, text in hashes(root, name).items() if text != before[language]}


def on_page_context(context, page, config, nav):
    root, language = Path(config.config_file_path).parent, config.theme["language"]
    name = Path(source_of(page.file.src_uri, language)).relative_to("docs", language).with_suffix("").as_posix()
    context["other_is_newer"] = newer(root, name) == {language} ^ set(LANGUAGES)
