"""Make every guide's notebook from the guide and its recording: its code, the words around it, what the code printed."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from mkdocs.structure.files import File
from nbformat import NotebookNode

import notebook_pages
from comments import in_chinese
from outputs import FOLDER, Output, outputs, pictures_below, pictures_of, read
from pages import HEADING, NOTEBOOKS, Block, Page, read_page

LINK = re.compile(r"!?\[(?P<text>[^][]*)\]\((?P<target>[^()]*)\)(\{[^}]*\})?")
NOTE = re.compile(r'(?:!!!|\?\?\?\+?) (?P<kind>\w+) "(?P<title>.*?)(?: ?[（(](?:展开看|unfold)[）)])?"')
FENCED = re.compile("^(```.*?^```)$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*-->")
NOT_PROSE = re.compile(r"===|<|\{\{|!\[|\[.*\]\(.*\)\{ \.md-button|\*\[")
ATTRIBUTES = re.compile(r" \{ [^}|]*\}(?= *\|)")  # of a table's columns
WORDS = {
    "zh": {
        "start": "这个 Notebook 里的代码和说明都来自网站上的同名网页，原理、对照图和实测结果请看那里。\n\n"
                 "运行它需要本项目的环境：在项目文件夹中执行 `make setup`，再执行 "
                 "`.venv/bin/python -m ipykernel install --user --name alphamed-tutorials`，"
                 "然后在 Jupyter 里选择内核 `alphamed-tutorials`，在一个空文件夹中从上到下运行。\n\n"
                 "所用的是内嵌数据：**其中的指标没有意义**，只说明程序跑得通。",
        "end": "以上输出录制于 {date}，共用 {seconds:.0f} 秒；机器：{cpu}，{cores} 核，{system}。软件版本：{versions}。",
        "answer": "答案",
        "elsewhere": "（见网页。）",
        "and": "、",
        "colon": "：",
    },
    "en": {
        "start": "Code and words of this notebook are those of the page of the same name on the site; "
                 "principles, pictures side by side and measured results are there.\n\n"
                 "It needs this project's environment: in the project's folder, `make setup`, then "
                 "`.venv/bin/python -m ipykernel install --user --name alphamed-tutorials`; "
                 "in Jupyter choose the kernel `alphamed-tutorials`, and run from top to bottom in an empty folder.\n\n"
                 "The data are embedded ones: **their metrics mean nothing** and only show that the program runs.",
        "end": "These outputs were recorded on {date} in {seconds:.0f} seconds on {cpu}, {cores} cores, {system}. Versions: {versions}.",
        "answer": "The answer",
        "elsewhere": "(It is on the page.)",
        "and": ", ",
        "colon": ": ",
    },
}  # fmt: skip


def cells(page: Page) -> list[NotebookNode]:
    """Return the page's sections with Python, questions or warnings, as cells: headings, prose, code, pictures drawn."""
    found, section, text, titles = [], [], "", {}
    recorded = {block.first: output for block, output in zip(page.blocks, outputs(page), strict=True)}
    for piece in [*_pieces(page), "# end"]:
        if isinstance(piece, Block):
            output, pictures = recorded[piece.first], page.root / FOLDER / pictures_below(page)
            code = in_chinese(piece.text) if page.language == "zh" else piece.text
            section += [*_markdown(text), *_code(code, pictures_of(piece), output, pictures)]
            text = ""
        elif heading := HEADING.fullmatch(piece):
            if section or re.search("<details>|⚠", text):  # what was gathered holds code, a question or a warning
                found += [*section, *_markdown(text)]
                titles = {}
            level = len(heading["level"])
            titles = {above: title for above, title in titles.items() if above < level}
            titles[level] = f"{heading['level']} {heading['title']}"
            section, text = [], "\n\n".join(titles.values()) + "\n\n"
        else:
            text += f"{piece}\n"
    return found


def _pieces(page: Page) -> Iterator[Block | str]:
    """Yield blocks to run, and in between what any Jupyter shows: no figures, placeholders, other ways in tabs.

    An announcement of what is left out, which ends in a colon, gets the word that it is on the page.
    """
    announced = left_out = False
    for piece in _parts(page):
        if piece is None:
            left_out = announced
        elif isinstance(piece, Block):
            announced = left_out = False
            yield piece
        elif not piece.strip():
            yield piece
        else:
            if left_out:
                yield WORDS[page.language]["elsewhere"] + "\n"
            announced, left_out = piece.rstrip().endswith((":", "：")), False
            yield piece


