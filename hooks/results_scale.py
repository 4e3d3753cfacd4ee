"""Turn what was recorded about many owners into a page's tables and one figure: docs/results/scale.json."""

from collections.abc import Callable
from html import escape
from math import log10

import chart
from results_html import html_table, show

FIGURE = "language_modeling"  # the example whose rounds are drawn
SHOWN = "100"  # Mbit/s: the link whose table is not folded
TICKS = [1, 10, 60, 600, 3600, 36_000, 172_800]  # seconds, on a scale of logarithms
WORDS = {
    "zh": {
        "example": "示例",
        "message": "一条消息",
        "owners": "{:,} 个数据方",
        "owners_axis": "数据方个数",
        "short": {1000: "1 千", 10_000: "1 万"},
        "training": "训练",
        "units": ["秒", "分钟", "小时", "天"],
        "tick_units": ["秒", "分", "时", "天"],
        "link": "链路 {}",
        "title": "语言模型一个轮次的用时",
        "sleeping": "只有 SDK 的等待",
        "said": "{}：10 个数据方时 {}，10,000 个时 {}",
        "and": "；",
        "stop": "。",
        "data": "图中的数据",
        "number": "数据方",
        "slowest": "最慢的一家",
        "slowest_95": "二十轮里最慢的一轮",
        "theory": "按公式",
        "nine_tenths": "只等九成",
        "last": "每家 {}：到齐",
        "groups": "组数",
        "flat": "不分组",
        "grouped": "分组",
        "sizes": "各组大小",
        "by_size": "按大小加权",
        "unweighted": "不加权",
        "way": "交回什么",
        "returned": "交回的消息",
        "share": "与全部相比",
        "range": "范围",
        "comma": "、",
        "setting": "{title}：内嵌数据，{nodes} 个数据方，{rounds} 个轮次；种子：{seeds}。",
        "full": "全部，float32",
        "float16": "float16",
        "bfloat16": "bfloat16",
        "largest-10": "最大的 10 %",
        "largest-1": "最大的 1 %",
        "largest-1-only": "最大的 1 %，其余丢掉",
    },
    "en": {
        "example": "Example",
        "message": "One message",
        "owners": "{:,} owners",
        "owners_axis": "Data owners",
        "short": {1000: "1k", 10_000: "10k"},
        "training": "Training",
        "units": ["s", "min", "h", "days"],
        "tick_units": ["s", "min", "h", "days"],
        "link": "Link of {}",
        "title": "A round of the language model",
        "sleeping": "The SDK's waiting alone",
        "said": "{}: {} with 10 owners, {} with 10,000",
        "and": "; ",
        "stop": ".",
        "data": "The data of this chart",
        "number": "Data owners",
        "slowest": "The slowest",
        "slowest_95": "In one round of twenty",
        "theory": "By the formula",
        "nine_tenths": "Nine tenths of them",
        "last": "All there, at {} each",
        "groups": "Groups",
        "flat": "At once",
        "grouped": "In groups",
        "sizes": "Their sizes",
        "by_size": "By size",
        "unweighted": "Unweighted",
        "way": "What is returned",
        "returned": "Message returned",
        "share": "Of all",
        "range": "Range",
        "comma": ", ",
        "setting": "{title}: embedded data, {nodes} data owners, {rounds} rounds. Seeds: {seeds}.",
        "full": "All, float32",
        "float16": "float16",
        "bfloat16": "bfloat16",
        "largest-10": "The largest 10 %",
        "largest-1": "The largest 1 %",
        "largest-1-only": "The largest 1 %, the rest dropped",
    },
}


def messages(record: dict, language: str) -> str:
    """Return, for each size of message, what the file service gives out in a round."""
    words = WORDS[language]

    def cells(row: dict) -> list[str]:
        return [show_bytes(row["bytes"]), *(show_bytes(each["bytes_out"]) for each in row["rounds"])]

    return _box(_by_example(record, language, words["message"], cells))


