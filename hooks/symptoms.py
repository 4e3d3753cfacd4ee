"""Draw the page of symptoms from the list that `playground explain` reads too.

{{ symptoms: install }}   the symptoms of a group, each under a heading of its own
{{ symptoms: tests }}     which of them this project's tests hold
"""

import re
import tomllib
from pathlib import Path

from mkdocs.exceptions import PluginError

FILE = Path("src", "alphamed_tutorials", "symptoms.toml")
PLACEHOLDER = re.compile(r"\{\{\s*symptoms:\s*(\S+)\s*\}\}")
WORDS = {
    "zh": {"cause": "**原因**：", "cure": "**办法**：", "threads": "别人遇到过：", "comma": "、", "colon": "："},
    "en": {"cause": "**Why**: ", "cure": "**Cure**: ", "threads": "Others had it: ", "comma": ", ", "colon": ": "},
}
THREAD = re.compile(r"https://github\.com/(?P<repository>[^/]+/[^/]+)/(?:issues|pull)/(?P<number>\d+)")


def read(root: Path) -> dict[str, dict]:
    """Return the symptoms by name."""
    return tomllib.loads((root / FILE).read_text(encoding="utf-8"))


def entry(name: str, symptom: dict, language: str) -> str:
    """Return the Markdown of a symptom: its heading, what is said on the screen, cause, cure, where others had it."""
    words, said = WORDS[language], symptom[language]
    texts = " ".join(
        f"**`` {text.strip()} ``**" if "`" in text else f"**`{text.strip()}`**" for text in symptom["texts"]
    )
    threads = words["comma"].join(
        f"[{found['repository']}#{found['number']}]({url})"
        for url in symptom.get("threads", [])
        if (found := THREAD.fullmatch(url))
    )
    parts = [
        f"### {said['symptom']} {{ #{name} }}",
        texts and f"{texts}\n{{ .said }}",
        f"{words['cause']}{said['cause']}",
        f"{words['cure']}{said['cure']}",
        threads and f"{words['threads']}{threads}\n{{ .threads }}",
    ]
    return "\n\n".join(filter(None, parts))


def tests(symptoms: dict[str, dict], language: str) -> str:
    """Return a list of the symptoms that tests hold, with the names of these."""
    words = WORDS[language]
    return "\n".join(
        f"- [{symptom[language]['symptom']}](#{name}){words['colon']}"
        + words["comma"].join(f"`{test}`" for test in symptom["tests"])
        for name, symptom in symptoms.items()
        if "tests" in symptom
    )


def replace(markdown: str, page: str, symptoms: dict[str, dict], language: str) -> str:
    """Return the page's text with every placeholder replaced, indented as it was.

    Raises:
        PluginError: There is no such group; the message names the page.
    """

    def answer(group: str) -> str:
        if group == "tests":
            return tests(symptoms, language)
        found = [entry(name, each, language) for name, each in symptoms.items() if each["group"] == group]
        if not found:
            raise PluginError(f"{page}: {FILE} has no group {group}")
        return "\n\n".join(found)

    lines = []
    for line in markdown.split("\n"):
        match = PLACEHOLDER.fullmatch(line.strip())
        indent = line[: len(line) - len(line.lstrip())]
        lines += [indent + new if new else "" for new in answer(match[1]).split("\n")] if match else [line]
    return "\n".join(lines)


def on_page_markdown(markdown, page, config, files):
    if "{{ symptoms" not in markdown:
        return markdown
    name = f"{Path(config.docs_dir).name}/{page.file.src_uri}"
    return replace(markdown, name, read(Path(config.config_file_path).parent), config.theme["language"])
