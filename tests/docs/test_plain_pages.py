"""Each page as plain Markdown, and the lists of them that assistants read."""

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from built import code_blocks

import plain_pages
from languages import HOME
from pages import find_fences

LINK = re.compile(r"\]\((?!\w+:)([^()\s]+)\)")
CODE = re.compile(r"`[^`]*`")


def prose(text: str) -> str:
    """Return a page's text without its code."""
    lines = text.split("\n")
    code = {index for first, last in find_fences(lines) for index in range(first, last + 1)}
    return CODE.sub("", "\n".join(line for index, line in enumerate(lines) if index not in code))


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and text of each fenced block, which may lie in a list."""
    lines = text.split("\n")
    found = []
    for first, last in find_fences(lines):
        indent = len(lines[first]) - len(lines[first].lstrip())
        found.append((lines[first].strip().lstrip("`"), "\n".join(line[indent:] for line in lines[first + 1 : last])))
    return found


def targets(text: str) -> set[str]:
    return {urlsplit(link).path for link in LINK.findall(prose(text))} - {""}


@pytest.fixture(scope="module")
def plain(site) -> dict[str, str]:
    """Return the text of every page's Markdown by the page's address."""
    pages = [page for page in site.pages if "notebooks/" not in page]
    return {page: (site.path / page).with_suffix(".md").read_text("utf-8") for page in pages}


def test_each_page_says_where_its_markdown_is(site, plain):
    for page in site.pages:
        head = BeautifulSoup((site.path / page).read_text("utf-8").partition("</head>")[0], "html.parser")
        found = [link["href"] for link in head.select('link[type="text/markdown"]')]
        assert found == ([PurePosixPath(page).with_suffix(".md").name] if page in plain else []), page


def test_nothing_but_markdown_is_left(plain):
    for page, text in plain.items():
        left = re.findall(r"--8<--|\{\{|\{ [#.:]|\{:|<(?!https?:)/?[a-z]+\b[^>]*>|¶", prose(text))
        assert not left, (page, left)


def test_code_and_what_it_printed_are_those_of_the_page(site, plain):
    for page, text in plain.items():
        if not page.endswith("reference/api.html"):  # `code_blocks` leaves out what docstrings show
            shown = [(kind, code.strip("\n")) for kind, code in code_blocks((site.path / page).read_text("utf-8"))]
            assert [block for block in blocks(text) if block[0]] == shown, page


def test_every_link_leads_to_a_file_and_to_markdown_where_there_is_some(site, plain):
    for page, text in plain.items():
        folder = (site.path / page).parent
        for target in targets(text):
            assert (folder / target).is_file(), (page, target)
            is_page = target.endswith(".html") and target != PurePosixPath(page).name
            assert not (is_page and (folder / target).with_suffix(".md").is_file()), (page, target)


@pytest.mark.parametrize("language", HOME)
def test_the_list_has_every_page_once_with_its_description(site, plain, language):
    home = site.path / HOME[language]
    text = (home / "llms.txt").read_text("utf-8")
    assert re.match(r"# .+\n\n> .+\n\n[^#]+\n\n## ", text)
    entries = re.findall(r"^- \[(.+)\]\((.+)\): (.+)$", text, re.MULTILINE)
    assert all((home / target).is_file() for target in targets(text))
    listed = [address for _, address, _ in entries if address.endswith(".md")]
    own = [page for page in plain if page.startswith("en/") == (language == "en")]
    assert sorted(listed) == sorted(page.removeprefix("en/").replace(".html", ".md") for page in own)
    for title, address, description in entries:
        html = BeautifulSoup((home / address).with_suffix(".html").read_text("utf-8"), "html.parser")
        assert html.select_one("meta[name=description]")["content"] == description, title


@pytest.mark.parametrize("language", HOME)
def test_the_whole_text_has_every_page_and_its_links_start_from_the_language_s_home(site, plain, language):
    home = site.path / HOME[language]
    whole = (home / "llms-full.txt").read_text("utf-8")
    for page, text in plain.items():
        if page.startswith("en/") == (language == "en"):
            assert text.partition("\n")[0] in whole
            assert all(code in whole for _, code in blocks(text))
    assert not [target for target in targets(whole) if not (home / target).is_file()]


def test_parts_that_only_a_browser_shows_are_told_in_words():
    html = """
    <h1>Run<a class="headerlink" href="#run">¶</a></h1>
    <div class="tabbed-set"><input type="radio"/><div class="tabbed-labels"><label>Shell</label><label>Python</label></div>
    <div class="tabbed-content"><div class="tabbed-block"><p>one</p></div><div class="tabbed-block"><p>two</p></div></div></div>
    <details><summary>More</summary><p>inside</p></details>
    <svg aria-label="A picture in words"><text>node</text></svg><span class="twemoji"><svg></svg></span>
    <table><thead><tr><th>a|b</th></tr></thead><tbody><tr><td><code>x|y</code></td></tr></tbody></table>
    <div class="language-text highlight"><pre><span>```</span> in &lt;code&gt;</pre></div>
    <p><a class="term" href="glossary.html" title="what">node</a> <a href="other.html#part" title="t">other</a></p>
    """
    expected = [
        "# Run", "**Shell**", "one", "**Python**", "two", "**More**", "inside", "A picture in words",
        "| a\\|b |\n| --- |\n| `x\\|y` |", "````text\n``` in <code>\n````", "node [other](OTHER.HTML#PART)",
    ]  # fmt: skip
    found = plain_pages.plain(html, str.upper)
    assert [part.strip() for part in re.split(r"\n{2,}", found)] == expected


@pytest.mark.parametrize(
    ("target", "beside", "whole"),
    [
        ("../privacy.html#ask", "../privacy.md#ask", "privacy.md#ask"),
        ("#verify", "mnist.md#verify", "guides/mnist.md#verify"),
        ("../notebooks/mnist.html", "../notebooks/mnist.html", "notebooks/mnist.html"),
        ("https://example.org/a.html", "https://example.org/a.html", "https://example.org/a.html"),
    ],
)
def test_a_link_leads_to_markdown_seen_from_where_it_stands(target, beside, whole):
    text = plain_pages.relink(target, "guides/mnist.html", {"guides/mnist.html", "privacy.html"})
    assert plain_pages.seen_from("guides", text) == beside and plain_pages.seen_from("", text) == whole


def test_addresses_in_the_list_are_whole_where_the_site_has_one():
    page = plain_pages.PlainPage("guides/mnist.md", "", "MNIST", "Digits.", "")
    text = plain_pages.index([page], [], {"title": "T", "description": "D."}, "en", "https://example.org/en/")
    assert "- [MNIST](https://example.org/en/guides/mnist.md): Digits." in text
    assert "https://example.org/en/llms-full.txt" in text and SKIPPED not in text


SKIPPED = f"## {plain_pages.SKIPPABLE}"
