"""The build hooks, as plain functions."""

import copy
import json
import re
import subprocess
import sys

import markdown
import pytest
from matplotlib.figure import Figure
from mkdocs.config import load_config
from mkdocs.exceptions import PluginError

import annotations
import catalogue
import chart
import chinese
import dots
import glossary
import languages
import lazy_pictures
import navigation
import options
import repository
import results
import results_card
import results_figures
import results_html
import shared_files
import tables
from alphamed_tutorials.catalogue import find_all
from pages import ROOT

RUNS = [
    {"name": "centralised", "seconds": 30, "bytes_per_message": 9, "metrics": {"test/loss": [[1, 1.2], [2, 0.1]], "test/accuracy": [[1, 0.5], [2, 0.975]]}},
    {"name": "node1", "seconds": 8.26, "bytes_per_message": 9, "metrics": {"test/loss": [[1, 1.3], [2, 0.2]], "test/accuracy": [[1, 0.4], [2, 0.952]]}},
    {"name": "federated", "seconds": 26, "bytes_per_message": 91000, "metrics": {"test/loss": [[1, 1.4], [2, 0.15]], "test/accuracy": [[1, 0.45], [2, 0.963]]}},
]  # fmt: skip
RECORD = {
    "example": "mnist", "metric": "test/accuracy",
    "metrics": [
        {"name": "test/accuracy", "zh": "测试准确率", "en": "Test accuracy", "format": ".1%"},
        {"name": "test/loss", "zh": "测试损失", "en": "Test loss", "format": ".3g"},
    ],
    "recorded": "2026-11-22", "seconds": 300.1,
    "machine": {"cpu": "A CPU", "cores": 2, "memory_gib": 24, "system": "Linux"},
    "versions": {"python": "3.11", "torch": "2.12.1"},
    "data": {"source": "mnist", "train": 10, "test": 2, "classes": ["0", "1"]},
    "experiments": [
        {"name": "iid", "partition": "dirichlet:0.3", "nodes": 1, "rounds": 2, "seed": 1, "runs": RUNS,
         "counts": {"aggregator": {"test": {"0": 2}}, "node1": {"train": {"1": 1200}}}},
    ],
}  # fmt: skip


@pytest.fixture
def recorded(tmp_path):
    (tmp_path / "mnist.json").write_text(json.dumps(RECORD), encoding="utf-8")
    return tmp_path


def replaced(text, folder, language="en"):
    return results.replace(text, "zh/guides/mnist.md", folder, language)


def test_a_result_is_the_last_value_in_percent(recorded):
    assert replaced("At {{ result: mnist/iid/federated }}.", recorded) == "At 96.3\N{NO-BREAK SPACE}%."


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["测试准确率", "联邦学习", "node1 单独训练", "标签偏斜（Dirichlet 0.3）"]),
        ("en", ["Test accuracy", "Federated", "node1 alone", "label skew (Dirichlet 0.3)"]),
    ],
)
def test_table_and_chart_speak_the_page_s_language(recorded, language, words):
    for kind in ("results-table", "results-chart"):
        html = replaced(f"{{{{ {kind}: mnist/iid }}}}", recorded, language)
        assert [word for word in words if word not in html] == []
        assert "\n" not in html


def test_the_table_shows_the_size_of_a_message_where_messages_travel(recorded):
    html = replaced("{{ results-table: mnist/iid }}", recorded)
    assert html.count("91 kB") == 1 and html.count("<td>–</td>") == 2


def test_the_table_s_first_figure_is_the_example_s_metric(recorded):
    html = replaced("{{ results-table: mnist/iid }}", recorded)
    assert html.index("Test accuracy") < html.index("Test loss")


def test_the_table_says_how_sure_its_first_figure_is(recorded):
    record = copy.deepcopy(RECORD) | {"independent": {"zh": "个数字", "en": "digits"}}
    experiment = record["experiments"][0]
    for run in experiment["runs"]:
        run |= {"interval": [0.9, 0.95], "units": 360, "federated_less_this": [-0.01, 0.03]}
    del experiment["runs"][-1]["federated_less_this"]
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    html = replaced("{{ results-table: mnist/iid }}", recorded).replace("\N{NO-BREAK SPACE}", " ")
    assert "<td>90.0 % – 95.0 %</td><td>-1.0 % – +3.0 %</td>" in html
    assert "1,000 bootstrap samples of the 360 digits tested" in html and "One seed only." in html
    assert replaced("{{ result-interval: mnist/iid/federated }}", recorded).startswith("90.0")
    for run in experiment["runs"]:
        run["more_seeds"] = [{"test/accuracy": 0.5}, {"test/accuracy": 0.99}]
    experiment["more_seeds"] = [2, 3]
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    html = replaced("{{ results-table: mnist/iid }}", recorded, "zh").replace("\N{NO-BREAK SPACE}", " ")
    assert "种子 1、2、3 的范围" in html and "50.0 % – 99.0 %" in html and "只用了一个种子" not in html


