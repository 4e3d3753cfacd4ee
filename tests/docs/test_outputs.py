"""What code prints stands under it on the page, and what it prints now is held against what was recorded."""

import importlib.util
import json
import tomllib
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from alphamed_tutorials.runs.fonts import families_for
from outputs import (
    FOLDED,
    FOLDER,
    Output,
    insert,
    key,
    name_of,
    outputs,
    pictures_below,
    pictures_of,
    read,
    recording_of,
    render,
)
from pages import LANGUAGES, ROOT, RUN_LANGUAGES, Page, find_pages
from record_outputs import DEPENDS, DRAWING, difference, processor, record

_spec = importlib.util.spec_from_file_location("drawing", DRAWING / "sitecustomize.py")
drawing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(drawing)

PAGES = [page for page in find_pages() if any(block.runs for block in page.blocks)]
OUTPUTS = ROOT / "docs" / "results" / "outputs"
RECORDINGS = {file.relative_to(OUTPUTS).with_suffix("").as_posix(): file for file in sorted(OUTPUTS.rglob("*.json"))}
ADDRESS = {"zh": "", "en": "en/"}  # where each language lies in the built site


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_that_runs_is_recorded_as_it_is_now(page):
    recorded, blocks = read(page)["blocks"], [block for block in page.blocks if block.runs]
    missing = [str(page.lines[block.first]) for block in blocks if key(block) not in recorded]
    assert not missing, f"make outputs PAGES={name_of(page)}"
    for block in blocks:
        drawn = [f"{key(block)[:4]}-{Path(name).name}" for name in pictures_of(block)]
        assert recorded[key(block)].get("pictures", []) == drawn


def test_every_recording_is_a_page_s():
    assert set(RECORDINGS) <= {name_of(page) for page in PAGES}


@pytest.mark.parametrize("name", RECORDINGS)
def test_nothing_is_kept_that_no_page_shows(name):
    file = RECORDINGS[name]
    here = [page for page in PAGES if recording_of(page) == file]
    blocks = json.loads(file.read_text("utf-8"))["blocks"]
    assert set(blocks) == {key(block) for page in here for block in page.blocks if block.runs}
    drawn = {picture for block in blocks.values() for picture in block.get("pictures", ())}
    for language in LANGUAGES:
        assert {path.name for path in file.with_suffix("").glob(f"{language}/*")} == drawn


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_that_prints_or_draws_shows_it_right_below(page, site):
    html = (site.path / f"{ADDRESS[page.language]}{name_of(page)}.html").read_text("utf-8")
    blocks = [
        box for box in BeautifulSoup(html, "html.parser").select("div.highlight")
        if {"language-python", "language-sh"} & set(box["class"]) and not box.find_parent(class_="doc")
    ]  # fmt: skip
    expected = [
        output for block, output in zip(page.blocks, outputs(page), strict=True) if block.language in RUN_LANGUAGES
    ]
    assert len(blocks) == len(expected)
    for box, output in zip(blocks, expected):
        shown, pictures = below(box)
        assert all(f"/{page.language}/" in picture for picture in pictures)
        assert shown.split("\n") == [line.rstrip() for line in output.printed.strip("\n").split("\n")]
        assert [Path(picture).name for picture in pictures] == list(output.pictures)


def below(box) -> tuple[str, list[str]]:
    """Return the text and the addresses of the pictures marked as output that follow a code block."""
    text, pictures = [], []
    for element in box.find_next_siblings():
        if element.name == "ol" and not text and not pictures:
            continue  # what explains the block's annotations
        found = element.select("img.output")
        if "output" not in element.get("class", []) and not found:
            break
        text += [code.get_text().rstrip("\n") for code in element.select("pre code")]
        pictures += [picture["src"] for picture in found]
    return "\n".join(line.rstrip() for part in text for line in part.split("\n")), pictures


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_path_of_the_machine_it_was_recorded_on_is_shown(page):
    text = "".join(output.printed for output in outputs(page))
    assert "/tmp" not in text and "/home/" not in text and str(ROOT) not in text


# How an output looks


def test_a_long_output_is_folded_but_not_the_table_that_ends_it():
    lines = [f"line {number}" for number in range(FOLDED + 1)]
    text = "\n".join(render(Output("\n".join(lines)), "en", ""))
    assert text.index("line 7") < text.index('??? output "9 more lines"') < text.index("    line 8")
    table = ["title", "┏━┓", *["│ 1 │"] * 18, "└─┘", "Next: x"]
    text = "\n".join(render(Output("\n".join(lines + table)), "zh", ""))
    assert (
        text.index("line 2") < text.index('??? output "其余 14 行"') < text.index("    line 16") < text.index("\ntitle")
    )
    assert "???" not in "\n".join(render(Output("\n".join(table)), "zh", ""))
    long_table = ["title", "┏━┓", *["│ 1 │"] * 40, "└─┘"]
    assert '??? output "35 more lines"' in render(Output("\n".join(long_table)), "en", "")


