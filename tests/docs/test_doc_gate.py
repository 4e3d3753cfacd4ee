"""The doc gate over all pages: gate.py says what holds, test_gate_rules.py proves that each rule can fail."""

import gate
import pytest

from pages import LANGUAGES, ROOT, find_pages

PAGES = find_pages()

BY_NAME = {(page.language, page.path.relative_to(ROOT / "docs" / page.language).as_posix()): page for page in PAGES}
PAIRS = [
    (page, BY_NAME["en", name])
    for (language, name), page in BY_NAME.items()
    if language == LANGUAGES[0] and ("en", name) in BY_NAME
]


def check(complaints):
    __tracebackhide__ = True
    found = list(complaints)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=str)
@pytest.mark.parametrize("rule", gate.PAGE_RULES, ids=lambda rule: rule.__name__)
def test_page(rule, page):
    check(rule(page))


@pytest.mark.parametrize("chinese, english", PAIRS, ids=str)
@pytest.mark.parametrize("rule", gate.LANGUAGE_RULES, ids=lambda rule: rule.__name__)
def test_languages(rule, chinese, english):
    check(rule(chinese, english))


@pytest.mark.parametrize("rule", gate.PROJECT_RULES, ids=lambda rule: rule.__name__)
def test_project(rule):
    check(rule(ROOT, PAGES))