@pytest.fixture
def sure(recorded):
    """Return the folder of a recording whose runs have intervals, and say what they do on each class."""
    record = copy.deepcopy(RECORD) | {"independent": {"zh": "个数字", "en": "digits"}}
    for run, bounds in zip(record["experiments"][0]["runs"], ([0.93, 0.99], [0.9, 0.97], [0.92, 1.0])):
        run |= {"interval": bounds, "units": 360, "by_class": {"0": 0.9, "1": 0.97}}
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    return recorded


def whiskers(html, number):
    """Return of each whisker its style, the marks in its group, and the two numbers of its ends at that place."""
    found = re.findall(r'<g class="run-([\w-]+)"><path class="mark whisker" d="(.*?)"/>(.*?)</g>', html)
    ends = {style: [float(part.split()[number]) for part in re.findall(r"M([^M]*?)[hv]", d)] for style, d, _ in found}
    return {style: (re.search(' d="(.*?)"', mark)[1], *ends[style]) for style, _, mark in found}


def test_each_curve_of_a_chart_ends_in_a_whisker_from_one_bound_to_the_other(sure):
    html = replaced("{{ results-chart: mnist/iid }}", sure).replace("\N{NO-BREAK SPACE}", " ")
    found = whiskers(html, 1)
    assert list(found) == ["federated", "centralised", "node-1"], "in the legend's order"
    assert len({shape for shape, *_ in found.values()}) == 3, "not by colour alone"
    places = dict(re.findall(r'y="([\d.]+)">([\d.]+) %', html))
    ticks = {float(value) / 100: float(y) - 4 for y, value in places.items()}
    (low, high), ys = (min(ticks), max(ticks)), ticks
    for style, bounds in {"federated": (0.92, 1.0), "centralised": (0.93, 0.99), "node-1": (0.9, 0.97)}.items():
        expected = [ys[low] + (ys[high] - ys[low]) * (bound - low) / (high - low) for bound in bounds]
        assert found[style][1:] == pytest.approx(expected, abs=0.2)
    lefts = [
        max(float(x) for x in re.findall(r"(?:M|L)([\d.]+) ", d))
        for d in re.findall('class="run" d="(M[^"]*L.*?)"', html)
    ]
    assert max(lefts) < min(x for _, *ends in whiskers(html, 0).values() for x in ends), "right of the last round"
    assert (
        "95% interval of the last value" in html and "Federated ends at 96.3 % (95% interval 92.0 % – 100.0 %)" in html
    )
    chinese = replaced("{{ results-chart: mnist/iid }}", sure, "zh").replace("\N{NO-BREAK SPACE}", " ")
    assert "最终结果的 95% 区间" in chinese and "联邦学习最终为 96.3 %（95% 区间 92.0 % – 100.0 %）" in chinese


def test_the_dots_of_all_classes_lie_on_whiskers(sure):
    html = replaced("{{ results-classes: mnist/iid }}", sure).replace("\N{NO-BREAK SPACE}", " ")
    found = whiskers(html, 0)
    assert found.keys() == {"federated", "centralised", "node-1"} and len({shape for shape, *_ in found.values()}) == 3
    for run, bounds in {"federated": (0.92, 1.0), "node-1": (0.9, 0.97)}.items():
        assert (found[run][2] - found[run][1]) / (found["centralised"][2] - found["centralised"][1]) == pytest.approx(
            (bounds[1] - bounds[0]) / 0.06, rel=0.01
        )
    assert (
        "95% interval</li>" in html and "node1 alone has 95.2 % on all classes (95% interval 90.0 % – 97.0 %)" in html
    )
    assert "95% 区间</li>" in replaced("{{ results-classes: mnist/iid }}", sure, "zh")


def test_without_intervals_there_is_no_whisker_and_no_key_to_it(recorded):
    html = replaced("{{ results-chart: mnist/iid }}", recorded)
    assert "whisker" not in html and "interval" not in html