def test_an_output_is_as_deep_as_its_block_and_behind_the_list_of_its_annotations():
    markdown = '=== "Tab"\n\n    <!-- draws: Curves -->\n    ```python\n    x  # (1)!\n    ```\n\n    1. One\n\n    2. Two\n\nText\n'
    shown = insert(markdown, [Output("printed\n", ("1a2b-a.png",), "Curves")], "en", "../pictures").split("\n")
    place = shown.index('    ```{ .text .output title="Output" }')
    assert shown.index("    2. Two") < place < shown.index("Text")
    assert shown[place + 1] == "    printed"
    assert "draws" not in "".join(shown)
    assert "    ![Curves](../pictures/1a2b-a.png){ .output data-search-exclude }" in shown


def test_an_output_that_holds_a_fence_stays_one_block():
    assert render(Output("```\nx\n```"), "en", "")[1].startswith("````{ ")


# What counts as the same


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("accuracy 0.953", "accuracy 0.961"),
        ("done in 3.8 s", "done in 11.4 s"),
        ("用时 3.8 秒", "用时 12 秒"),
        ("free disk 65.0 GiB", "free disk 53.8 GiB"),
        ("this is a 1 (99% sure)", "this is a 1 (97% sure)"),
        ("difference 0.0", "difference 2.980232238769531e-07"),
        ("│ model.py │  1905 │", "│ model.py │  1931 │"),
        ("┃ a ┃ seconds ┃\n│ b │     3.1 │\n└───┴─────────┘", "┃ a ┃ seconds ┃\n│ b │    13.1 │\n└───┴─────────┘"),
        ("┏━━━┓\n│ 0.5 │", "┏━━━━━┓\n│ 0.497 │"),
    ],
)
def test_seconds_spaces_and_last_digits_may_differ(recorded, printed):
    assert difference(recorded, printed) == ""


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("accuracy 0.953", "accuracy 0.853"),
        ("accuracy 0.953", "accuracy nan"),
        ("360 images", "359 images"),
        ("this is a 1", "this is a 7"),
        ("torch.Size([64, 1, 28, 28])", "torch.Size([64, 3, 28, 28])"),
        ("│ model.py │  1905 │", "│ model.py │  3931 │"),
        ("one\ntwo", "one"),
        ("one", "one\ntwo"),
        ("", "printed"),
        ("conv1.weight True", "conv1.weight False"),
    ],
)
def test_anything_else_is_a_difference(recorded, printed):
    assert difference(recorded, printed)


def test_another_processor_may_train_otherwise_but_not_print_something_else():
    assert difference("done accuracy 0.9\nround 1: 0.2", "done accuracy 0.5\nround 1: 0.9", any_numbers=True) == ""
    assert difference("the name of", "the first class", any_numbers=True) == ""
    assert "2 lines" in difference("a\nb", "a", any_numbers=True)
    assert "only 0 of 2 lines" in difference("a 1\nb 2", "c 1\nd 2", any_numbers=True)


# How it is recorded


@pytest.fixture
def make_page(tmp_path):
    """Return a function that writes a page and its snippet, and reads the page."""

    def make(code: str, shell: str = "true") -> Page:
        for name, content in {
            "snippets/code.py": f"# --8<-- [start:one]\n{code}\n# --8<-- [end:one]\nprint('hidden')\n",
            "docs/en/page.md": f'# Page\n\n```python\n--8<-- "snippets/code.py:one"\n```\n\n```sh\n{shell}\n```\n',
        }.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return Page(tmp_path / "docs/en/page.md", tmp_path)

    return make


def printed(page: Page) -> list[str]:
    return [output.printed for output in outputs(page)]


def test_both_kinds_of_blocks_are_recorded_with_their_pictures(make_page):
    page = make_page(
        "from pathlib import Path\n\ndef savefig(name):\n    Path(name).write_bytes(b'drawn')\n\n"
        'savefig("a.png")\nprint(Path.cwd())',
        "echo one; echo two >&2",
    )
    record([page])
    assert printed(page) == ["…\n", "one\ntwo\n"]
    (picture,) = outputs(page)[0].pictures
    assert picture.endswith("-a.png")
    assert (page.root / FOLDER / pictures_below(page) / picture).read_bytes() == b"drawn"
    assert read(page)["recorded"]["versions"]["torch"]


@pytest.mark.skipif(bool(families_for(["轮次"])[1]), reason="this machine has no font with Chinese characters")
def test_a_picture_with_words_is_drawn_in_both_languages(make_page):
    page = make_page(
        "from matplotlib.figure import Figure\n\nfigure = Figure()\naxes = figure.subplots()\n"
        'axes.set(title="test/loss", xlabel="round")\nfigure.savefig("a.png")\nprint(axes.get_xlabel())'
    )
    record([page])
    (picture,) = outputs(page)[0].pictures
    english, chinese = (recording_of(page).with_suffix("") / language / picture for language in ("en", "zh"))
    assert printed(page)[0] == "round\n" and english.read_bytes() != chinese.read_bytes()


