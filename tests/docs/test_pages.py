"""Every page runs, and prints what its recording says: its Python blocks as one program, its shell blocks as another."""

import json
import re
import time
from pathlib import Path

import pytest
from runner import run_python, run_shell

from outputs import key, name_of, read, recording_of
from pages import Page, find_pages
from record_outputs import DEPENDS, difference, processor, record

PAGES = find_pages()


def test_there_are_pages():
    assert {page.language for page in PAGES} == {"zh", "en"}


def programs(language: str) -> list:
    """Return the pages' programs as parameters, each text once: the pages that hold it and its lines."""
    holders: dict[str, list[Page]] = {}
    for page in PAGES:
        if blocks := page.program(language):
            holders.setdefault("\n".join(block.text for block in blocks), []).append(page)
    return [pytest.param(pages, id="+".join(map(str, pages))) for pages in holders.values()]


def compare(page: Page, run, language: str) -> None:
    """Run a page's program and hold what each block prints against the page's recording.

    On whatever processor: numbers may be others only where the recording says that they depend on it, or on the machine.
    """
    recording, blocks = read(page), page.program(language)
    recorded, same_processor = recording["blocks"], recording["recorded"]["processor"] == processor()
    faults = []
    for block, printed in zip(blocks, run(page.name, blocks), strict=True):
        entry = recorded[key(block)]
        other_numbers = DEPENDS in entry and not same_processor
        of_the_machine = "playground doctor" in block.text
        if fault := difference(entry["printed"], printed, any_numbers=other_numbers or of_the_machine):
            faults.append(f"{page} {page.lines[block.first]}: {fault}")
    if faults:
        pytest.fail("\n".join([*faults, f"if it is right so: make outputs PAGES={name_of(page)}"]), pytrace=False)


@pytest.mark.pages
@pytest.mark.parametrize("pages", programs("python"))
def test_python_of_pages_runs_as_recorded(pages):
    compare(pages[0], run_python, "python")


@pytest.mark.pages
@pytest.mark.parametrize("pages", programs("sh"))
def test_shell_of_pages_runs_as_recorded(pages):
    compare(pages[0], run_shell, "sh")


@pytest.mark.parametrize("language", ["python", "sh"])
def test_every_page_s_program_is_run(language):
    """Both languages of a page mostly hold one program, which runs once; where they differ, both run."""
    run = [page for parameter in programs(language) for page in parameter.values[0]]
    assert sorted(map(str, run)) == sorted(str(page) for page in PAGES if page.program(language))
    for pages in (parameter.values[0] for parameter in programs(language)):
        assert len({"\n".join(block.text for block in page.program(language)) for page in pages}) == 1


# The runner itself


@pytest.fixture
def make_page(tmp_path):
    """Return a function that writes snippets/code.py and a page, and reads the page."""

    def make(text: str, code: str = "") -> Page:
        for name, content in {"snippets/code.py": code, "docs/en/page.md": text}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True)
            path.write_text(content, encoding="utf-8")
        return Page(path, tmp_path)

    return make


def test_page_is_one_program_in_an_empty_folder(make_page):
    page = make_page(
        """\
# Page

```python
--8<-- "snippets/code.py:first"
```

=== "Tab"

    ```python title="second.py"
    --8<-- "snippets/code.py:second"
    ```

    ``` text
    print("not run")
    ```
""",
        """\
# --8<-- [start:first]
import inspect
import multiprocessing
import os
import pickle

def double(number):
    return 2 * number
# --8<-- [end:first]

def hidden():
    # --8<-- [start:second]
    if __name__ == "__main__":
        print(os.listdir(), pickle.loads(pickle.dumps(double))(21))
        print(inspect.getsource(double))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(double, [1, 2]))
    # --8<-- [end:second]
""",
    )
    output = run_python(page.name, page.program("python"))
    assert "".join(output) == "['page.py'] 42\ndef double(number):\n    return 2 * number\n\n[2, 4]\n"