def test_the_matrix_shows_what_each_class_was_taken_for(recorded):
    record = copy.deepcopy(RECORD)
    confusion = {"0/0": 3, "0/1": 1, "1/0": 0, "1/1": 5}
    record["experiments"][0]["runs"][2]["details"] = {f"test/confusion/{name}": n for name, n in confusion.items()}
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    html = replaced("{{ results-matrix: mnist/iid }}", recorded)
    row = '<th scope="row">0</th><td style="--share:0.75">3</td><td style="--share:0.25">1</td><td>4</td><td>75.0\N{NO-BREAK SPACE}%</td>'
    assert row in html and '<td style="--share:1.00">5</td>' in html


@pytest.mark.parametrize(("placeholder", "missing"), [("matrix", "details"), ("classes", "by_class")])
def test_what_an_example_does_not_record_is_named(recorded, placeholder, missing):
    with pytest.raises(PluginError, match=f"has no '{missing}' there"):
        replaced(f"{{{{ results-{placeholder}: mnist/iid }}}}", recorded)


def test_the_chart_draws_every_run_and_carries_its_data(recorded):
    html = replaced("{{ results-chart: mnist/iid }}", recorded)
    for style in ("run-federated", "run-centralised", "run-node-1"):
        assert html.count(f'"{style}"') == 2, "one line and one legend entry"
    assert 'role="img"' in html and "<title>" in html and "Federated ends at 96.3\N{NO-BREAK SPACE}%" in html
    assert (
        '<th scope="row">2</th><td>96.3\N{NO-BREAK SPACE}%</td><td>97.5\N{NO-BREAK SPACE}%</td><td>95.2\N{NO-BREAK SPACE}%</td>'
        in html
    )


def test_the_dots_show_every_run_on_every_class_by_shape_and_in_words(recorded):
    record = copy.deepcopy(RECORD)
    for run, shares in zip(record["experiments"][0]["runs"], ([0.9, 0.95], [0.0, 0.99], [0.97, 0.962])):
        run["by_class"] = dict(zip("01", shares))
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    html = replaced("{{ results-classes: mnist/iid }}", recorded).replace("\N{NO-BREAK SPACE}", " ")
    shapes = re.findall('<path class="mark" d="(.*?)"', html)
    assert len(shapes) == 3 * 3 + 3, "on each class, on all of them, and in the legend"
    assert len(set(shapes)) == 3, "not by colour alone"
    assert 'role="img"' in html and "node1 alone is lowest at 0: 0.0 %" in html
    assert "node1 alone has 95.2 % on all classes" in html
    assert '<th scope="row">1</th><td>96.2 %</td><td>95.0 %</td><td>99.0 %</td>' in html, "federated comes first"
    assert '<th scope="row">All</th><td>96.3 %</td><td>97.5 %</td><td>95.2 %</td>' in html
    assert "联邦学习在类别 1 上最低，为 96.2" in replaced("{{ results-classes: mnist/iid }}", recorded, "zh")


def test_a_better_dot_lies_further_right_and_each_class_has_its_row():
    runs = [
        chart.Curve("a", "federated", [("x", 0.2), ("y", 0.9), ("all", 0.5)]),
        chart.Curve("b", "node-1", [("x", 0.1), ("y", 1), ("all", 0.4)]),
    ]
    places = re.findall(r"translate\((\S+) (\S+)\)", dots.draw(runs, "t", "d", str))
    alone_x, alone_y, x, y, all_of_it, all_alone = ((float(right), float(down)) for right, down in places)
    assert all_alone[0] < all_of_it[0] and y[1] < all_of_it[1] < all_alone[1]
    assert alone_x[0] < x[0] < y[0] < alone_y[0]
    assert x[1] < alone_x[1] < y[1] < alone_y[1]


def test_names_and_formats_of_metrics_are_those_that_were_recorded(recorded):
    record = copy.deepcopy(RECORD)
    record["metrics"] = [{"name": "test/accuracy", "zh": "对的", "en": "Share right", "format": ".2%"}]
    (recorded / "mnist.json").write_text(json.dumps(record), encoding="utf-8")
    assert replaced("{{ result: mnist/iid/federated }}", recorded) == "96.30\N{NO-BREAK SPACE}%"
    table = replaced("{{ results-table: mnist/iid }}", recorded)
    assert "Share right" in table and "test/loss" in table and "<td>0.15</td>" in table, (
        "a metric without keeps its name"
    )
    assert ">对的<" in replaced("{{ results-chart: mnist/iid }}", recorded, "zh")