def test_only_whole_words_of_a_picture_become_chinese():
    words = {"round": "轮次", "time (s)": "时间（秒）", "low voice": "低音"}
    texts = ("round", "yes, low voice", "time (s)", "test/round", "rounded", "rounds_1")
    found = [drawing.in_chinese(text, words) for text in texts]
    assert found == ["轮次", "yes, 低音", "时间（秒）", "test/round", "rounded", "rounds_1"]


def test_every_word_of_the_table_of_pictures_is_drawn_by_some_code():
    code = "".join(block.text for page in PAGES for block in page.blocks)
    code += (ROOT / "src/alphamed_tutorials/runs/plots.py").read_text("utf-8")
    words = tomllib.loads(drawing.TABLE.read_text("utf-8"))
    assert [word for word in words if not all(part in code for part in word.split())] == []


def test_every_recorded_picture_has_chinese_words():
    pictures = sorted(OUTPUTS.rglob("en/*.png"))
    chinese = [path.parents[1] / "zh" / path.name for path in pictures]
    same = [path.name for path, twin in zip(pictures, chinese) if path.read_bytes() == twin.read_bytes()]
    assert pictures and same == [], "add their words to snippets/pictures.zh.toml, delete them, record anew"


def test_a_recording_stays_byte_for_byte_when_only_a_clock_said_something_else(make_page):
    page = make_page("import time\nprint(time.time_ns() % 977, 'ms')")
    record([page])
    before = recording_of(page).read_bytes()
    record([page])
    assert recording_of(page).read_bytes() == before


def record_elsewhere(page: Page, change) -> None:
    """Let a page's recording be another processor's; a function changes what it printed there."""
    found = read(page)
    found["recorded"]["processor"] = "another"
    for block in found["blocks"].values():
        block["printed"] = change(block["printed"])
    recording_of(page).write_text(json.dumps(found), "utf-8")


def marks(page: Page) -> list[bool]:
    return [DEPENDS in read(page)["blocks"][key(block)] for block in page.blocks]


def test_a_block_with_other_numbers_than_another_processor_recorded_is_marked_for_good(make_page):
    page = make_page("print('round 1: 0.91')", "echo 12 pictures")
    record([page])
    assert marks(page) == [False, False]
    record_elsewhere(page, lambda printed: printed.replace("0.91", "0.66"))
    record([page])
    assert printed(page) == ["round 1: 0.91\n", "12 pictures\n"] and marks(page) == [True, False]
    assert read(page)["recorded"]["processor"] == processor()
    record_elsewhere(page, lambda printed: printed)
    record([page])
    assert marks(page) == [True, False]  # that two processors agree does not say that a third one does


def test_other_numbers_on_the_same_processor_or_other_words_are_no_mark(make_page):
    page = make_page("print('round 1: 0.91')", "echo 12 pictures")
    record([page])
    recording = recording_of(page)
    recording.write_text(recording.read_text("utf-8").replace("0.91", "0.66"), "utf-8")
    record([page])
    assert printed(page)[0] == "round 1: 0.91\n" and marks(page) == [False, False]
    record_elsewhere(page, lambda printed: f"{printed}and a line that the code prints no longer\n")
    record([page])
    assert printed(page) == ["round 1: 0.91\n", "12 pictures\n"] and marks(page) == [False, False]


def test_a_processor_that_may_not_use_all_its_instructions_is_another_one(monkeypatch):
    whole = processor()
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert processor() != whole


def test_a_run_with_other_versions_is_recorded_though_it_prints_the_same(make_page):
    page = make_page("print(1)")
    record([page])
    facts = json.loads(recording_of(page).read_text("utf-8"))
    old = facts["recorded"] | {"versions": {"torch": "2.3.0"}}
    recording_of(page).write_text(json.dumps(facts | {"recorded": old}), "utf-8")
    record([page])
    assert read(page)["recorded"]["versions"] == facts["recorded"]["versions"]


def test_a_picture_that_the_same_code_draws_in_another_size_is_recorded(make_page, monkeypatch):
    page = make_page(
        "import os\nfrom pathlib import Path\n\ndef savefig(name):\n    Path(name).write_bytes(os.environ['DRAWN'].encode())\n\n"
        'savefig("a.png")'
    )
    for drawn in ("begin of a PNG: 4x3 and more", "begin of a PNG: 9x6 and more"):
        monkeypatch.setenv("DRAWN", drawn)
        record([page])
        (picture,) = outputs(page)[0].pictures
        assert (page.root / FOLDER / pictures_below(page) / picture).read_text("utf-8") == drawn


def test_changed_code_has_no_output_until_it_is_recorded(make_page):
    record([make_page("print(1)")])
    page = make_page("print(2)")
    assert printed(page)[0] == ""
    record([page])
    assert printed(page)[0] == "2\n" and len(read(page)["blocks"]) == 2


def test_a_program_that_fails_leaves_the_recording_alone(make_page):
    page = make_page("print(1)")
    record([page])
    before = recording_of(page).read_bytes()
    with pytest.raises(SystemExit, match="python blocks end with exit status 1(.|\n)*ZeroDivisionError"):
        record([make_page("1 / 0")])
    assert recording_of(page).read_bytes() == before
