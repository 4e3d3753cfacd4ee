"""What readers type leads to what answers it: error texts, options, names in code, and their own words."""

import gzip
import json
import re
import tomllib
from pathlib import Path

import pytest
from browsing import opened, search

from pages import ROOT
from search_index import BOLD, SYNONYMS, sections
from symptoms import read

# Chinese query, English query; the first hit's address, and what its section says.
QUERIES = [
    ("数据验证", "data verification", r"#(data-)?verif", "验证|verif"),
    ("DatasetVerify", "DatasetVerify", r"#verify|own-code|alphamed|#contract|#data-verification", "DatasetVerify"),
    ("任务状态不对", "任务状态不对", r"symptoms\.html#wrong-task-state", "任务状态不对"),
    ("一直在验证中", "verification never ends", r"symptoms\.html#verification-hangs", "验证|verif"),
    ("词表", "vocabulary", r"language_modeling", "词表|vocabulary"),
    ("momentum", "momentum", r"mnist-program\.html#loss|#update-rule", "动量|momentum"),
    ("BatchNorm", "BatchNorm", r"#batch-norm", "BatchNorm"),
    ("--partition", "--partition", r"cli\.html#(prepare|compare)", "--partition"),
    ("prepare --out", "prepare --out", r"#prepare", "--out"),
    ("mnist:", "mnist:", r"mnist|cli\.html#", "mnist"),
    ("size mismatch", "size mismatch", r"symptoms\.html#size-mismatch", "size mismatch"),
    ("TorchScript", "TorchScript", r"#(export|torchscript)", "TorchScript"),
    ("num_batches_tracked", "num_batches_tracked", r"speech_commands\.html#buffers", "num_batches_tracked"),
    ("resume", "resume", r"cli\.html#resume|quickstart\.html#run|guides/\w+\.html#run", "resume"),
    ("perplexity", "perplexity", r"language_modeling-program\.html#problem", "困惑度|perplexity"),
    ("怎么安装", "how to install", r"quickstart\.html#install", "安装|install"),
    ("内存不够", "out of memory", r"symptoms\.html#out-of-memory", "内存|memory"),
    ("断点续训", "continue training", r"cli\.html#resume", "resume"),
    ("预训练权重", "pretrained weights", r"own-code\.html#pretrained", "预训练权重|pretrained"),
    ("gpu", "gpu", r"own-code\.html#cards", "显卡|graphics card"),
    ("Windows", "Windows", r"quickstart\.html#(install|machines)", "Linux"),
    ("评估指标", "evaluation metrics", r"#(metrics|results|ap|report)", "指标|metrics"),
    ("Too few results gathered", "Too few results gathered", r"symptoms\.html#timeout", "Too few results gathered"),
    ("submit task", "submit task", r"alphamed", "submit"),
]  # fmt: skip
IN_VIEW = """words => {
    const { top } = [...document.querySelectorAll("td")].find(cell => cell.innerText.includes(words)).getBoundingClientRect();
    return 0 < top && top < innerHeight;
}"""
LANGUAGES = {"zh": "", "en": "en/"}
SYMPTOM_IN_A_TABLE = {"zh": "AP 一直是 0", "en": "AP stays at 0"}


def scripts(site, language: str) -> list[Path]:
    return [site.path / LANGUAGES[language] / "search" / name for name in ("read.js", "looked-up.js")]


def read_index(site, language: str) -> dict:
    first, second = (re.search(r"[\[{].*[\]}]", script.read_text("utf-8"))[0] for script in scripts(site, language))
    index = json.loads(first)
    return index | {"sections": index["sections"] + json.loads(second)}


def says(section: dict) -> str:
    text = (text.replace(BOLD, "") for text in section["text"])
    return "\n".join([section["title"], *text, *map("\n".join, section["rows"]), *section["code"]])


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_search_finds_what_answers(browser, address, site, language):
    said = {section["url"]: says(section) for section in read_index(site, language)["sections"]}
    with opened(browser, address) as page:
        fetched = []
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(address + LANGUAGES[language] + "guides/mnist.html")
        assert not [url for url in fetched if "/search/" in url], "the index is fetched when search is used"
        hits = search(page, "任务状态不对")
        assert "任务状态不对" in hits[0]
        heights = page.evaluate(
            "[...document.querySelectorAll('.md-search-result__item')].map(hit => hit.offsetHeight)"
        )
        assert max(heights) < 200
        wrong = {}
        for *queries, place, words in QUERIES:
            query = queries[language == "en"]
            first = page.evaluate(
                "query => findSections(readIndex(window.searchIndex), query)[0]?.section.url ?? ''", query
            )
            if not (re.search(place, first) and re.search(words, said.get(first, ""), re.IGNORECASE)):
                wrong[query] = first
        assert not wrong
        row = SYMPTOM_IN_A_TABLE[language]
        assert row in search(page, row)[0]
        page.keyboard.press("Enter")
        page.wait_for_url("**/object_detection.html#trouble*")
        page.wait_for_function(IN_VIEW, arg=row)  # the row, not only its section