def test_a_run_that_tests_less_often_leaves_gaps_in_the_data():
    curves = [chart.Curve("a", "federated", [[1, 0.5], [2, 0.6]]), chart.Curve("b", "node-1", [[1, 0.4]])]
    assert "<td>0.6</td><td>–</td>" in results_figures.chart_data(curves, ".3g", results_figures.WORDS["en"])


def test_counts_show_the_data_owners_and_their_sums(recorded):
    html = replaced("{{ results-counts: mnist/iid }}", recorded)
    assert "aggregator" not in html and html.count("1,200") == 2 and "--share:1.00" in html


def test_the_machine_is_one_sentence(recorded):
    assert replaced("{{ results-machine: mnist }}", recorded) == (
        "Recorded on 2026-11-22; all trainings together took 300 seconds on A CPU, 2 cores, 24 GiB of memory, Linux. "
        "Seed: 1. Versions: python 3.11, torch 2.12.1."
    )
    assert "2 核" in replaced("{{ results-machine: mnist }}", recorded, "zh")


def test_numbers_measured_besides_training_come_from_a_recording_in_a_folder(recorded):
    record = {name: RECORD[name] for name in ("recorded", "machine", "versions")}
    record["experiments"] = [{"name": "class", "seed": 0, "idle": True, "hub_mb": 1234}]
    (recorded / "playground").mkdir()
    (recorded / "playground/classroom.json").write_text(json.dumps(record), "utf-8")
    assert replaced("{{ result-value: playground/classroom/class/hub_mb }}", recorded) == "1,234"
    assert replaced("{{ results-machine: playground/classroom }}", recorded).startswith(
        "Recorded on 2026-11-22 on A CPU"
    )
    with pytest.raises(PluginError, match="has no 'agent_mb' there"):
        replaced("{{ result-value: playground/classroom/class/agent_mb }}", recorded)


@pytest.mark.parametrize(("difference", "shown"), [
    (0.0, "0.0 %"), (0.068, "+6.8 %"), (0.00002, "+0.002 %"), (-0.0004, "-0.04 %"), (-0.012, "-1.2 %"),
])  # fmt: skip
def test_a_difference_shows_on_which_side_of_0_it_lies(difference, shown):
    assert results_html.signed(difference, ".1%").replace("\N{NO-BREAK SPACE}", " ") == shown


def test_seconds_that_other_work_had_part_in_are_not_shown(recorded):
    file = recorded / "mnist.json"
    content = json.loads(file.read_text("utf-8"))
    content["experiments"][0]["idle"] = False
    file.write_text(json.dumps(content), "utf-8")
    table = replaced("{{ results-table: mnist/iid }}", recorded)
    assert "96.3" in table and "Seconds" not in table and "8.3" not in table
    machine = replaced("{{ results-machine: mnist }}", recorded)
    assert machine.startswith("Recorded on 2026-11-22 on A CPU, ") and "300" not in machine


def test_a_text_may_quote_a_difference_and_another_seed(recorded):
    file = recorded / "mnist.json"
    content = json.loads(file.read_text("utf-8"))
    (experiment,) = content["experiments"]
    experiment["more_seeds"] = [2, 3]
    for run in experiment["runs"]:
        run |= {
            "federated_less_this": [-0.0004, 0.061],
            "more_seeds": [{"test/accuracy": 0.5}, {"test/accuracy": 0.25}],
        }
    file.write_text(json.dumps(content), "utf-8")
    found = replaced("{{ result-difference: mnist/iid/node1 }}, {{ result-seed: mnist/iid/node1/3 }}", recorded)
    assert found.replace("\N{NO-BREAK SPACE}", " ") == "-0.04 % – +6.1 %, 25.0 %"
    with pytest.raises(PluginError, match="has no '4' there"):
        replaced("{{ result-seed: mnist/iid/node1/4 }}", recorded)


@pytest.mark.parametrize(("placeholder", "reason"), [
    ("{{ result: mnist/iid/node9 }}", "no run 'node9', only centralised, node1, federated"),
    ("{{ result: mnist/iid }}", "takes example/experiment/run"),
    ("{{ results-table: mnist/skew }}", "no experiment 'skew', only iid"),
    ("{{ results-chart: nothing/iid }}", "nothing.json is missing: record it with `playground record nothing`"),
    ("{{ results-machine: }}", "takes example"),
    ("{{ results-plot: mnist/iid }}", "there is no 'results-plot'"),
    ("{{result mnist/iid/node9}}", "no run 'node9'"),
])  # fmt: skip
def test_what_was_not_recorded_stops_the_build(recorded, placeholder, reason):
    with pytest.raises(PluginError) as raised:
        replaced(f"At {placeholder}.", recorded)
    assert f"zh/guides/mnist.md: {placeholder}: " in str(raised.value) and reason in str(raised.value)


