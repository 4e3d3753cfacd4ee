"""Draw the table of the environments that the tests also ran in.

{{ lanes }}   a row for each of them, from `docs/lanes.json`, which tools/run_lanes.py records
"""

import json
from html import escape
from pathlib import Path

PLACEHOLDER = "{{ lanes }}"
WORDS = {
    "zh": {
        "head": ("环境", "版本", "结果", "日期"),
        "newest": "各库最新的版本",
        "oldest": "支持的最旧版本",
        "torchtext": "torchtext（原教程）",
        "flower": "Flower",
        "zensical": "用 Zensical 构建网站",
        "python": "Python {}",
        "interpreter": "没有运行：机器上没有 {}",
        "pip": "没有运行：装不上，{}",
        "tests": "通过 {passed}，失败 {failed}，跳过 {skipped}",
        "site": "{pages} 个网页，其中有 {placeholders} 处占位符没有内容",
        "broken": "构建失败：{}",
    },
    "en": {
        "head": ("Environment", "Versions", "What came of it", "Date"),
        "newest": "The newest versions of all libraries",
        "oldest": "The oldest versions supported",
        "torchtext": "torchtext (the original tutorial)",
        "flower": "Flower",
        "zensical": "The site built with Zensical",
        "python": "Python {}",
        "interpreter": "Not run: the machine has no {}",
        "pip": "Not run: it cannot be installed, {}",
        "tests": "{passed} passed, {failed} failed, {skipped} skipped",
        "site": "{pages} pages, with {placeholders} placeholders that stand for nothing",
        "broken": "The build fails: {}",
    },
}
SHOWN = ("python", "torch", "torchtext", "flwr", "numpy", "mkdocs", "zensical")  # versions, where a lane has them


def title(name: str, language: str) -> str:
    """Return what a reader calls a lane."""
    words = WORDS[language]
    return words[name] if name in words else words["python"].format(name.removeprefix("python"))


def outcome(found: dict, language: str) -> str:
    """Return what came of a lane, in words."""
    words = WORDS[language]
    if "not_run" in found:
        kind, what = found["not_run"]
        return words[kind].format(what)
    if "pages" in found:
        return words["broken"].format(found["failed"][0]) if found["failed"] else words["site"].format_map(found)
    return words["tests"].format_map(found | {"failed": len(found["failed"])})


def table(lanes: dict[str, dict], language: str) -> str:
    """Return the table of the lanes, in HTML."""
    rows = []
    for name, found in lanes.items():
        versions = found.get("versions", {})
        shown = ", ".join(f"{each} {versions[each]}" for each in SHOWN if each in versions)
        cells = (title(name, language), shown, outcome(found, language), found["date"])
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{word}</th>" for word in WORDS[language]["head"])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def on_page_markdown(markdown, page, config, files):
    if PLACEHOLDER not in markdown:
        return markdown
    file = Path(config.config_file_path).parent / "docs" / "lanes.json"
    return markdown.replace(PLACEHOLDER, table(json.loads(file.read_text("utf-8")), config.theme["language"]))
