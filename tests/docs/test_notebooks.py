"""Every guide's notebook holds the guide's code and words, and what that code printed."""

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell

from notebooks import assemble, cells, notebook_of, run
from pages import PAGES, Page

GUIDES = [page for page in PAGES if page.path.parent.name == "guides"]


def read(page: Page) -> nbformat.NotebookNode:
    return nbformat.read(notebook_of(page), as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_notebook_is_that_of_the_guide_as_it_is_now(page):
    found = read(page)
    expected = assemble(page, cells(page), found.metadata["recorded"])
    assert [cell.source for cell in found.cells] == [cell.source for cell in expected.cells], "run: make notebooks"


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_every_cell_ran_in_order_and_without_an_error(page):
    code = code_of(read(page))
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs and {output.output_type for output in outputs} <= {"stream", "execute_result"}
    printed = "".join(output.get("text", "") for output in outputs)
    assert "/tmp" not in printed and "/home" not in printed, "a path of the machine it ran on is no use to the reader"


@pytest.mark.parametrize("page", [page for page in GUIDES if page.language == "zh"], ids=str)
def test_both_languages_show_the_same_outputs(page):
    twin = Page(page.root / "docs" / "en" / "guides" / page.path.name)
    assert [cell.outputs for cell in code_of(read(page))] == [cell.outputs for cell in code_of(read(twin))]


# How they are made


def make_page(tmp_path, text: str, code: str = "") -> Page:
    for name, content in {"snippets/code.py": code, "docs/en/guides/page.md": text}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")
    return Page(path, tmp_path)


def test_cells_are_the_sections_with_code(tmp_path):
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

```python
--8<-- "snippets/code.py:one"
```

1. An annotation.

On the command line:

<!-- not run: no need -->
```sh
playground list
```

### Second { #second }

{{ result: a/b/c }}
""",
        """\
# --8<-- [start:one]
x = 1  # (1)!
plot(x, "some/metrics.png")
# --8<-- [end:one]
""",
    )
    assert [(cell.cell_type, cell.source) for cell in cells(page)] == [
        ("markdown", "# Page\n\n## Code\n\n### First\n\nSee the other page and [the paper](https://example.org/a)."),
        ("code", 'x = 1  # (1)\nplot(x, "some/metrics.png")'),
        ("code", 'from IPython.display import Image\n\nImage("some/metrics.png", alt="some/metrics.png")'),
        ("markdown", "1. An annotation.\n\nOn the command line:\n\n```sh\nplayground list\n```"),
    ]


def test_code_runs_in_one_kernel_and_an_empty_folder():
    code = [
        new_code_cell("import os\nprint(os.listdir())\nx = 20"),
        new_code_cell("print(x, flush=True)\nprint(x + 1)\nx"),
    ]
    run(code)
    assert [output.text for output in code[0].outputs] == ["[]\n"]
    assert [output.get("text") or output.data for output in code[1].outputs] == ["20\n21\n", {"text/plain": "20"}]


def test_a_cell_that_fails_stops_the_making():
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run([new_code_cell("1 / 0")])