def test_a_record_without_the_metric_stops_the_build(recorded):
    damaged = copy.deepcopy(RECORD)
    del damaged["experiments"][0]["runs"][0]["metrics"]["test/accuracy"]
    (recorded / "mnist.json").write_text(json.dumps(damaged), encoding="utf-8")
    with pytest.raises(PluginError, match="has no 'test/accuracy' there"):
        replaced("{{ results-chart: mnist/iid }}", recorded)


def test_other_braces_stay(tmp_path):
    assert replaced("{{ other }} {{resulting: x}}", tmp_path) == "{{ other }} {{resulting: x}}"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.31, 0.963, [0.2, 0.4, 0.6, 0.8, 1.0]), (1, 10, [0, 2, 4, 6, 8, 10]), (3, 3, [3, 3.2])],
)
def test_ticks_are_round_and_enclose_the_values(low, high, expected):
    assert chart.ticks(low, high) == expected


def test_a_chart_of_one_round_can_be_drawn():
    assert 'class="point"' in chart.draw([chart.Curve("a", "federated", [(1, 0.5)])], "x", "y", "d", str)


@pytest.mark.parametrize(("language", "url", "base", "link"), [
    ("zh", "index.html", ".", "./en/index.html"), ("zh", "guides/mnist.html", "..", "../en/guides/mnist.html"),
    ("en", "index.html", ".", "./../index.html"), ("en", "guides/mnist.html", "..", "../../guides/mnist.html"),
])  # fmt: skip
def test_the_language_link_is_relative_and_stays_on_the_page(language, url, base, link):
    assert languages.other_language(language, url, base)["link"] == link


def test_navigation_takes_in_pages_in_the_examples_order_and_two_of_one_under_its_title():
    nav = ["index.md", {"Guides": ["guides/first.md", "guides/*"]}, {"CLI": "cli.md"}]
    guides = ["guides/unknown.md", "guides/a.md", "guides/b.md", "guides/b-program.md", "guides/first.md"]
    both = {"B": ["guides/b-program.md", "guides/b.md"]}
    expected = ["guides/first.md", both, "guides/a.md", "guides/unknown.md"]
    expanded = navigation.expand(nav, [*guides, "cli.md", "index.md"], {"b": "B", "a": "A"})
    assert expanded == ["index.md", {"Guides": expected}, {"CLI": "cli.md"}]


@pytest.fixture
def project(tmp_path):
    """Return a project's folder with two examples; the one that comes second by name comes first in order."""
    folder = tmp_path / catalogue.EXAMPLES
    for name, table in {"a": "", "b": 'order = 1\n[card]\nicon = "material-bee"\nzh = "蜂"\nen = "Bees"\n'}.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "scheduler.py").touch()
        head, _, card = table.partition("\n")
        text = f'{head}\n[title]\nzh = "{name} 中文"\nen = "{name} English"\n{card}'
        (folder / name / "example.toml").write_text(text, encoding="utf-8")
    return tmp_path


def drawn(project, what, language="en", guides=("b",), records=None):
    examples = catalogue.read_examples(project)
    text = f"{{{{ examples: {what} }}}}"
    return catalogue.replace(text, "zh/index.md", examples, language, set(guides), records or {})


def test_examples_are_read_in_their_order(project):
    assert [example.name for example in catalogue.read_examples(project)] == ["b", "a"]


def test_the_site_s_order_is_the_package_s():
    assert [example.name for example in catalogue.read_examples(ROOT)] == [target.name for target in find_all()]


def test_a_card_s_title_leads_to_the_first_of_its_pages_and_no_page_is_linked_twice(project):
    assert "- :material-bee: **[b English](guides/b.md)**\n\n    Bees\n\n" in drawn(project, "cards")
    both = drawn(project, "cards", guides=("b", "b-program"))
    assert "**[b English](guides/b-program.md)**\n\n    Bees\n\n    [Make it federated](guides/b.md)\n" in both
    assert both.count("](") == 2
    assert "- :material-bee: **[b 中文](guides/b.md)**\n\n    蜂\n" in drawn(project, "cards", "zh")
    assert "- **a English**\n\n</div>" in drawn(project, "cards"), "neither card nor guide"


