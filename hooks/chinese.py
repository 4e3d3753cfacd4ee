"""Let Chinese text break over source lines without a gap: a line end between two Chinese characters is no space."""

from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

CHINESE = "[\u2018-\u201d\u2026\u3000-\u303f\u3400-\u9fff\uff00-\uffef]"  # quotes, dots, punctuation, characters, full-width forms


class JoinedLines(InlineProcessor):
    """Drop the line end."""

    def handleMatch(self, m, data):
        return "", m.start(), m.end()


class ChineseLines(Extension):
    """Bring the joining into Python-Markdown, after code spans and links."""

    def extendMarkdown(self, md):
        md.inlinePatterns.register(JoinedLines(f"(?<={CHINESE})[ ]?\n(?={CHINESE})", md), "chinese-lines", 5)


def on_config(config):
    config.markdown_extensions.append(ChineseLines())
