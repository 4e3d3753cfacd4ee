"""On Chinese pages the comments of the code are Chinese, and the code is the tested one."""

import ast

import pytest

from comments import comments, in_chinese, translations
from pages import find_pages

BLOCKS = [
    (page, block)
    for page in find_pages()
    if page.language == "zh"
    for block in page.blocks
    if block.language == "python"
]


def test_every_comment_shown_has_a_translation_and_every_translation_is_shown():
    shown = {comment: str(page) for page, block in BLOCKS for comment in comments(block.text)}
    missing = {comment: page for comment, page in shown.items() if comment not in translations()}
    assert not missing, "write what they say in Chinese into snippets/comments.zh.toml"
    assert set(translations()) <= set(shown)


def test_only_comments_change():
    for _, block in BLOCKS:
        assert ast.dump(ast.parse(in_chinese(block.text))) == ast.dump(ast.parse(block.text))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 1  # dropout off", ["dropout off"]),
        ("# dropout off\nx", ["dropout off"]),
        ("x  # (1)!", []),
        ("x  # [N, 320]", []),
        ("url = 'a#b c'", []),
    ],
)
def test_what_says_nothing_in_words_needs_no_translation(code, found):
    assert comments(code) == found
