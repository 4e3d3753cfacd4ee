"""Say how to get the project: with the address of its repository where that is set, with advice where it is not.

{{ repository: clone }}   the command that clones it, or where to get the address

The address stands in one place, `extra.repository` of mkdocs.base.yml, which takes it from REPOSITORY_URL.
"""

WORDS = {
    "zh": {
        "clone": "克隆仓库：",
        "ask": "先取得本项目的文件夹。仓库的地址由发给你这套教程的人提供，用 `git clone` 克隆，或者解开收到的压缩包；文件夹取名 `alphamed-tutorials`。",
    },
    "en": {
        "clone": "Clone the repository:",
        "ask": "Get the project's folder first. Whoever gave you these tutorials has the repository's address for `git clone`; or unpack the archive you were given. Call the folder `alphamed-tutorials`.",
    },
}
PLACEHOLDER = "{{ repository: clone }}"


def clone(address: str, language: str) -> str:
    """Return what takes the placeholder's place."""
    words = WORDS[language]
    return f"{words['clone']}\n\n```sh\ngit clone {address} alphamed-tutorials\n```" if address else words["ask"]


def replace(markdown: str, address: str, language: str) -> str:
    """Return the page's text with the placeholder replaced, indented as it was."""
    lines = []
    for line in markdown.split("\n"):
        if line.strip() == PLACEHOLDER:
            indent = line[: -len(line.lstrip())]
            lines += [indent + new if new else "" for new in clone(address, language).split("\n")]
        else:
            lines.append(line)
    return "\n".join(lines)


def on_page_markdown(markdown, page, config, files):
    return replace(markdown, config.extra["repository"], config.theme["language"])