@pytest.mark.parametrize(("language", "facts"), [
    ("en", {"Time": "about 9 s", "Training samples": "1,200", "Test accuracy": "91.2\xa0%"}),
    ("zh", {"用时": "约 9 秒", "训练样本": "1,200", "测试准确率": "91.2\xa0%"}),
])  # fmt: skip
def test_a_card_says_what_was_recorded(project, language, facts):
    runs = [{"name": "alone", "seconds": 1, "metrics": {"test/accuracy": [[1, 0.1]]}}]
    runs.append({"name": "federated", "seconds": 8.7, "metrics": {"test/accuracy": [[1, 0.5], [2, 0.912]]}})
    metrics = [{"name": "test/accuracy", "zh": "测试准确率", "en": "Test accuracy", "format": ".1%"}]
    record = {"metric": "test/accuracy", "metrics": metrics, "data": {"train": 1200}, "experiments": [{"runs": runs}]}
    shown = drawn(project, "cards", language, records={"b": record})
    assert dict(re.findall('<span class="fact">(.*?) <b>(.*?)</b></span>', shown)) == facts
    runs[1]["interval"] = [0.9, 0.93]
    assert "<b>91.2\xa0%</b> <small>90.0\xa0% – 93.0\xa0%</small></span>" in drawn(
        project, "cards", language, records={"b": record}
    )


def test_the_gallery_compares_what_was_recorded(project):
    facts = project / catalogue.EXAMPLES / "b" / "example.toml"
    data = '\n[data]\nname = "Bees 2"\nlicence = "none stated"\nlicence_zh = "没有声明"\n'
    facts.write_text(facts.read_text("utf-8") + data, "utf-8")
    accuracy = {"federated": [[1, 0.5], [2, 0.912]], "centralised": [[1, 0.9], [2, 0.95]]}
    runs = [{"name": name, "seconds": 8.7, "metrics": {"test/accuracy": each}} for name, each in accuracy.items()]
    metrics = [{"name": "test/accuracy", "zh": "测试准确率", "en": "Test accuracy", "format": ".1%"}]
    record = {"metric": "test/accuracy", "metrics": metrics, "data": {"train": 1200}, "experiments": [{"runs": runs}]}
    lines = drawn(project, "gallery", "zh", records={"b": record}).split("\n")
    cells = lines[2].strip("| ").split(" | ")
    assert cells[:4] == ["[b 中文](guides/b.md)", "测试准确率", "95.0\xa0%", "91.2\xa0%"]
    assert cells[5:] == ["约 9 秒", "Bees 2<br><small>没有声明</small>"]
    assert cells[4].count("<polyline") == 2 and "联邦学习从 50.0\xa0% 到 91.2\xa0%" in cells[4]
    assert {line.count("|") for line in lines} == {8}
    assert lines[3].startswith("| a 中文 |") and lines[3].count("–") == 5, "never recorded"
    for run, bounds in zip(runs, ([0.9, 0.93], [0.94, 0.96])):
        run["interval"] = bounds
    cells = drawn(project, "gallery", "zh", records={"b": record}).split("\n")[2].split(" | ")
    assert cells[2:4] == [
        "95.0\xa0%<br><small>94.0\xa0% – 96.0\xa0%</small>",
        "91.2\xa0%<br><small>90.0\xa0% – 93.0\xa0%</small>",
    ]


@pytest.mark.parametrize(("seconds", "idle", "shown"), [
    (14.4, True, "about 14 s"), (125, True, "about 2 min"), (125, False, "under 3 min"), (14.4, False, "under 15 s"),
])  # fmt: skip
def test_a_time_in_which_the_machine_did_other_work_is_a_bound(seconds, idle, shown):
    assert results_card.duration(seconds, idle, results_card.WORDS["en"]) == shown


def test_the_api_page_says_what_each_example_offers_in_the_page_s_language(project):
    code = 'class Net:\n    """A network."""\n\nclass _Own:\n    """No."""\n\ndef silent(): ...\n'
    for name in ("model", "dataset_verify"):
        (project / catalogue.EXAMPLES / "b" / f"{name}.py").write_text(code, "utf-8")
    home = "alphamed_tutorials.examples.b"
    sections = drawn(project, "api", "zh").split("\n\n")
    assert [line for line in sections if line.startswith("#")] == ["### b 中文 { #b }", "### a 中文 { #a }"]
    assert sections[2] == "蜂"
    assert sections[3] == f"- 网络：[`Net`](#{home}.model.Net)", "the verification's class has another name"
    assert sections[5].startswith(f"::: {home}.model\n")
    assert f"The network: [`Net`](#{home}.model.Net)" in drawn(project, "api")


