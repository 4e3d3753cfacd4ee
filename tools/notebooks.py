"""Make every guide's notebook from the guide itself: its code, and the words around it, run once.

    python tools/notebooks.py [EXAMPLE ...]      (`make notebooks` makes all)

Both languages hold the same code, so it runs once, and both notebooks show what it printed.
"""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pages import HEADING, LANGUAGES, ROOT, Block, Page

TIME_LIMIT = 600  # seconds a cell
LINK = re.compile(r"!?\[(?P<text>[^][]*)\]\((?P<target>[^()]*)\)(\{[^}]*\})?")
PICTURE = re.compile(r'(?:plot|savefig|write_png)\(.*"(?P<file>[^"]+\.png)"')  # a file that the code draws
NOT_PROSE = re.compile(r"!!!|\?\?\?|===|\||<|\{\{|!\[|\[.*\]\(.*\)\{ \.md-button|\*\[")
WORDS = {
    "zh": {
        "start": "这个 Notebook 里的代码和说明都来自网站上的同名改造示例，原理、对照图和实测结果请看那里。\n\n"
                 "运行它需要本项目的环境：在项目文件夹中执行 `make setup`，再执行 "
                 "`.venv/bin/python -m ipykernel install --user --name alphamed-tutorials`，"
                 "然后在 Jupyter 里选择内核 `alphamed-tutorials`，在一个空文件夹中从上到下运行。\n\n"
                 "所用的是内嵌数据：**其中的指标没有意义**，只说明程序跑得通。",
        "end": "以上输出录制于 {date}，共用 {seconds:.0f} 秒；机器：{cpu}，{cores} 核，{system}。软件版本：{versions}。",
        "and": "、",
        "colon": "：",
    },
    "en": {
        "start": "Code and words of this notebook are those of the guide of the same name on the site; "
                 "principles, pictures side by side and measured results are there.\n\n"
                 "It needs this project's environment: in the project's folder, `make setup`, then "
                 "`.venv/bin/python -m ipykernel install --user --name alphamed-tutorials`; "
                 "in Jupyter choose the kernel `alphamed-tutorials`, and run from top to bottom in an empty folder.\n\n"
                 "The data are embedded ones: **their metrics mean nothing** and only show that the program runs.",
        "end": "These outputs were recorded on {date} in {seconds:.0f} seconds on {cpu}, {cores} cores, {system}. Versions: {versions}.",
        "and": ", ",
        "colon": ": ",
    },
}  # fmt: skip


def cells(page: Page) -> list[dict]:
    """Return the page's sections that hold Python to run, as cells: headings, plain prose, code, pictures drawn."""
    found, section, text, titles = [], [], "", {}
    for piece in [*_pieces(page), "# end"]:
        if isinstance(piece, Block):
            section += [*_markdown(text), *_code(piece)]
            text = ""
        elif heading := HEADING.fullmatch(piece):
            if section:  # what was gathered is kept, because there is code in it
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
    """Yield blocks to run, and in between what any Jupyter shows: no admonitions, figures, tables, placeholders."""
    blocks = {block.first: block for block in page.blocks}
    covered = {index for block in page.blocks for index in range(block.first, block.last + 1)}
    special = False
    for index, line in enumerate(page.lines):
        block = blocks.get(index)
        if block and block.language == "python" and block.not_run is None:
            yield block
        elif block and not (special and block.indent):
            yield f"```{block.language}\n{block.text}\n```\n"
        elif index not in covered:
            if line.text.strip() and not line.text.startswith(" "):
                special = bool(NOT_PROSE.match(line.text))
            if not special:
                yield line.text


def _markdown(text: str) -> list[dict]:
    """Return a cell of the text, without links into the site."""
    plain = LINK.sub(lambda link: link[0] if "://" in link["target"] else link["text"], text)
    plain = re.sub("(?<=[\u3000-\uffef”])\n(?=[\u3000-\uffef“])", "", plain)  # no gap between Chinese characters
    plain = re.sub(r"\n{3,}", "\n\n", plain).strip()
    return [new_markdown_cell(plain)] if plain else []


def _code(block: Block) -> list[dict]:
    code = re.sub(r"# \((\d+)\)!", r"# (\1)", block.text).strip("\n")
    pictures = [f'from IPython.display import Image\n\nImage("{file}", alt="{file}")' for file in PICTURE.findall(code)]
    return [new_code_cell(source) for source in (code, *pictures)]


def run(code: list[dict], time_limit: int = TIME_LIMIT) -> None:
    """Run code cells one after another in a new kernel and an empty folder; their outputs are filled in.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        notebook = new_notebook(cells=code)
        NotebookClient(notebook, timeout=time_limit, resources={"metadata": {"path": folder}}).execute()
    for cell in code:
        cell["metadata"] = {}
        cell["outputs"] = _stdout_joined(cell["outputs"])


def _stdout_joined(outputs: list[dict]) -> list[dict]:
    """Return outputs as they would come at once, and without what libraries warn of on stderr."""
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    others = [output for output in outputs if output["output_type"] != "stream"]
    return [*([new_output("stream", name="stdout", text=printed)] if printed else []), *others]


def make(example: str) -> None:
    """Write the notebook of an example's guide in every language."""
    from alphamed_tutorials.runs.machine import machine, versions

    pages = {language: Page(ROOT / "docs" / language / "guides" / f"{example}.md") for language in LANGUAGES}
    contents = {language: cells(page) for language, page in pages.items()}
    started = time.monotonic()
    done = [cell for cell in contents[LANGUAGES[0]] if cell["cell_type"] == "code"]
    run(done)
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started, 1),
        "machine": machine(),
        "versions": versions(),
    }
    for language, content in contents.items():
        code = [cell for cell in content if cell["cell_type"] == "code"]
        for cell, same in zip(code, done, strict=True):
            if cell["source"] != same["source"]:
                raise SystemExit(f"{pages[language]}: this code is not that of the other language:\n{cell['source']}")
            cell.update(outputs=same["outputs"], execution_count=same["execution_count"])
        file = notebook_of(pages[language])
        file.parent.mkdir(exist_ok=True)
        nbformat.write(assemble(pages[language], content, facts), file)


def assemble(page: Page, content: list[dict], facts: dict) -> NotebookNode:
    """Return the notebook: title, where it comes from, the guide's cells, how the outputs were recorded."""
    words = WORDS[page.language]
    versions = words["and"].join(
        f"{name} {version}" for name, version in sorted(facts["versions"].items())
    )  # as nbformat writes them
    name, _, lead = content[0]["source"].removeprefix("# ").partition("\n")
    all_cells = [
        new_markdown_cell(f"# Notebook{words['colon']}{name}\n\n{words['start']}"),
        *_markdown(lead),
        *content[1:],
        new_markdown_cell(words["end"].format(**facts | facts["machine"] | {"versions": versions})),
    ]
    for number, cell in enumerate(all_cells):
        cell["id"] = f"cell-{number}"  # else random: every making would change every line
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "recorded": facts}
    return new_notebook(cells=all_cells, metadata=metadata)


def notebook_of(page: Page) -> Path:
    """Return where a guide's notebook lies."""
    return page.path.parents[1] / "notebooks" / f"{page.path.stem}.ipynb"


if __name__ == "__main__":
    for guide in sys.argv[1:] or [path.stem for path in sorted((ROOT / "docs/zh/guides").glob("*.md"))]:
        print(f"{guide} …", flush=True)
        make(guide)
