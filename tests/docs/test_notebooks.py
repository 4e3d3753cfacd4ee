"""Every guide's notebook holds the guide's code and words, and what was recorded under that code."""

import base64
import json
from pathlib import Path

import pytest

from notebooks import cells, make
from outputs import key, outputs
from pages import Page, find_pages

GUIDES = [page for page in find_pages() if page.path.parent.name == "guides"]


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_notebook_holds_all_code_that_runs_and_what_it_printed(page):
    shown = [cell for cell in make(page).cells if cell.cell_type == "code" and "IPython.display" not in cell.source]
    blocks = [(block, output) for block, output in zip(page.blocks, outputs(page)) if block in page.program("python")]
    assert len(shown) == len(blocks) > 5
    printed = ["".join(output.text for output in cell.outputs) for cell in shown]
    assert printed == [output.printed for _, output in blocks] and any(printed)


def make_page(tmp_path: Path, text: str, code: str = "") -> Page:
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
        ("markdown", "1. An annotation.\n\nOn the command line:\n\n```sh\nplayground list\n```"),
    ]


def test_a_cell_shows_what_its_block_printed_and_drew(tmp_path):
    page = make_page(
        tmp_path,
        '# Page\n\n## Code { #code }\n\n```python\n--8<-- "snippets/code.py:one"\n```\n',
        '# --8<-- [start:one]\nplot(x, "some/metrics.png")\n# --8<-- [end:one]\n',
    )
    folder = tmp_path / "docs/results/outputs/guides/page"
    folder.mkdir(parents=True)
    (folder / "metrics.png").write_bytes(b"picture")
    recorded = {key(page.blocks[0]): {"printed": "drawn\n", "pictures": ["metrics.png"]}}
    folder.with_suffix(".json").write_text(json.dumps({"recorded": {}, "blocks": recorded}), encoding="utf-8")
    code, picture = [cell for cell in make(page).cells if cell.cell_type == "code"]
    assert code.outputs[0].text == "drawn\n"
    assert base64.b64decode(picture.outputs[0].data["image/png"]) == b"picture"
    assert [code.execution_count, picture.execution_count] == [1, 2]
