"""Show under every code block what it printed and drew when the page was recorded: `make outputs`.

A page's recording is `docs/results/outputs/<page>.json`, one for both languages; its pictures lie in a folder beside it,
once for each language.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from mkdocs.utils import get_relative_url

from pages import DRAWS, FENCE, NOTEBOOKS, Block, Page, find_fences, read_page

FOLDER = Path("docs", "results", "outputs")
FOLDED = 16  # an output of more lines is folded: so many are shown, …
SHOWN = 8
TABLE = 24  # … or fewer before what is folded and, behind it, the table that ends the output, if it has no more lines
BEFORE_TABLE = 3
PICTURE = re.compile(r"""(?:plot|savefig|write_png)\(.*"(?P<python>[^"]+\.png)"|--plot[ =](?P<sh>\S+\.png)""")
WORDS = {
    "zh": {"output": "输出", "rest": "其余 {} 行"},
    "en": {"output": "Output", "rest": "{} more lines"},
}


@dataclass(frozen=True)
class Output:
    """What a code block printed and drew.

    Attributes:
        pictures: The beginning of the block's key, a dash, and their names in its code.
        seen: What is seen in them.
    """

    printed: str = ""
    pictures: tuple[str, ...] = ()
    seen: str = ""


def key(block: Block) -> str:
    """Return what a block's output is kept under: a change of its code changes it."""
    return hashlib.sha256(f"{block.language}\n{block.text.strip()}".encode()).hexdigest()[:12]


def pictures_of(block: Block) -> list[str]:
    """Return the files of the pictures that a block draws, as its code names them."""
    return [match["python"] or match["sh"] for match in PICTURE.finditer(block.text)]


def name_of(page: Page) -> str:
    """Return a page's name without language and suffix, as `guides/mnist`."""
    return page.path.relative_to(page.root / "docs" / page.language).with_suffix("").as_posix()


def recording_of(page: Page) -> Path:
    """Return where a page's recording lies."""
    return page.root / FOLDER / f"{name_of(page)}.json"


def pictures_below(page: Page) -> Path:
    """Return the folder of the pictures that a page's code drew, in the page's language; below `FOLDER`."""
    return Path(name_of(page), page.language)


def read(page: Page) -> dict:
    """Return a page's recording: `recorded`, the facts of the run, and `blocks`, by their keys; empty if there is none."""
    path = recording_of(page)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"recorded": {}, "blocks": {}}


def outputs(page: Page) -> list[Output]:
    """Return the recorded output of each of a page's code blocks, in order; empty where a block has none."""
    recorded = read(page)["blocks"]
    found = []
    for block in page.blocks:
        kept = recorded.get(key(block), {}) if block.runs else {}
        found.append(Output(kept.get("printed", ""), tuple(kept.get("pictures", ())), block.draws))
    return found


def insert(markdown: str, found: list[Output], language: str, pictures: str) -> str:
    """Return a page's Markdown with its code blocks' outputs below them, and without what the comments say of these.

    Args:
        markdown: The page's text, includes not yet expanded.
        found: An output for each fenced block of the text.
        language: `zh` or `en`.
        pictures: Where the pages' recorded pictures are, seen from the page.
    """
    lines = markdown.split("\n")
    closed = [place for place in find_fences(lines) if place[1] < len(lines)]
    for (first, last), output in reversed(list(zip(closed, found, strict=True))):
        indent = FENCE.fullmatch(lines[first])["indent"]
        shown = [f"{indent}{line}".rstrip() for line in render(output, language, pictures)]
        place = _after_annotations(lines, last, len(indent))
        lines[place:place] = shown
        if first and DRAWS.fullmatch(lines[first - 1]):
            del lines[first - 1]  # in a tab it would begin a paragraph, with the block in it
    return "\n".join(lines)


def _after_annotations(lines: list[str], last: int, indent: int) -> int:
    """Return the place behind a block's last line and the list that explains its annotations, which must stay next to it."""
    place = end = last + 1
    while place < len(lines):
        text = lines[place].lstrip()
        deep = len(lines[place]) - len(text)
        if text and not (deep > indent or (deep == indent and re.match(r"\d+\.\s", text))):
            break
        place += 1
        end = place if text else end
    return end if re.match(r"\s*\d+\.\s", "".join(lines[last + 1 : end])) else last + 1


def render(output: Output, language: str, pictures: str) -> list[str]:
    """Return the Markdown of an output: the text, folded where it is long, then the pictures."""
    words, lines = WORDS[language], output.printed.rstrip("\n").split("\n") if output.printed.strip() else []
    shown, rest, table = _parts(lines)
    markdown = fence(shown, f'title="{words["output"]}"') if shown else []
    if rest:
        markdown += ["", f'??? output "{words["rest"].format(len(rest))}"', ""]
        markdown += [f"    {line}" for line in fence(rest, "")]
    if table:
        markdown += ["", *fence(table, "")]
    for picture in output.pictures:
        markdown += ["", f"![{output.seen}]({pictures}/{picture}){{ .output data-search-exclude }}"]
    return ["", *markdown, ""] if markdown else []


def _parts(lines: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the lines of an output that are shown, those that are folded, and the table that ends it."""
    if len(lines) <= FOLDED:
        return lines, [], []
    starts = [index for index, line in enumerate(lines) if line.startswith("┏")]
    start = max(starts[-1] - 1, 0) if starts else len(lines)  # with its title
    if len(lines) - start > TABLE or not starts:
        return lines[:SHOWN], lines[SHOWN:], []
    if start <= SHOWN:
        return lines, [], []
    return lines[:BEFORE_TABLE], lines[BEFORE_TABLE:start], lines[start:]


def fence(lines: list[str], options: str) -> list[str]:
    """Return an output's lines in a block of the page that may hold any."""
    marks = "`" * max([3, *(len(run) + 1 for line in lines for run in re.findall("`{3,}", line))])
    return [f"{marks}{{ .text .output {options} }}", *lines, marks]


def on_pre_build(config):
    read_page.cache_clear()  # a server builds again because a page has changed


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri.startswith(NOTEBOOKS):
        return markdown  # its outputs are its cells'
    source = read_page(Path(page.file.abs_src_path), Path(config.docs_dir).parents[1])
    folder = f"assets/results/outputs/{pictures_below(source).as_posix()}"
    return insert(markdown, outputs(source), source.language, get_relative_url(folder, page.file.src_uri))
