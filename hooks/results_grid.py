"""Draw a recorded grid of runs as one figure with a slider for each of its three directions; `site.js` moves it.

All that a slider can bring up is drawn here, in the page's language: the script only exchanges it.
"""

import itertools
import json
from functools import partial
from html import escape

import chart
from results_html import WORDS, html_table, metric_facts, show, show_tick

FIRST = ("dirichlet:0.3", 1, 3)  # what the guide spoke about before
Y_TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1]
Key = tuple[str, int, int]  # partition, local epochs, owners
Lines = list[list[tuple[float, float]]]  # of each run: passes over the data, value
OWN = {
    "zh": {
        "sliders": ["标签偏斜", "本地训练", "数据方"],
        "values": ["每轮 {} 遍", "{} 个"],
        "iid": "没有（随机均分）",
        "dirichlet": "Dirichlet {}",
        "passes": "走过数据的遍数",
        "each": "各方单独训练",
        "said": "标签偏斜：{split}；{owners} 个数据方，每轮本地训练 {epochs} 遍，一共平均 {rounds} 次。联邦学习最终为 {federated}，"
        "集中训练为 {centralised}；单独训练最差 {worst}，最好 {best}。每个数据方一共上传 {sent} MB。",
        "caption": "种子 {seed}。{count} 次训练都走过数据 {passes} 遍，录制共用处理器时间 {minutes} 分钟。",
        "column": "每轮 {} 遍",
        "no_script": "滑块要有脚本才能拨动；所有组合的结果都在下面的数据里。",
    },
    "en": {
        "sliders": ["Label skew", "Local epochs", "Data owners"],
        "values": ["{} a round", "{}"],
        "iid": "none (IID)",
        "dirichlet": "Dirichlet {}",
        "passes": "Passes over the data",
        "each": "Each owner alone",
        "said": "Label skew: {split}; data owners: {owners}; local epochs a round: {epochs}, so averages: {rounds}. "
        "Federated learning ends at {federated}, centralised training at {centralised}; alone, the worst owner reaches "
        "{worst}, the best {best}. Each owner uploads {sent} MB in all.",
        "caption": "Seed {seed}. Each of {count} trainings passes {passes} times over its data; the recording took "
        "{minutes} minutes of processor time.",
        "column": "{} a round",
        "no_script": "The sliders need scripts; what every combination gives is in the data below.",
    },
}


class Grid:
    """A recorded grid, in the page's language.

    Attributes:
        record: What was recorded.
        words: Of the language.
        title: The metric's name.
        axes: The values along each of the three directions, in the order of a `Key`.
    """

    def __init__(self, record: dict, language: str) -> None:
        metric = metric_facts(record, record["metric"])
        self.record, self.words, self.title = record, WORDS[language] | OWN[language], metric[language]
        self.show = partial(show, format_spec=metric["format"])
        self._found = {each["name"]: each for each in record["experiments"]}
        keys = [self._key(each) for each in record["experiments"] if each["runs"][0]["name"] == "federated"]
        self.axes = [list(dict.fromkeys(values)) for values in zip(*keys, strict=True)]

    def places(self) -> list[Key]:
        """Return every place of the grid."""
        return list(itertools.product(*self.axes))  # type: ignore[arg-type]

    def rounds(self, key: Key) -> int:
        """Return how often is averaged at one place."""
        return self._federated(key)["rounds"]

    def lines(self, key: Key) -> tuple[Lines, Lines, Lines]:
        """Return the lines of federated learning, of centralised training and of each owner alone."""
        partition, epochs, owners = key
        alone = self._found[f"{partition}-{owners}-alone"]
        return self._lines(self._federated(key), epochs), self._lines(self._found["centralised"]), self._lines(alone)

    def said(self, key: Key) -> str:
        """Return one place of the grid in words."""
        partition, epochs, owners = key
        federated, centralised, alone = ([line[-1][1] for line in lines] for lines in self.lines(key))
        return self.words["said"].format(
            split=self.split(partition),
            owners=owners,
            epochs=epochs,
            rounds=self.rounds(key),
            federated=self.show(*federated),
            centralised=self.show(*centralised),
            worst=self.show(min(alone)),
            best=self.show(max(alone)),
            sent=f"{self.rounds(key) * self._federated(key)['runs'][0]['bytes_per_message'] / 1e6:.2f}",
        )

    def split(self, partition: str) -> str:
        """Return how the data were split, in words."""
        name, _, value = partition.partition(":")
        return self.words[name].format(value)

    def _key(self, experiment: dict) -> Key:
        return experiment["partition"], experiment["settings"]["merge_epochs"], experiment["nodes"]

    def _federated(self, key: Key) -> dict:
        partition, epochs, owners = key
        return self._found[f"{partition}-{owners}-{epochs}"]

    def _lines(self, experiment: dict, epochs: int = 1) -> Lines:
        curves = [run["metrics"][self.record["metric"]] for run in experiment["runs"]]
        return [[(number * epochs, value) for number, value in curve] for curve in curves]


