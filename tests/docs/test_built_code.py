"""The code blocks of the built pages are the very code that test_pages.py runs."""

import re

import pytest
from bs4 import BeautifulSoup
from built import code_blocks

from comments import in_chinese
from pages import ROOT, RUN_LANGUAGES, find_pages

PAGES = find_pages()

MARK = re.compile(
    r" *# \(\d+\)!"
)  # counted anew, and left out where no list follows: test_every_sign_has_its_explanation
FOLDERS = {"zh": "", "en": "en"}  # where each language lies in the built site


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_reader_sees_the_tested_code(page, site):
    name = page.path.relative_to(ROOT / "docs" / page.language).with_suffix(".html")
    html = (site.path / FOLDERS[page.language] / name).read_text("utf-8")
    shown = [(language, text.strip("\n")) for language, text in code_blocks(html) if language in RUN_LANGUAGES]
    blocks = [(block.language, block.text.strip("\n")) for block in page.blocks if block.language in RUN_LANGUAGES]
    is_chinese = page.language == "zh"
    tested = [(kind, in_chinese(text) if is_chinese and kind == "python" else text) for kind, text in blocks]
    assert [(kind, MARK.sub("", text)) for kind, text in shown] == [(kind, MARK.sub("", text)) for kind, text in tested]


def test_code_blocks_are_found_and_those_of_docstrings_left_out():
    html = """
    <div class="language-python highlight"><span class="filename">a.py</span><pre><span></span><code>
    <a id="1"></a><span class="k">if</span> a &lt; b:</code></pre></div>
    <p><code>inline</code></p>
    <div class="language-sh highlight"><table><tr><td><div><pre>1</pre></div></td>
    <td class="code"><div><pre><code>ls</code></pre></div></td></tr></table></div>
    <div class="doc doc-contents"><div class="language-python highlight"><pre><code>run()</code></pre></div></div>
    <div class="highlight"><pre><code>plain</code></pre></div>
    """
    blocks = [(language, text.strip()) for language, text in code_blocks(html)]
    assert blocks == [("python", "if a < b:"), ("sh", "ls")]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_sign_has_its_explanation(page, site):
    html = (site.path / FOLDERS[page.language] / page.path.relative_to(ROOT / "docs" / page.language)).with_suffix(
        ".html"
    )
    soup = BeautifulSoup(html.read_text("utf-8"), "html.parser")
    for box in soup.select("div.highlight"):
        if numbers := sorted(set(map(int, re.findall(r"# \((\d+)\)!", box.get_text())))):
            after = box.find_next_sibling()
            assert after.name == "ol" and numbers == list(range(1, len(after.find_all("li", recursive=False)) + 1))
