"""Draw the options of a `playground` command from the command itself.

{{ options: run }}   a table of its options, in the page's language

`docs/options.json` holds them as the command has them, `docs/options.zh.json` each text in Chinese; a test holds the
first against the command: `tools/record_options.py` records it anew.
"""

import functools
import json
import re
from html import escape
from pathlib import Path

from mkdocs.exceptions import PluginError

PLACEHOLDER = re.compile(r"^\{\{\s*options:\s*(\S.*?)\s*\}\}$", re.MULTILINE)
WORDS = {
    "zh": {"option": "选项", "meaning": "含义", "default": "{}。默认：{}", "required": "{}（必填）"},
    "en": {"option": "Option", "meaning": "Meaning", "default": "{}; default: {}", "required": "{} (required)"},
}


def table(options: list[dict[str, str]], language: str, chinese: dict[str, str]) -> str:
    """Return the table of a command's options.

    Args:
        options: As `tools/record_options.py` records them.
        language: The page's language.
        chinese: Each text in Chinese.

    Raises:
        KeyError: A text is not there in Chinese.
    """
    words = WORDS[language]
    rows = []
    for option in options:
        meaning = _said(option["help"], language, chinese)
        if "required" in option:
            meaning = words["required"].format(meaning)
        elif "default" in option:
            default = option["default"]  # a value, such as 0 or a path, or words
            value = _said(default, language, chinese) if default in chinese else f"<code>{escape(default)}</code>"
            meaning = words["default"].format(meaning, value)
        name, _, value = escape(option["name"]).partition(" ")
        value = value.replace("|", "<wbr>|")  # a list of choices may wrap, a name may not
        code = f'<code><span style="white-space:nowrap">{name}</span> {value}'.strip() + "</code>"
        rows.append(f"<tr><td>{code}</td><td>{meaning}</td></tr>")
    head = f"<thead><tr><th>{words['option']}</th><th>{words['meaning']}</th></tr></thead>"
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _said(text: str, language: str, chinese: dict[str, str]) -> str:
    """Return a text in the page's language, with its code marked."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(chinese[text] if language == "zh" else text, quote=False))


@functools.cache
def read(docs: Path) -> tuple[dict, dict]:
    """Return every command's options, and each text in Chinese."""
    return tuple(json.loads((docs / f"{name}.json").read_text("utf-8")) for name in ("options", "options.zh"))


def replace(markdown: str, page: str, docs: Path, language: str) -> str:
    """Return the page's text with every placeholder replaced.

    Raises:
        PluginError: There is no such command, or a text is not there in Chinese.
    """

    def answer(match: re.Match) -> str:
        commands, chinese = read(docs)
        try:
            return table(commands[match[1]], language, chinese)
        except KeyError as missing:
            raise PluginError(
                f"{page}: {match[0]}: docs/options.json or docs/options.zh.json has no {missing}"
            ) from missing

    return PLACEHOLDER.sub(answer, markdown)


def on_pre_build(config):
    read.cache_clear()


def on_page_markdown(markdown, page, config, files):
    docs = Path(config.docs_dir).parent
    return replace(markdown, f"{Path(config.docs_dir).name}/{page.file.src_uri}", docs, config.theme["language"])