def rounds(record: dict, language: str) -> str:
    """Return how long a round takes with each link: one table open, the others folded."""
    words, tables = WORDS[language], []
    for link in _links(record):

        def cells(row: dict, link: str = link) -> list[str]:
            seconds = [row["training_seconds"], *(each["seconds"][link] for each in row["rounds"])]
            return [show_seconds(value, words) for value in seconds]

        table, title = _by_example(record, language, words["training"], cells), words["link"].format(_named(link))
        if link == SHOWN:
            tables.insert(0, f'<p class="chart-title">{title}</p>{table}')
        else:
            tables.append(f"<details><summary>{title}</summary>{table}</details>")
    return _box("".join(tables))


def groups(record: dict, language: str) -> str:
    """Return how long a round takes at once and in groups, where owners are many."""
    words, many = WORDS[language], [each["owners"] for each in record["stragglers"]][-2:]
    head = [words["example"]]
    for owners in many:
        head += [f"{words['owners'].format(owners)}{words['comma']}{words[way].lower()}" for way in ("flat", "grouped")]
    rows = []
    for row in record["messages"]:
        found = [each for each in row["rounds"] if each["owners"] in many]
        values = [each[way][SHOWN] for each in found for way in ("seconds", "grouped_seconds")]
        rows.append([_label(row, record, language), *(show_seconds(value, words) for value in values)])
    return _box(html_table(head, rows))


def links(record: dict, language: str) -> str:
    """Return the figure of a round's seconds over the number of owners: one line a link, and the SDK's waiting."""
    words = WORDS[language]
    row = next(row for row in record["messages"] if row["example"] == FIGURE)
    limits = next(each for each in record["experiments"] if each["name"] == "limits")
    owners = [each["owners"] for each in row["rounds"]]
    lines = {_named(link): [each["seconds"][link] for each in row["rounds"]] for link in _links(record)}
    lines[words["sleeping"]] = [limits["push_seconds"] * (5 + number) for number in owners]
    styles = ("node-1", "federated", "node-2", "centralised")
    curves = [
        chart.Curve(name, style, [(log10(x), log10(y)) for x, y in zip(owners, line, strict=True)])
        for (name, line), style in zip(lines.items(), styles, strict=True)
    ]
    ends = [
        words["said"].format(name, *(show_seconds(line[at], words) for at in (0, -1))) for name, line in lines.items()
    ]
    frame = chart.Frame(log10(owners[-1]), [log10(value) for value in TICKS])
    axes = frame.axes(
        words["owners_axis"],
        lambda y: show_seconds(round(10**y), {"units": words["tick_units"]}),
        lambda x: _short(round(10**x), words),
    )
    picture = frame.picture(words["title"], words["and"].join(ends) + words["stop"], axes + frame.lines(curves))
    table = html_table(
        [words["number"], *lines],
        [
            [f"{number:,}", *(show_seconds(value, words) for value in values)]
            for number, *values in zip(owners, *lines.values(), strict=True)
        ],
    )
    return (
        f'<figure class="results"><p class="chart-title">{words["title"]}</p>{picture}{chart.legend(curves)}'
        f"<details><summary>{words['data']}</summary>{table}</details></figure>"
    )


def stragglers(record: dict, language: str) -> str:
    """Return how many times an owner's usual time a round waits for, and how often everybody is there at its end."""
    words = WORDS[language]
    waits, chances = ("slowest", "slowest_95", "theory", "nine_tenths"), record["stragglers"][0]["all_last"]
    head = [words["number"], *(words[name] for name in waits)]
    head += [words["last"].format(show(float(chance), ".1%")) for chance in chances]
    rows = [
        [
            f"{each['owners']:,}",
            *(f"{each[name]:.1f}\N{NO-BREAK SPACE}×" for name in waits),
            *(show(value, ".1%") if value >= 0.001 else "<&nbsp;0.1&nbsp;%" for value in each["all_last"].values()),
        ]
        for each in record["stragglers"]
    ]
    return _box(html_table(head, rows))


