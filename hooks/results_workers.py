"""Turn what was recorded of many owners on one machine into a page's tables: docs/results/scale/workers.json."""

from html import escape

from results_html import html_table

WORDS = {
    "zh": {
        "example": "示例",
        "owners": "数据方",
        "one": "一个进程，每轮",
        "several": "{} 个进程，每轮",
        "gain": "快了",
        "set_up": "准备多用",
        "peak": "内存峰值",
        "data": "其中数据",
        "ready": "准备",
        "round": "每轮",
        "sample": "每个样本",
        "seconds": "秒",
        "milliseconds": "毫秒",
        "titles": {"mnist": "MNIST", "language_modeling": "语言模型", "object_detection": "目标检测"},
    },
    "en": {
        "example": "Example",
        "owners": "Data owners",
        "one": "One process, a round",
        "several": "{} processes, a round",
        "gain": "Faster",
        "set_up": "More to set up",
        "peak": "Memory, at most",
        "data": "Data in it",
        "ready": "To set up",
        "round": "A round",
        "sample": "A sample",
        "seconds": "s",
        "milliseconds": "ms",
        "titles": {
            "mnist": "MNIST",
            "language_modeling": "Language model",
            "object_detection": "Object detection",
        },
    },
}
MANY = ("few", "many")  # the recordings of as many owners
GAP = "\N{NO-BREAK SPACE}"


def gains(record: dict, language: str) -> str:
    """Return what several processes gain over one, by example."""
    words = WORDS[language]
    head = [words[name] for name in ("example", "owners", "one", "several", "gain", "set_up")]
    rows = [
        [
            escape(words["titles"][each["example"]]),
            f"{each['nodes']:,}",
            *(seconds(each[f"{way}_seconds_a_round"], words) for way in ("one", "several")),
            f"{each['gain']:.2f}{GAP}×",
            seconds(each["set_up_seconds_more"], words),
        ]
        for each in next(each["rows"] for each in record["experiments"] if each["name"] == "workers")
    ]
    return _box([title.format(record["workers"]) for title in head], rows)


def many(record: dict, language: str) -> str:
    """Return what a few owners and what many take in one process."""
    words = WORDS[language]
    head = [words[name] for name in ("owners", "peak", "data", "ready", "round", "sample")]
    rows = [
        [
            f"{each['nodes']:,}",
            *(f"{each[name]:,.0f}{GAP}MB" for name in ("peak_mb", "data_mb")),
            *(seconds(each[name], words) for name in ("set_up_seconds", "seconds_a_round")),
            f"{each['milliseconds_a_sample']:.2f}{GAP}{words['milliseconds']}",
        ]
        for each in record["experiments"]
        if each["name"] in MANY
    ]
    return _box(head, rows)


def seconds(value: float, words: dict) -> str:
    """Return measured seconds, short ones to the hundredth."""
    return f"{value:,.{2 if value < 10 else 0}f}{GAP}{words['seconds']}"


def _box(head: list[str], rows: list[list[str]]) -> str:
    return f'<div class="results results-scale">{html_table(head, rows)}</div>'
