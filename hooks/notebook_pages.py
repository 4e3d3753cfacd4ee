"""Show a notebook as a page of the site: its cells as Markdown, with the anchors of its guide's headings."""

import json
from collections.abc import Iterator
from pathlib import Path

from mkdocs.utils.meta import get_data
from nbformat import NotebookNode

from outputs import fence, pictures_below
from pages import HEADING, Page

WORDS = {
    "zh": {"page": "网页版", "download": "下载 Notebook", "description": "Notebook：{}"},
    "en": {"page": "The page", "download": "Download the notebook", "description": "Notebook: {}"},
}


def write(notebook: NotebookNode, guide: Page) -> str:
    """Return the Markdown of a notebook's page.

    Args:
        notebook: As it is downloaded, from beside the page.
        guide: What it was made from.
    """
    words, name = WORDS[guide.language], guide.path.stem
    title, _, start = notebook.cells[0].source.partition("\n\n")
    buttons = [f"[{words['page']}](../guides/{name}.md)", f"[{words['download']}]({name}.ipynb)"]
    head = [f"{title} {{ #notebook }}", " ".join(f"{button}{{ .md-button }}" for button in buttons), start]
    parts = [part for cell in notebook.cells[1:] for part in _parts(cell, _anchors(guide), guide)]
    return _front_matter(guide) + "\n\n".join([*head, *parts]) + "\n"


def _front_matter(guide: Page) -> str:
    description = get_data(guide.path.read_text("utf-8"))[1].get("description")
    said = WORDS[guide.language]["description"].format(description)
    return f"---\ndescription: {json.dumps(said, ensure_ascii=False)}\n---\n\n" if description else ""


def _anchors(guide: Page) -> dict[str, str]:
    """Return the anchor of each of a guide's headings."""
    found = filter(None, (HEADING.fullmatch(line.text) for line in guide.prose()))
    return {f"{heading['level']} {heading['title']}": heading["anchor"] for heading in found if heading["anchor"]}


def _parts(cell: NotebookNode, anchors: dict[str, str], guide: Page) -> Iterator[str]:
    """Yield a cell's text, or its code, what this printed, and the pictures that it drew, which lie beside the guide's."""
    if cell.cell_type == "markdown":
        lines = cell.source.replace("<details>", "<details markdown>").split("\n")
        yield "\n".join(f"{line} {{ #{anchors[line]} }}" if line in anchors else line for line in lines)
        return
    yield f"```python\n{cell.source}\n```"
    for output in cell.outputs:
        if "text" in output:
            yield "\n".join(fence(output.text.rstrip("\n").split("\n"), ""))
        else:
            picture = output.metadata["image/png"]
            folder = Path("../assets/results/outputs", pictures_below(guide)).as_posix()
            yield f"![{picture['alt']}]({folder}/{picture['file']}){{ .output }}"