def test_python_error_names_page_line_and_section(make_page):
    page = make_page(
        '\n\n```python\n--8<-- "snippets/code.py:bad"\n```\n',
        """\
# --8<-- [start:bad]
x = 0

print(1 / x)
# --8<-- [end:bad]
""",
    )
    expected = r"docs/en/page.md line 4 \(snippets/code.py:bad\)(.|\n)*ZeroDivisionError"
    with pytest.raises(pytest.fail.Exception, match=expected):
        run_python(page.name, page.program("python"))


def test_shell_error_names_page_line(make_page):
    page = make_page("\n```sh\necho one\n```\n\n```sh\nfalse | cat\necho two\n```\n")
    with pytest.raises(pytest.fail.Exception, match="one\ndocs/en/page.md line 7: this command failed\n$") as caught:
        run_shell(page.name, page.program("sh"))
    assert "exit status 1" in str(caught.value)


def test_shell_finds_the_environment_and_an_empty_folder(make_page):
    page = make_page('```sh\npython -c "import torch; print(torch.get_num_threads())"\nls\n```\n')
    assert run_shell(page.name, page.program("sh")) == ["1\npage.sh\n"]


@pytest.mark.parametrize(
    ("block", "seconds"),
    [
        ("```sh\nsleep 600 &\necho begun $!\nsleep 600\n```\n", 1),
        ("```sh\necho 'import os, time; print(\"begun\", os.getpid(), flush=True); time.sleep(600)' > a.py\n"
         "python a.py\n```\n", 5),
    ],
    ids=["a child", "a program that the server forked"],
)  # fmt: skip
def test_time_limit_ends_the_program_and_its_children(make_page, block, seconds):
    page = make_page(block)
    late = rf"docs/en/page.md ran longer than {seconds} seconds:\nbegun (\d+)"
    with pytest.raises(pytest.fail.Exception, match=late) as failed:
        run_shell(page.name, page.program("sh"), time_limit=seconds)
    child = Path("/proc", re.search(r"begun (\d+)", str(failed.value))[1], "stat")
    for _ in range(100):  # a killed process may need a moment to be gone
        if not child.exists() or ") Z " in child.read_text():
            return
        time.sleep(0.1)
    pytest.fail("the child goes on")


@pytest.fixture
def changed(make_page):
    """Return a function that records a page which prints 0.9, then changes what the recording says of it."""

    def change(processor: str = "", **entry) -> Page:
        page = make_page(
            '```python\n--8<-- "snippets/code.py:one"\n```\n', "# --8<-- [start:one]\nprint(0.9)\n# --8<-- [end:one]\n"
        )
        record([page])
        compare(page, run_python, "python")
        recording = read(page)
        (block,) = recording["blocks"].values()
        block.update(entry)
        recording["recorded"]["processor"] = processor or recording["recorded"]["processor"]
        recording_of(page).write_text(json.dumps(recording), "utf-8")
        return page

    return change


@pytest.mark.parametrize("processor", ["", "another"])
def test_a_changed_number_makes_the_comparison_fail_on_any_processor(changed, processor):
    page = changed(processor, printed="0.8\n")
    message = r"line 1: recorded:\n  0.8\nnow:\n  0.9\n.*make outputs PAGES=page"
    with pytest.raises(pytest.fail.Exception, match=message):
        compare(page, run_python, "python")


def test_numbers_that_depend_on_the_processor_are_free_on_another_one_only(changed):
    compare(changed("another", printed="0.8\n", **{DEPENDS: True}), run_python, "python")


def test_numbers_that_depend_on_the_processor_are_compared_on_the_same_one(changed):
    page = changed(printed="0.8\n", **{DEPENDS: True})
    with pytest.raises(pytest.fail.Exception, match="recorded:\n  0.8"):
        compare(page, run_python, "python")


def test_no_processor_prints_more_lines_than_another(changed):
    page = changed("another", printed="0.8\n0.8\n", **{DEPENDS: True})
    with pytest.raises(pytest.fail.Exception, match="line 1: recorded:"):
        compare(page, run_python, "python")


def test_marked_block_does_not_run(make_page):
    page = make_page("It needs AlphaMed.\n\n<!-- not run: needs AlphaMed -->\n```sh\nfalse\n```\n")
    assert page.blocks[0].not_run == "needs AlphaMed"
    assert page.program("sh") == []
