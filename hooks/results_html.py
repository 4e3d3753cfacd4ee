"""Turn recorded results into a page's HTML: text and tables, in Chinese and English; `results_figures.py` draws."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from html import escape

WORDS = {
    "zh": {
        "comma": "、",
        "gap": "",
        "run": "训练方式",
        "round": "轮次",
        "node": "数据方",
        "total": "合计",
        "right": "正确率",
        "class": "类别",
        "by_class": "各类别的{}",
        "lowest": "{}在类别 {} 上最低，为 {}",
        "corner": "实际 ＼ 判为",
        "seconds": "用时（秒）",
        "message": "每条消息",
        "centralised": "集中训练",
        "federated": "联邦学习",
        "alone": "{} 单独训练",
        "data": "图中的数据",
        "interval": "95% 区间",
        "less": "联邦学习减去它",
        "seeds": "种子 {} 的范围",
        "sure": "区间和差值来自对 {count} {unit}的 1,000 次自助抽样（bootstrap）；差值的区间不含 0，才算分得出高下。",
        "one_seed": "只用了一个种子。",
        "end": "{}最终为 {}",
        "between": "（95% 区间 {}）",
        "whisker": "最终结果的 95% 区间，次序与图例相同",
        "everything": "全部",
        "overall": "{}在全部类别上为 {}",
        "and": "；",
        "stop": "。",
        "iid": "随机均分（IID）",
        "owners": "按数据的天然归属",
        "dirichlet": "标签偏斜（Dirichlet {}）",
        "skew": "标签偏斜（每方各以一类为主，占该类的 {}）",
        "setting": "{partition}，{nodes} 个数据方，{rounds} 轮，种子 {seed}",
        "took": "，全部训练共用 {:.0f} 秒",
        "machine": "结果于 {date} 录制{took}；机器：{cpu}，{cores} 核，内存 {memory} GiB，{system}；"
        "种子：{seeds}；软件版本：{versions}。",
    },
    "en": {
        "comma": ", ",
        "gap": " ",
        "run": "Training",
        "round": "Round",
        "node": "Data owner",
        "total": "Total",
        "right": "Right",
        "class": "Class",
        "by_class": "{} by class",
        "lowest": "{} is lowest at {}: {}",
        "corner": "True ＼ taken for",
        "seconds": "Seconds",
        "message": "One message",
        "centralised": "Centralised",
        "federated": "Federated",
        "alone": "{} alone",
        "data": "The data of this chart",
        "interval": "95% interval",
        "less": "Federated minus this",
        "seeds": "Range over seeds {}",
        "sure": "Intervals and differences: 1,000 bootstrap samples of the {count} {unit} tested. Where a difference's interval "
        "holds 0, the two cannot be told apart.",
        "one_seed": "One seed only.",
        "end": "{} ends at {}",
        "between": " (95% interval {})",
        "whisker": "95% interval of the last value, in this order",
        "everything": "All",
        "overall": "{} has {} on all classes",
        "and": "; ",
        "stop": ".",
        "iid": "random, equal parts (IID)",
        "dirichlet": "label skew (Dirichlet {})",
        "skew": "label skew (each owner holds a share of {} of one class)",
        "setting": "{partition}, {nodes} data owners, {rounds} rounds, seed {seed}",
        "owners": "by owner of the data",
        "took": "; all trainings together took {:.0f} seconds",
        "machine": "Recorded on {date}{took} on {cpu}, {cores} cores, "
        "{memory} GiB of memory, {system}. Seed: {seeds}. Versions: {versions}.",
    },
}


def metric_facts(record: dict, name: str) -> dict[str, str]:
    """Return a metric's name in both languages and its format, as they were recorded; a metric without keeps its name."""
    unnamed = {"name": name, "zh": name, "en": name, "format": ".3g"}
    return next((metric for metric in record["metrics"] if metric["name"] == name), unnamed)


def show(value: float, format_spec: str) -> str:
    """Return a value as a reader wants it: in Python's format, with a gap before the sign of percent."""
    return f"{value:{format_spec}}".replace("%", "\N{NO-BREAK SPACE}%")


def show_tick(value: float, format_spec: str) -> str:
    """Return a round value: without the decimal of whole percents."""
    return show(value, format_spec).replace(".0\N{NO-BREAK SPACE}%", "\N{NO-BREAK SPACE}%")


def last(record: dict, metric: str, run: dict) -> str:
    """Return the last value of a metric of a run."""
    return show(run["metrics"][metric][-1][1], metric_facts(record, metric)["format"])


def label(run: dict, words: dict) -> str:
    return words.get(run["name"]) or words["alone"].format(run["name"])


def html_table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table on one line; each row's first cell is its heading. Cells are HTML."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(content: str) -> str:
    return content if content.startswith("<td") else f"<td>{content}</td>"


def setting(experiment: dict, words: dict) -> str:
    """Return how the data were split and trained on, in words."""
    name, _, value = experiment["partition"].partition(":")
    return words["setting"].format(**experiment | {"partition": words[name].format(value)})


def is_idle(experiment: dict) -> bool:
    """Return whether the machine did nothing else while an experiment was recorded."""
    return experiment.get("idle", True)