def _parts(page: Page) -> Iterator[Block | str | None]:
    """Yield blocks to run, text, and None for what is left out; notes are unfolded, answers stay folded."""
    blocks = {block.first: (block, output) for block, output in zip(page.blocks, outputs(page), strict=True)}
    whole = "\n".join(_unindented(block) for block in page.program("python"))
    covered = {index for block in page.blocks for index in range(block.first, block.last + 1)}
    within = ""  # what the indented lines belong to: "question", another kind of note, "left out", or nothing
    for index, line in enumerate(page.lines):
        block, output = blocks.get(index, (None, None))
        if index in covered and block is None:
            continue
        text = line.text.rstrip()
        if block or not COMMENT.fullmatch(text):
            note = None
            if text and not text.startswith(" "):
                if within == "question":
                    yield "\n</details>\n"
                note = None if block else NOTE.fullmatch(text)
                within = note["kind"] if note else "left out" if not block and NOT_PROSE.match(text) else ""
            if block and block.language == "python" and block.runs and within != "question":
                yield block
            elif block and block.language == "python" and not block.runs and _unindented(block) in whole:
                continue  # a part of what a cell holds whole: a class cannot be written in several
            elif block and not (within == "left out" and block.indent):
                yield _fence(block.language, in_chinese(block.text) if page.language == "zh" else block.text)
                if within == "question" and output.printed:
                    yield _fence("text", output.printed.rstrip())
            elif note:
                yield f"\n{'⚠ ' if within == 'warning' else ''}**{note['title']}**\n"
                if within == "question":
                    yield f"\n<details>\n<summary>{WORDS[page.language]['answer']}</summary>\n"
            elif within == "left out":
                yield None
            else:
                yield ATTRIBUTES.sub("", text.removeprefix("    ") if within else text)
    if within == "question":
        yield "\n</details>\n"


def _unindented(block: Block) -> str:
    return "\n".join(line.text.strip() for line in block.lines).strip()


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


def _markdown(text: str) -> list[NotebookNode]:
    """Return a cell of the text, without links into the site."""
    parts = FENCED.split(text)
    plain = "".join(part if index % 2 else _prose(part) for index, part in enumerate(parts)).strip()
    return [_markdown_cell(plain)] if plain else []


def _prose(text: str) -> str:
    plain = LINK.sub(lambda link: link[0] if "://" in link["target"] else link["text"], text)
    plain = re.sub("(?<=[\u3000-\uffef”])\n(?=[\u3000-\uffef“])", "", plain)  # no gap between Chinese characters
    return re.sub(r"\n{3,}", "\n\n", plain)


def _code(code: str, files: list[str], output: Output, pictures: Path) -> list[NotebookNode]:
    """Return a cell with a block's code and what it printed, and one for each picture it drew."""
    code = re.sub(r"# \((\d+)\)!", r"# (\1)", code).strip("\n")
    printed = {"output_type": "stream", "name": "stdout", "text": output.printed}
    found = [_code_cell(code, [printed] if output.printed else [])]
    for file, name in zip(files, output.pictures):
        show = f'from IPython.display import Image\n\nImage(\n    "{file}",\n    alt={json.dumps(output.seen, ensure_ascii=False)},\n)'
        png = base64.b64encode((pictures / name).read_bytes()).decode()
        facts = {"image/png": {"alt": output.seen, "file": name}}
        found.append(_code_cell(show, [{"output_type": "display_data", "data": {"image/png": png}, "metadata": facts}]))
    return found


# nbformat has functions for these, which hold each cell against the format's schema: a tenth of the site's build. The
# notebook is held against it as a whole when it is written.
def _markdown_cell(text: str) -> NotebookNode:
    return nbformat.from_dict({"cell_type": "markdown", "metadata": {}, "source": text})


def _code_cell(code: str, shown: list[dict]) -> NotebookNode:
    return nbformat.from_dict({"cell_type": "code", "metadata": {}, "source": code, "outputs": shown})


def make(page: Page) -> NotebookNode:
    """Return a guide's notebook: title, where it comes from, the guide's cells, how the outputs were recorded."""
    words, content = WORDS[page.language], cells(page)
    name, _, lead = content[0]["source"].removeprefix("# ").partition("\n")
    all_cells = [
        _markdown_cell(f"# Notebook{words['colon']}{name}\n\n{words['start']}"),
        *_markdown(lead),
        *content[1:],
        *_markdown(_facts(read(page)["recorded"], words)),
    ]
    for number, cell in enumerate(all_cells):
        cell["id"] = f"cell-{number}"  # else random: every build would change every line
    for number, cell in enumerate((cell for cell in all_cells if cell["cell_type"] == "code"), start=1):
        cell["execution_count"] = number
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    facts = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": facts, "cells": all_cells})


def _facts(recorded: dict, words: dict[str, str]) -> str:
    """Return the sentence about the recording; nothing for a page that is not recorded yet."""
    if not recorded:
        return ""
    versions = words["and"].join(f"{name} {version}" for name, version in recorded["versions"].items())
    return words["end"].format(**recorded | recorded["machine"] | {"versions": versions})


def on_files(files, config):
    """Add each guide's notebook: the file to download, and a page that shows it."""
    root = Path(config.docs_dir).parents[1]
    for file in [file for file in files if file.src_uri.startswith("guides/") and file.src_uri.endswith(".md")]:
        guide = read_page(Path(file.abs_src_path), root)
        notebook, place = make(guide), f"{NOTEBOOKS}{guide.path.stem}"
        files.append(File.generated(config, f"{place}.ipynb", content=nbformat.writes(notebook) + "\n"))
        files.append(File.generated(config, f"{place}.md", content=notebook_pages.write(notebook, guide)))