def test_hooks_need_nothing_of_our_package_s():
    code = """
import importlib, pathlib, sys
sys.path.insert(0, "hooks")
for file in pathlib.Path("hooks").glob("*.py"):
    importlib.import_module(file.stem)
print({"alphamed_tutorials", "torch", "pydantic", "typer"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done


def test_an_unknown_part_stops_the_build(project):
    with pytest.raises(PluginError, match=r"zh/index.md: .* there is only"):
        drawn(project, "number")


@pytest.mark.parametrize("damaged", ["order = ", "order = 1\n", b"\xff"])
def test_a_damaged_example_is_named(project, damaged):
    file = project / catalogue.EXAMPLES / "a" / "example.toml"
    file.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    with pytest.raises(PluginError, match="a/example.toml is damaged or incomplete"):
        catalogue.read_examples(project)


def test_assets_and_recorded_pictures_are_shared(tmp_path):
    for name in ("assets/a.css", "results/mnist.json", "results/mnist/iid.png", "results/mnist/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = shared_files.shared_files(tmp_path, tmp_path / "results")
    assert set(found) == {"assets/a.css", "assets/results/mnist/iid.png"}
    assert set(shared_files.shared_files(tmp_path, tmp_path / "absent")) == {"assets/a.css"}


TERMS = """### 聚合方（aggregator） { #aggregator }

求平均的**节点**。它不训练。

### Round (轮次) { #round }