def table(record: dict, experiment: dict, language: str) -> str:
    """Return one row a run: its last test metrics, how sure the first one is, its seconds, the size of a message.

    Seconds that other work on the machine had part in say nothing, and are left out.
    """
    words, runs = WORDS[language], experiment["runs"]
    metrics = sorted((name for name in runs[0]["metrics"] if name.startswith("test/")), key=record["metric"].__ne__)
    columns = {words["run"]: lambda run: escape(label(run, words))}
    columns |= {escape(metric_facts(record, name)[language]): partial(last, record, name) for name in metrics[:1]}
    columns |= certainty(record, experiment, words)
    columns |= {escape(metric_facts(record, name)[language]): partial(last, record, name) for name in metrics[1:]}
    if is_idle(experiment):
        columns[words["seconds"]] = lambda run: f"{run['seconds']:.1f}"
    columns[words["message"]] = lambda run: (
        f"{run['bytes_per_message'] / 1000:,.0f} kB" if run["name"] == "federated" else "–"
    )
    rows = [[cell(run) for cell in columns.values()] for run in runs]
    note = setting(experiment, words)
    if "interval" in runs[0]:
        sure = words["sure"].format(count=runs[0]["units"], unit=record["independent"][language])
        notes = [note + words["stop"], sure, *([] if "more_seeds" in runs[0] else [words["one_seed"]])]
        note = words["gap"].join(notes)
    return f'<div class="results">{html_table(list(columns), rows)}<p>{escape(note)}</p></div>'


def interval(record: dict, run: dict) -> str:
    """Return the interval of the example's metric of a run, where it was recorded."""
    return span(run["interval"], metric_facts(record, record["metric"])["format"])


def difference(record: dict, run: dict) -> str:
    """Return the interval of the federated run's metric less a run's, where it was recorded."""
    format_spec = metric_facts(record, record["metric"])["format"]
    return " – ".join(signed(bound, format_spec) for bound in run["federated_less_this"])


def with_seed(record: dict, experiment: dict, run: dict, seed: str) -> str:
    """Return the last value of the example's metric of a run with another seed than the experiment's."""
    values = dict(zip(map(str, experiment["more_seeds"]), run["more_seeds"]))
    return show(values[seed][record["metric"]], metric_facts(record, record["metric"])["format"])


def span(bounds: Sequence[float], format_spec: str) -> str:
    """Return two values with what stands between them."""
    return " – ".join(show(bound, format_spec) for bound in bounds)


def signed(difference: float, format_spec: str) -> str:
    """Return a difference with its sign, and with as many digits as it takes to see on which side of 0 it lies."""
    if not difference:
        return show(0.0, format_spec)
    text = show(difference, f"+{format_spec}")
    if re.search("[1-9]", text):
        return text
    return signed(difference, re.sub(r"\d+", lambda digits: str(int(digits[0]) + 1), format_spec))


def certainty(record: dict, experiment: dict, words: dict) -> dict[str, Callable[[dict], str]]:
    """Return the columns that say how sure the example's metric is, as far as this was recorded."""
    name, runs = record["metric"], experiment["runs"]
    format_spec = metric_facts(record, name)["format"]

    columns = {}
    if "interval" in runs[0]:
        columns[words["interval"]] = partial(interval, record)
        columns[words["less"]] = lambda run: difference(record, run) if "federated_less_this" in run else "–"
    if "more_seeds" in runs[0]:
        seeds = words["comma"].join(map(str, [experiment["seed"], *experiment["more_seeds"]]))

        def over_seeds(run: dict) -> str:
            values = [run["metrics"][name][-1][1], *(again[name] for again in run["more_seeds"])]
            return span([min(values), max(values)], format_spec)

        columns[words["seeds"].format(seeds)] = over_seeds
    return columns


def counts(record: dict, experiment: dict, language: str) -> str:
    """Return how many training samples of each class every node holds; the more, the stronger the cell's tint."""
    words, classes = WORDS[language], record["data"]["classes"]
    rows = []
    for node, splits in experiment["counts"].items():
        if "train" not in splits:
            continue  # the aggregator
        numbers = [splits["train"].get(name, 0) for name in classes]
        tint = [f'<td style="--share:{number / max(max(numbers), 1):.2f}">{number:,}</td>' for number in numbers]
        rows.append([escape(node), *tint, f"{sum(numbers):,}"])
    return (
        f'<div class="results results-counts">'
        f"{html_table([words['node'], *map(escape, classes), words['total']], rows)}</div>"
    )


def matrix(record: dict, experiment: dict, language: str) -> str:
    """Return what the federated model took each class for: one row a true class, the more the stronger the tint."""
    words, classes = WORDS[language], record["data"]["classes"]
    run = next(run for run in experiment["runs"] if run["name"] == "federated")
    rows = []
    for true in classes:
        numbers = [run["details"][f"test/confusion/{true}/{found}"] for found in classes]
        total = max(sum(numbers), 1)
        tint = [f'<td style="--share:{number / total:.2f}">{number:.0f}</td>' for number in numbers]
        right = numbers[classes.index(true)] / total
        rows.append([escape(true), *tint, f"{sum(numbers):.0f}", show(right, ".1%")])
    head = [words["corner"], *map(escape, classes), words["total"], words["right"]]
    return f'<div class="results results-counts">{html_table(head, rows)}</div>'


def machine(record: dict, language: str) -> str:
    """Return one sentence about where, when and with what the results were recorded."""
    words, computer = WORDS[language], record["machine"]
    separator = "、" if language == "zh" else ", "
    seeds = sorted({experiment["seed"] for experiment in record["experiments"]})
    is_told = "seconds" in record and all(map(is_idle, record["experiments"]))
    took = words["took"].format(record["seconds"]) if is_told else ""
    return words["machine"].format(
        date=record["recorded"],
        took=took,
        cpu=computer["cpu"],
        cores=computer["cores"],
        memory=f"{computer['memory_gib']:g}",
        system=computer["system"],
        seeds=separator.join(map(str, seeds)),
        versions=separator.join(f"{name} {version}" for name, version in record["versions"].items()),
    )
