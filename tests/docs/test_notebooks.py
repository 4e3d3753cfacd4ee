"""Every guide's notebook holds the guide's code and words, and what was recorded under that code."""

import ast
import base64
import json
import re
from pathlib import Path

import pytest
from mkdocs.utils.meta import get_data

from comments import in_chinese
from notebook_pages import write
from notebooks import cells, make
from outputs import key, outputs
from pages import Page, find_pages

GUIDES = [page for page in find_pages() if page.path.parent.name == "guides"]


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_notebook_holds_all_code_that_runs_and_what_it_printed(page):
    notebook = make(page).cells
    shown = [cell for cell in notebook if cell.cell_type == "code" and "IPython.display" not in cell.source]
    blocks = [(block, output) for block, output in zip(page.blocks, outputs(page)) if block in page.program("python")]
    answers = "".join(cell.source for cell in notebook if "<details>" in cell.source)
    seen = in_chinese if page.language == "zh" else str
    blocks = [(block, output) for block, output in blocks if f"```python\n{seen(block.text)}\n```" not in answers]
    assert len(shown) == len(blocks) > 5
    printed = ["".join(output.text for output in cell.outputs) for cell in shown]
    assert printed == [output.printed for _, output in blocks] and any(printed)
    text = "".join(cell.source for cell in notebook if cell.cell_type == "markdown" and "<details>" not in cell.source)
    assert "FedAvgScheduler):" not in text  # a class is one cell, its parts are not shown besides


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_nothing_is_announced_in_vain_and_no_answer_lies_open(page):
    found = cells(page)
    for cell, after in zip(found, [*found[1:], None], strict=True):
        text = cell.source.rstrip()
        assert not (text.endswith((":", "：")) and (after is None or after.cell_type != "code")), text[-200:]
        assert text.count("<details>") == text.count("</details>")
    text = "\n".join(cell.source for cell in found)
    assert "{{" not in text and "!!! " not in text and "??? " not in text
    answers = sum(line.text.startswith("??? question") for line in page.lines)
    assert text.count("<details>") == answers
    warnings = re.findall('^!!! warning "(.*)"', "\n".join(line.text for line in page.lines), re.MULTILINE)
    assert all(f"**{title}**" in text for title in warnings)


def make_page(tmp_path: Path, text: str, code: str = "") -> Page:
    for name, content in {"snippets/code.py": code, "docs/en/guides/page.md": text}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
    return Page(path, tmp_path)


def test_cells_are_the_sections_with_code_or_questions(tmp_path):
    page = make_page(
        tmp_path,
        """\
# Page { #page }

!!! note "Box"
    Not in a notebook.

## No code { #none }

Words.

## Code { #code }

### First { #first }

See [the other page](other.md#x) and [the paper](https://example.org/a).

| a | b |
|---|---|

<!-- not run: all of it is below -->
```python
--8<-- "snippets/code.py:part"
```

```python
--8<-- "snippets/code.py:one"
```

1. An annotation.

!!! warning "Mind"
    The gap.

All three:

{{ results-table: a/b }}

On the command line:

<!-- not run: no need -->
```sh
playground list
```

### Second { #second }

{{ result: a/b/c }}

## Exercises { #exercises }

??? question "Is `1` one?"
    Yes:

    ```python
    --8<-- "snippets/code.py:two"
    ```
""",
        """\
# --8<-- [start:one]
# --8<-- [start:part]
x = 1  # (1)!
# --8<-- [end:part]
plot(x, "some/metrics.png")
# --8<-- [end:one]
# --8<-- [start:two]
1 == 1
# --8<-- [end:two]
""",
    )
    assert [(cell.cell_type, cell.source) for cell in cells(page)] == [
        (
            "markdown",
            "# Page\n\n## Code\n\n### First\n\nSee the other page and [the paper](https://example.org/a).\n\n| a | b |\n|---|---|",
        ),
        ("code", 'x = 1  # (1)\nplot(x, "some/metrics.png")'),
        (
            "markdown",
            "1. An annotation.\n\n⚠ **Mind**\n\nThe gap.\n\nAll three:\n\n(It is on the page.)\n\n"
            "On the command line:\n\n```sh\nplayground list\n```",
        ),
        (
            "markdown",
            "## Exercises\n\n**Is `1` one?**\n\n<details>\n<summary>The answer</summary>\n\n"
            "Yes:\n\n```python\n1 == 1\n```\n\n</details>",
        ),
    ]


def test_a_cell_shows_what_its_block_printed_and_drew(tmp_path):
    page = make_page(
        tmp_path,
        '# Page\n\n## Code { #code }\n\n<!-- draws: A "curve" -->\n```python\n--8<-- "snippets/code.py:one"\n```\n',
        '# --8<-- [start:one]\nplot(x, "some/metrics.png")\n# --8<-- [end:one]\n',
    )
    folder = tmp_path / "docs/results/outputs/guides/page"
    folder.joinpath("en").mkdir(parents=True)
    (folder / "en" / "metrics.png").write_bytes(b"picture")
    recorded = {key(page.blocks[0]): {"printed": "drawn\n", "pictures": ["metrics.png"]}}
    folder.with_suffix(".json").write_text(json.dumps({"recorded": {}, "blocks": recorded}), encoding="utf-8")
    code, picture = [cell for cell in make(page).cells if cell.cell_type == "code"]
    assert code.outputs[0].text == "drawn\n"
    assert base64.b64decode(picture.outputs[0].data["image/png"]) == b"picture"
    assert picture.outputs[0].metadata == {"image/png": {"alt": 'A "curve"', "file": "metrics.png"}}
    shown = {word.arg: word.value for word in ast.walk(ast.parse(picture.source)) if isinstance(word, ast.keyword)}
    assert ast.literal_eval(shown["alt"]) == 'A "curve"'
    assert [code.execution_count, picture.execution_count] == [1, 2]


def test_the_page_of_a_notebook_has_its_guide_s_anchors_and_shows_what_cells_printed_and_drew(tmp_path):
    page = make_page(
        tmp_path,
        '---\ndescription: "A: b"\n---\n\n# Page { #page }\n\n## Code { #code }\n\n'
        '```python\n--8<-- "snippets/code.py:one"\n```\n\n## Exercise { #exercise }\n\n??? question "Why?"\n    Because.\n',
        '# --8<-- [start:one]\nplot(x, "some/metrics.png")\n# --8<-- [end:one]\n',
    )
    folder = tmp_path / "docs/results/outputs/guides/page"
    folder.joinpath("en").mkdir(parents=True)
    (folder / "en" / "metrics.png").write_bytes(b"picture")
    recorded = {key(page.blocks[0]): {"printed": "```\n", "pictures": ["metrics.png"]}}
    folder.with_suffix(".json").write_text(json.dumps({"recorded": {}, "blocks": recorded}), encoding="utf-8")
    text = write(make(page), page)
    assert get_data(text)[1] == {"description": "Notebook: A: b"}
    assert "\n# Notebook: Page { #notebook }\n\n[The page](../guides/page.md){ .md-button } " in text
    assert "[Download the notebook](page.ipynb){ .md-button }\n\n" in text
    assert "\n\n## Code { #code }\n\n```python\nplot(" in text and "\n\n## Exercise { #exercise }\n\n" in text
    assert "\n\n````{ .text .output  }\n```\n````\n\n" in text and "<details markdown>\n<summary>" in text
    assert "](../assets/results/outputs/guides/page/en/metrics.png){ .output }\n" in text