def averages(record: dict, language: str) -> str:
    """Return how far averages of float32 are from the exact mean, taken at once and in groups."""
    words, ways = WORDS[language], ("flat", "by_size", "unweighted")
    head = [words[name] for name in ("number", "groups", "sizes", *ways)]
    rows = [
        [
            f"{each['owners']:,}",
            f"{each['groups']:,}",
            f"{each['smallest']:,} – {each['largest']:,}",
            *(f"{each[f'{way}_error']:.1e}".replace("-", "\N{MINUS SIGN}") for way in ways),  # where no line breaks
        ]
        for each in record["averages"]
    ]
    return _box(html_table(head, rows))


def compression(record: dict, experiment: dict, language: str) -> str:
    """Return what is sent and what is reached, for each way of returning parameters."""
    words, metric = WORDS[language], experiment["metric"]
    full = experiment["runs"][0]["bytes_returned"]
    rows = []
    for run in experiment["runs"]:
        values = run["values"]
        mean, bounds = sum(values) / len(values), sorted({min(values), max(values)})
        rows.append(
            [
                words[run["name"]],
                show_bytes(run["bytes_returned"]),
                show(run["bytes_returned"] / full, ".0%"),
                _shown(mean, metric["format"]),
                " – ".join(_shown(value, metric["format"]) for value in bounds) if len(bounds) > 1 else "–",
            ]
        )
    head = [words["way"], words["returned"], words["share"], escape(metric[language]), words["range"]]
    setting = words["setting"].format(
        title=experiment["title"][language],
        nodes=experiment["nodes"],
        rounds=experiment["rounds"],
        seeds=words["comma"].join(map(str, experiment["seeds"])),
    )
    return _box(f"{html_table(head, rows)}<p>{escape(setting)}</p>")


def show_bytes(number: float) -> str:
    """Return a number of bytes with three digits, in a unit that fits."""
    power = next((power for power in range(4) if number < 999.5 * 1000**power), 4)
    return f"{_three(number / 1000**power)}\N{NO-BREAK SPACE}{('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def show_seconds(seconds: float, words: dict) -> str:
    """Return a span of time with two or three digits, in a unit that fits."""
    *units, unit = words["units"]
    for smaller, limit, next_unit in zip(units, (60, 60, 48), (60, 60, 24), strict=True):
        if seconds < limit:
            unit = smaller
            break
        seconds /= next_unit
    return f"{_three(seconds)}\N{NO-BREAK SPACE}{unit}"


def _shown(value: float, format_spec: str) -> str:
    """Return a metric's value, without an exponent where it is very bad."""
    return f"{value:,.0f}" if value >= 1000 else show(value, format_spec)


def _three(number: float) -> str:
    return f"{number:,.0f}" if number >= 9.95 else f"{number:.2g}"


def _box(content: str) -> str:
    return f'<div class="results results-scale">{content}</div>'


def _by_example(record: dict, language: str, first: str, cells: Callable[[dict], list[str]]) -> str:
    """Return a table with a row for each size of message and a column for each number of owners."""
    words = WORDS[language]
    head = [words["example"], first, *(words["owners"].format(each["owners"]) for each in record["stragglers"])]
    rows = [[_label(row, record, language), *cells(row)] for row in record["messages"]]
    return html_table(head, rows)


def _short(number: int, words: dict) -> str:
    """Return a power of ten that has room at the end of an axis."""
    return words["short"].get(number, str(number))


def _label(row: dict, record: dict, language: str) -> str:
    """Return the example's title, with the experiment where several of it have messages of their own."""
    is_one_of_several = sum(other["example"] == row["example"] for other in record["messages"]) > 1
    return escape(row["title"][language]) + (f" <code>{row['experiment']}</code>" if is_one_of_several else "")


def _links(record: dict) -> list[str]:
    return list(record["messages"][0]["rounds"][0]["seconds"])


def _named(link: str) -> str:
    return f"{int(link) // 1000} Gbit/s" if int(link) >= 1000 else f"{link} Mbit/s"