Once through. And again.
"""


def linked(text):
    return markdown.markdown(text, extensions=[glossary.GlossaryExtension(glossary.read_terms(TERMS))])


def test_glossary_terms_are_read_from_the_page():
    assert glossary.read_terms(TERMS) == {
        "聚合方": ("aggregator", "求平均的节点。"), "aggregator": ("aggregator", "求平均的节点。"),
        "round": ("round", "Once through."), "轮次": ("round", "Once through."),
    }  # fmt: skip


def test_the_first_mention_of_a_term_is_linked():
    html = linked("各聚合方与*聚合方*在每个轮次，rounds。\n\nAggregators")
    assert html.count("#aggregator") == 1 and html.count("#round") == 1
    assert '各<a class="term" href="/reference/glossary.md#aggregator" title="求平均的节点。">聚合方</a>与' in html


@pytest.mark.parametrize("text", ["# Round", "`round`", "[a round](x)", "around", "test_round", "background"])
def test_headings_code_links_and_parts_of_words_are_not_linked(text):
    assert "glossary" not in linked(text)


def test_a_plural_is_linked_and_mixed_text_stays_whole():
    html = linked("Rounds of the *aggregator* end.")
    assert html.replace("</a>", "").endswith("end.</p>") and ">Round</a>s of the <em>" in html


def test_chinese_lines_join_without_a_gap():
    text = "数据不出医院，\n模型一起训练。\n再来 `一\n行` code\nnext"
    html = markdown.markdown(text, extensions=[chinese.ChineseLines()])
    assert html == "<p>数据不出医院，模型一起训练。再来 <code>一\n行</code> code\nnext</p>"


# Options of the command


OPTIONS = [
    {"name": "--out DIR", "help": "New folder", "required": "yes"},
    {"name": "--how iid|owners", "help": "The split by `key` & more", "default": "iid"},
    {"name": "--nodes N", "help": "New folder", "default": "the example's"},
    {"name": "--now", "help": "New folder"},
]
CHINESE = {"New folder": "新建的目录", "The split by `key` & more": "按 `key` 划分", "the example's": "取自示例"}


def test_options_are_a_table_without_a_backslash():
    english, chinese = (options.table(OPTIONS, language, CHINESE) for language in ("en", "zh"))
    rows = [
        "New folder (required)",
        "by <code>key</code> &amp; more; default: <code>iid</code>",
        "; default: the example's",
    ]
    for row in [*rows, "--how</span> iid<wbr>|owners</code>", "--now</span></code></td><td>New folder</td>"]:
        assert row in english
    for row in ("新建的目录（必填）", "按 <code>key</code> 划分。默认：<code>iid</code>", "。默认：取自示例"):
        assert row in chinese


def test_an_option_without_chinese_and_an_unknown_command_stop_the_build(tmp_path):
    (tmp_path / "options.json").write_text(json.dumps({"run": OPTIONS}), encoding="utf-8")
    (tmp_path / "options.zh.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PluginError, match="zh/cli.md: {{ options: run }}: .* has no 'New folder'"):
        options.replace("a\n\n{{ options: run }}\n", "zh/cli.md", tmp_path, "zh")
    with pytest.raises(PluginError, match="has no 'jump'"):
        options.replace("{{ options: jump }}", "en/cli.md", tmp_path, "en")
    assert options.replace("{{ options: run }}\n", "en/cli.md", tmp_path, "en").startswith("<table>")


# The repository's address


@pytest.mark.parametrize("language", ["zh", "en"])
def test_without_an_address_there_is_advice_and_no_command_to_clone(language):
    page = "Text.\n\n    {{ repository: clone }}\n\nMore."
    unset = repository.replace(page, "", language)
    assert "```" not in unset and "alphamed-tutorials" in unset and "{{" not in unset
    found = repository.replace(page, "https://example.org/tutorials.git", language).split("\n")
    assert "    git clone https://example.org/tutorials.git alphamed-tutorials" in found
    assert found.count("    ```sh") == found.count("    ```") == 1 and found[-1] == "More."


def test_the_address_comes_from_one_setting(monkeypatch):
    for address in ("", "https://example.org/tutorials.git"):
        monkeypatch.setenv("REPOSITORY_URL", address)
        for name in ("mkdocs.yml", "mkdocs.en.yml"):
            assert load_config(str(ROOT / name)).extra["repository"] == (address or None)


def test_names_in_cells_are_kept_whole_and_long_paths_break_between_folders():
    html = "<td><code>run --out x</code></td><td><code>/data/alphamed-federated/tutorials/mnist</code></td><p><code>a-b</code></p>"
    assert tables.mark(html) == (
        '<td><code>run <span class="name">--out</span> x</code></td>'
        '<td><code><span class="name">/</span><wbr><span class="name">data/</span><wbr>'
        '<span class="name">alphamed-federated/</span><wbr><span class="name">tutorials/</span><wbr>'
        '<span class="name">mnist</span></code></td><p><code>a-b</code></p>'
    )


def test_axes_of_charts_on_one_page_agree():
    record = copy.deepcopy(RECORD)
    low = copy.deepcopy(record["experiments"][0]) | {"name": "low"}
    for run in low["runs"]:
        run["metrics"]["test/accuracy"] = [[1, 0.1], [2, 0.2], [9, 0.3]]
    record["experiments"].append(low)
    axes = [
        re.findall('<text class="[xy]".*?</text>', results_figures.curves(record, experiment, "en"))
        for experiment in record["experiments"]
    ]
    assert axes[0] == axes[-1] and len(axes[0]) > 8


def test_lines_differ_by_shape_and_dash_and_not_by_colour_alone():
    nodes = [f"node-{number}" for number in range(1, 7)]
    shapes = [re.search(' d="([^"]*)" transform', chart.legend([chart.Curve("a", style, [])]))[1] for style in nodes]
    css = (ROOT / "docs" / "assets" / "site.css").read_text("utf-8")
    dashes = [re.search(rf"\.run-{style} \.run {{ stroke-dasharray: ([^;]*);", css)[1] for style in nodes]
    assert len(set(shapes)) == len(set(dashes)) == len(nodes)


def test_pictures_of_the_site_get_their_size_and_keep_a_width_of_their_own():
    shot = ROOT / "docs/assets/cards/en.png"
    html = '<img alt="a" src="a.png" /> <img alt="b" src="a.png" width="600" /> <img src="other.png" />'
    assert lazy_pictures.load_when_near(html, {"a.png": shot}.get) == (
        '<img alt="a" src="a.png" width="1200" height="630" style="--readable: 1100px" loading="lazy" decoding="async"> '
        '<img alt="b" src="a.png" width="600" height="315" style="--readable: 550px" loading="lazy" decoding="async"> '
        '<img src="other.png" />'
    )


def test_a_picture_of_ten_points_is_readable_at_eleven_pixels(tmp_path):
    Figure(figsize=(4, 3)).savefig(tmp_path / "a.png", dpi=150)
    least = lazy_pictures.readable_width((tmp_path / "a.png").read_bytes(), 600)
    assert least * 10 / 72 / 4 == pytest.approx(11, abs=0.05)


def test_annotations_count_from_1_and_none_is_left_without_its_explanation():
    block = '<div class="language-python highlight"><pre><code>x  <span class="c1"># (4)!</span>\n</code></pre></div>'
    shown = annotations.renumber(f"{block}\n<ol>\n<li>Four</li>\n</ol>\n<p>Whole:</p>\n{block}\n<p>Words</p>")
    assert shown.count("<span") == 1 and '(1)!</span>\n</code></pre></div>\n<ol class="notes">' in shown
    assert "x\n</code></pre></div>\n<p>Words</p>" in shown