def figure(record: dict, language: str) -> str:
    """Return the figure: the sliders, the picture, the same in words, its data folded, and what the script needs."""
    grid = Grid(record, language)
    frame = chart.Frame(record["passes"], Y_TICKS)
    federated, centralised, alone = grid.lines(FIRST)
    lines = "".join(
        f'<g class="run-{style}"><path class="run" d="{_path(frame, runs)}"/>{points}</g>'
        for style, runs, points in (
            ("node-1", alone, ""),
            ("centralised", centralised, ""),
            ("federated", federated, f'<path class="point" d="{_points(frame, federated)}"/>'),
        )
    )
    axes = frame.axes(grid.words["passes"], partial(show_tick, format_spec=".1%"))
    return (
        f'<figure class="results results-grid"><p class="chart-title">{grid.title}</p>{_sliders(grid)}'
        f"<noscript><p>{grid.words['no_script']}</p></noscript>"
        f"{frame.picture(grid.title, grid.said(FIRST), axes + lines)}{_legend(grid)}"
        f'<p class="results-said" aria-live="polite">{grid.said(FIRST)}</p>'
        f"<figcaption>{_caption(grid)}</figcaption>"
        f"<details><summary>{grid.words['data']}</summary>{_table(grid)}</details>"
        f'<script type="application/json">{_moving(grid, frame)}</script></figure>'
    )


def _sliders(grid: Grid) -> str:
    """Return the three sliders, hidden until a script is there that they move."""
    shown = [
        [grid.split(partition) for partition in grid.axes[0]],
        *([words.format(value) for value in values] for words, values in zip(grid.words["values"], grid.axes[1:])),
    ]
    rows = []
    for name, texts, values, first in zip(grid.words["sliders"], shown, grid.axes, FIRST, strict=True):
        place = values.index(first)
        rows.append(
            f'<label><span>{name}</span><input type="range" min="0" max="{len(values) - 1}" value="{place}" '
            f"aria-valuetext=\"{texts[place]}\" data-texts='{escape(json.dumps(texts, ensure_ascii=False))}'>"
            f"<output>{texts[place]}</output></label>"
        )
    return f'<div class="results-sliders" hidden>{"".join(rows)}</div>'


def _moving(grid: Grid, frame: chart.Frame) -> str:
    """Return, as JSON, what each place of the sliders shows: federated line, its points, the lines alone, the words."""
    places = {}
    for key in grid.places():
        federated, _, alone = grid.lines(key)
        place = ",".join(str(values.index(value)) for values, value in zip(grid.axes, key, strict=True))
        places[place] = [_path(frame, federated), _points(frame, federated), _path(frame, alone), grid.said(key)]
    return json.dumps(places, ensure_ascii=False, separators=(",", ":"))


def _legend(grid: Grid) -> str:
    return chart.legend(
        [
            chart.Curve(grid.words["federated"], "federated", []),
            chart.Curve(grid.words["centralised"], "centralised", []),
            chart.Curve(grid.words["each"], "node-1", []),
        ]
    )


def _caption(grid: Grid) -> str:
    experiments = grid.record["experiments"]
    return grid.words["caption"].format(
        seed=experiments[0]["seed"],
        count=sum(len(each["runs"]) for each in experiments),
        passes=grid.record["passes"],
        minutes=round(grid.record["processor_seconds"] / 60),
    )


def _table(grid: Grid) -> str:
    """Return where every run of the grid ends: one row a split."""
    partitions, epochs, owners = grid.axes
    rows = []
    for partition, count in itertools.product(partitions, owners):
        ends = [grid.lines((partition, number, count))[0][0][-1][1] for number in epochs]
        alone = [line[-1][1] for line in grid.lines((partition, epochs[0], count))[2]]
        span = f"{grid.show(min(alone))} – {grid.show(max(alone))}"
        rows.append([f"{grid.split(partition)}, {count}", *map(grid.show, ends), span])
    head = [f"{grid.words['sliders'][0]}, {grid.words['sliders'][2]}"]
    return html_table([*head, *(grid.words["column"].format(number) for number in epochs), grid.words["each"]], rows)


def _path(frame: chart.Frame, lines: Lines) -> str:
    """Return one path through all points of each line."""
    return "".join("M" + "L".join("{:.0f} {:.0f}".format(*frame.place(*point)) for point in line) for line in lines)


def _points(frame: chart.Frame, lines: Lines) -> str:
    """Return one path of a diamond at each point."""
    places = [frame.place(*point) for line in lines for point in line]
    return "".join(f"M{x:.0f} {y - 4:.0f}l4 4-4 4-4-4z" for x, y in places)
