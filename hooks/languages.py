"""Link every page to the same page in the other language, relatively: it works under any address and from file://.

Only the head of a page (docs/overrides/main.html) and the sitemap name addresses, and only where SITE_URL is set:
English is under its `en/`.
"""

from functools import partial

HOME = {"zh": "", "en": "en/"}  # where each language lies below the site's root
OTHER = {
    "zh": {"lang": "en", "name": "EN", "title": "Read this page in English"},
    "en": {"lang": "zh", "name": "中文", "title": "阅读本页的中文版"},
}


def other_language(language: str, url: str, base: str) -> dict[str, str]:
    """Return the link to the page's twin.

    Args:
        language: The page's language.
        url: The page's address below its language's home.
        base: The way from the page up to its language's home, such as `..`.
    """
    other = OTHER[language]
    return other | {"link": f"{site_root(language, base)}{HOME[other['lang']]}{url}"}


def site_root(language: str, base: str) -> str:
    """Return the way from a page up to the root of the whole site, with a slash at its end."""
    return base.rstrip("/") + ("/../" if HOME[language] else "/")


def addresses(site: str, url: str) -> dict[str, str]:
    """Return a page's address in each language, and for readers of any other; none where the site has none.

    Args:
        site: The address of the whole site.
        url: The page's address below its language's home.
    """
    found = {language: f"{site}{home}{url}" for language, home in HOME.items()}
    return found | {"x-default": found["zh"]} if site else {}


def on_config(config):
    config.extra["site"] = config.site_url  # SITE_URL is the whole site's
    if config.site_url:
        config.site_url += HOME[config.theme["language"]]


def on_env(env, config, files):
    env.globals["addresses"] = partial(addresses, config.extra["site"])  # for sitemap.xml too, which is about all pages


def link_languages(context, url: str, config) -> None:
    """Let a page's template know of its twin, and let both languages remember light or dark together."""
    language, base = config.theme["language"], context["base_url"]
    context["other_language"] = other_language(language, url, base)
    config.extra["scope"] = site_root(language, base)


def on_page_context(context, page, config, nav):
    link_languages(context, page.url, config)


def on_template_context(context, template_name, config):
    if template_name == "404.html":
        if not config.extra["site"]:
            context["base_url"] = "."  # nobody knows where the site will be: see docs/overrides/404.html
        link_languages(context, template_name, config)