@pytest.mark.browser
def test_guides_are_searched_before_the_rest_is_there_and_what_it_adds_comes_by_itself(browser, address):
    with opened(browser, address) as page:
        held = []
        page.route("**/search/looked-up.js", lambda route: held.append(route))
        page.goto(address + "en/index.html")
        page.click(".md-search__input")
        page.keyboard.type("perplexity")
        page.wait_for_selector("[aria-busy=true] > .md-search-result__item")
        page.fill(".md-search__input", "zzz")
        status = page.locator(".md-search-result__meta")
        assert "No matching" not in status.inner_text(), "it may be in what is still to come"
        page.fill(".md-search__input", "Too few results gathered")
        assert not page.locator("a[href*='symptoms.html#timeout']").is_visible()
        while not held:
            page.wait_for_timeout(50)
        held.pop().continue_()
        page.wait_for_selector("[aria-busy=false] > :first-child > a[href*='symptoms.html#timeout']")
        page.fill(".md-search__input", "zzz")
        page.wait_for_function("document.querySelector('.md-search-result__meta').innerText.includes('No matching')")


@pytest.mark.browser
@pytest.mark.parametrize("language", LANGUAGES)
def test_search_finds_each_symptom_by_what_is_said_and_by_what_is_seen(browser, address, language):
    queries = [
        (name, text.replace("…", " ").replace("`", "").strip())
        for name, symptom in read(ROOT).items()
        for text in [*symptom["texts"], symptom[language]["symptom"]]
    ]
    with opened(browser, address) as page:
        page.goto(f"{address}{LANGUAGES[language]}symptoms.html")
        search(page, queries[0][1])
        found = page.evaluate(
            """texts => {
                const index = readIndex(window.searchIndex);
                return texts.map(text => findSections(index, text).slice(0, 10).map(hit => hit.section.url));
            }""",
            [text for _, text in queries],
        )
    missing = {text: urls for (name, text), urls in zip(queries, found) if f"symptoms.html#{name}" not in urls}
    assert not missing
    first = {name for (name, _), urls in zip(queries, found) if urls[0] == f"symptoms.html#{name}"}
    assert first == read(ROOT).keys()
    behind = [text for (name, text), urls in zip(queries, found) if f"symptoms.html#{name}" not in urls[:3]]
    assert len(behind) < len(queries) / 50, behind


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_index_is_small_and_holds_no_notebook_and_no_listing(site, language):
    sizes = [len(gzip.compress(script.read_bytes())) for script in scripts(site, language)]
    assert max(sizes) < 120_000
    for section in read_index(site, language)["sections"]:
        assert "notebooks/" not in section["url"]
        assert all(len(code) < 1500 for code in section["code"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_synonym_leads_to_a_word_that_pages_have(site, language):
    index = read_index(site, language)
    said = "\n".join(map(says, index["sections"])).lower()
    synonyms = tomllib.loads(SYNONYMS.read_text("utf-8"))[language]
    assert index["synonyms"] == synonyms
    added = {word for theirs, ours in synonyms.items() for word in ours.split() if word not in theirs}
    assert {word for word in added if word not in said} == set()
    assert all(theirs == theirs.lower() for theirs in synonyms), "queries are compared in lower case"


def test_a_page_is_cut_at_its_headings():
    html = """<h1 id="page">Page<a class="headerlink">¶</a></h1><p>Some <strong>bold <code>words</code></strong>.</p>
    <h2 id="part">Part</h2><ul><li>One<ul><li>Two</li></ul></li></ul>
    <table><thead><tr><th>Symptom</th></tr></thead><tbody><tr><td><code>Error</code></td><td><p>Why</p></td><td>Cure</td></tr>
    <tr><td>2</td><td>Mistake</td><td>Why</td><td>Cure</td></tr></tbody></table>
    <div class="results"><p>recorded</p></div><!-- not run: for us --><pre><code>short</code></pre>"""
    long = "<pre><code>" + 20 * "line\n" + "</code></pre>"
    first, second = sections(html + long, "page.html")
    assert first["url"] == "page.html" and first["text"] == [f"Some {BOLD}bold words{BOLD}."]
    assert second == {
        "url": "page.html#part",
        "title": "Part",
        "page": "Page",
        "text": ["One", "Two"],
        "rows": [["Error", "Why · Cure"], ["Mistake", "Why · Cure"]],
        "code": ["short"],
    }
