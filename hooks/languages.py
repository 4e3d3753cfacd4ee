"""Link every page to the same page in the other language, relatively: it works under any address and from file://."""

HOME = {"zh": "", "en": "en/"}  # where each language lies below the site's root
NAMES = {"zh": "中文", "en": "English"}


def alternates(language: str, url: str) -> list[dict[str, str]]:
    """Return Material's `extra.alternate` for the page at `url`, relative to the root of its own language."""
    up = "../" if HOME[language] else ""
    return [{"lang": lang, "name": NAMES[lang], "link": _link(up, language, lang) + url} for lang in HOME]


def _link(up: str, language: str, target: str) -> str:
    return "" if target == language else up + HOME[target]


def on_page_context(context, page, config, nav):
    language = config.theme["language"]
    config.extra["alternate"] = alternates(language, page.url)
    # Both languages remember light or dark together: one storage scope, the root of the whole site.
    config.extra["scope"] = context["base_url"] + ("/.." if HOME[language] else "")
