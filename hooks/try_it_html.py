"""Draw "try it in the page" from what was recorded, in Chinese and English; docs/assets/try.js brings it to life."""

import json
from html import escape

from results_figures import make_curves
from results_html import WORDS as RESULT_WORDS
from results_html import html_table, label, last, show

SAMPLES = 2  # of each class, on the page
RARE = 10  # of a class whose training digits are fewer, a node has hardly seen any
SAID = (
    "comma",
    "probabilities",
    "right",
    "wrong",
    "colon",
    "stop",
    "recorded",
    "computed",
    "drawn",
    "ready",
    "from_disk",
    "no_webassembly",
    "failed",
    "loading",
)  # fmt: skip  (by the script)
WORDS = {
    "zh": {
        "no_script": "这里可以自己写一个数字，让几个模型并排回答。浏览器没有执行脚本，所以只有录下的回答：每个数字取测试数据里的头两张，列出各模型的回答和它给的概率。",
        "pad": "写数字的地方：用鼠标、手指或笔。只用键盘时，请选一张测试图",
        "hint": "在这里写一个数字",
        "load": "载入模型，自己写（{} MB）",
        "loading": "正在载入……",
        "clear": "擦掉",
        "samples": "或者选一张测试图",
        "sample": "第 {} 张测试图，写的是 {}",
        "seen_by_models": "模型看到的图，28 × 28",
        "digit": "数字",
        "accuracy": "测试准确率 {}",
        "never": "没学过 {}",
        "rare": "{} 只有 {} 张",
        "all": "十个数字都学过",
        "comma": "；",
        "and": "、",
        "probabilities": "各数字的概率：{}",
        "right": "对",
        "wrong": "错",
        "colon": "：",
        "stop": "。",
        "recorded": "录下的回答",
        "computed": "刚在本页算出",
        "drawn": "你写的数字",
        "ready": "模型已载入。在黑框里写一个数字，或者选一张测试图。",
        "from_disk": "这是磁盘上的副本，浏览器不许它载入模型。用 python -m http.server 打开这个文件夹的网址就可以。选测试图，仍能看到录下的回答。",
        "no_webassembly": "这个浏览器没有（或者关掉了）WebAssembly，模型在这里不能运行。选测试图，仍能看到录下的回答。",
        "failed": "载入失败，可以再试一次。选测试图，仍能看到录下的回答。",
        "note": "写好的笔画照 MNIST 的做法处理：裁去四周，等比放进 20 × 20 的框，画成带灰阶的线，再把墨迹的重心移到 28 × 28 的中央；"
        "标准化在模型里面。各模型就是上面表格里的那几次训练的结果，一切都在你的浏览器里计算，写的数字不会离开这台机器。"
        "测试图是测试数据里每个数字的头两张，没有挑过，出自 MNIST（CC BY-SA 3.0）。",
        "key": "数字上有删除线：这个节点一张也没学过；柱子的底是斜纹：不到 {} 张。",
    },
    "en": {
        "no_script": "Here you could draw a digit, and the models would answer side by side. The browser runs no scripts, so "
        "there are the recorded answers only: to the first two test digits of each class, with the probability each model gave.",
        "pad": "Where to draw a digit: with mouse, finger or pen. With the keyboard alone, choose a test digit",
        "hint": "Draw a digit here",
        "load": "Load the models and draw ({} MB)",
        "loading": "Loading …",
        "clear": "Clear",
        "samples": "Or choose a test digit",
        "sample": "Test digit {}, showing {}",
        "seen_by_models": "What the models see, 28 × 28",
        "digit": "Digit",
        "accuracy": "Test accuracy {}",
        "never": "Never saw {}",
        "rare": "of {} only {} images",
        "all": "Saw all ten digits",
        "comma": "; ",
        "and": ", ",
        "probabilities": "Probability of each digit: {}",
        "right": "right",
        "wrong": "wrong",
        "colon": ": ",
        "stop": ". ",
        "recorded": "Recorded answers",
        "computed": "Just computed in this page",
        "drawn": "Your digit",
        "ready": "The models are here. Draw a digit in the black box, or choose a test digit.",
        "from_disk": "This is a copy on disk, and the browser does not let it load models. Serve its folder with "
        "python -m http.server. Choose a test digit to see the recorded answers.",
        "no_webassembly": "This browser has no WebAssembly, or it is switched off: the models cannot run here. "
        "Choose a test digit to see the recorded answers.",
        "failed": "They could not be loaded; you can try again. Choose a test digit to see the recorded answers.",
        "note": "What you draw is treated as MNIST's digits were: cropped, scaled to fit a box of 20 × 20, drawn in shades of "
        "grey, its centre of mass moved to the middle of 28 × 28; the models standardise it themselves. They are those of "
        "the runs in the table above. All of it is computed in your browser: what you draw does not leave this machine. "
        "The test digits are the first two of each class in the test data, not chosen; they are MNIST's (CC BY-SA 3.0).",
        "key": "A digit struck through: this node has none of it to train on; stripes behind a bar: fewer than {}.",
    },
}


def samples(recorded: dict) -> list[dict]:
    """Return the first recorded test digits of each class, as they come, easy or hard."""
    found: dict[int, list[dict]] = {}
    for digit in recorded["digits"]:
        found.setdefault(digit["label"], []).append(digit)
    return [digit for label in sorted(found) for digit in found[label][:SAMPLES]]


def answers_table(chosen: list[dict], runs: dict[str, str], words: dict) -> str:
    """Return what each model said to each digit, and how sure it was: one row a digit."""
    rows = []
    for digit in chosen:
        cells = [str(digit["label"])]
        for name in runs:
            found = digit["answers"][name]
            answer = found.index(max(found))
            verdict = "✓" if answer == digit["label"] else "✗"
            cells.append(f"{verdict} {answer}, {show(max(found), '.0%')}")
        rows.append(cells)
    return html_table([words["digit"], *map(escape, runs.values())], rows)


def seen(counts: dict[str, int], words: dict) -> str:
    """Return which digits a model never or hardly saw in training, in words."""
    never = [name for name, count in counts.items() if count == 0]
    rare = [words["rare"].format(name, count) for name, count in counts.items() if 0 < count < RARE]
    parts = [words["never"].format(words["and"].join(never))] if never else []
    return words["comma"].join(parts + rare) or words["all"]


def training_counts(experiment: dict, run: str) -> dict[str, int]:
    """Return how many training samples of each class a run had."""
    owners = [splits["train"] for splits in experiment["counts"].values() if "train" in splits]
    if run in experiment["counts"]:
        owners = [experiment["counts"][run]["train"]]
    return {name: sum(owner[name] for owner in owners) for name in owners[0]}


def card(title: str, style: str, accuracy: str, counts: dict[str, int], words: dict) -> str:
    """Return one model's place: its name, its answer, a bar for each class, what it never saw."""
    kinds = ["never" if count == 0 else "rare" if count < RARE else "" for count in counts.values()]
    bars = "".join(f'<span class="{kind}">{name}</span>' for name, kind in zip(counts, kinds, strict=True))
    return (
        f'<li class="run-{style}"><p class="try-name"><strong>{escape(title)}</strong> {words["accuracy"].format(accuracy)}</p>'
        f'<p class="try-answer"><b>–</b><span></span><span></span></p><div class="try-bars" role="img">{bars}</div>'
        f'<p class="try-seen">{seen(counts, words)}</p></li>'
    )


def cards(record: dict, experiment: dict, titles: dict[str, str], language: str) -> str:
    """Return the models' places, in the colours that their runs have in the charts."""
    runs = {run["name"]: run for run in experiment["runs"]}
    styles = {curve.label: curve.style for curve in make_curves(experiment, RESULT_WORDS[language], lambda run: [])}
    found = []
    for name, title in titles.items():
        accuracy, counts = last(record, record["metric"], runs[name]), training_counts(experiment, name)
        found.append(card(title, styles[title], accuracy, counts, WORDS[language]))
    return "".join(found)


def board(chosen: list[dict], size: int, words: dict) -> str:
    """Return the place to draw, the buttons, and the test digits to choose from."""
    choices = "".join(
        f'<label><input type="radio" name="try-digit" aria-label="{words["sample"].format(number, digit["label"])}">'
        '<canvas width="28" height="28" aria-hidden="true"></canvas></label>'
        for number, digit in enumerate(chosen, start=1)
    )
    load = words["load"].format(f"{size / 1e6:.1f}")
    return (
        f'<div class="try-pad"><canvas width="560" height="560" role="img" aria-label="{words["pad"]}"></canvas>'
        f'<p aria-hidden="true" hidden>{words["hint"]}</p></div><div class="try-controls">'
        f'<p><button type="button" class="md-button md-button--primary try-load">{load}</button>'
        f'<button type="button" class="md-button try-clear" hidden>{words["clear"]}</button></p>'
        f"<fieldset><legend>{words['samples']}</legend>{choices}</fieldset>"
        f'<figure><canvas width="28" height="28" aria-hidden="true"></canvas>'
        f"<figcaption>{words['seen_by_models']}</figcaption></figure></div>"
    )


def script_data(chosen: list[dict], titles: dict[str, str], example: str, words: dict) -> str:
    """Return what the script knows: where the models are, the test digits with the recorded answers, its words."""
    digits = [
        {
            "label": digit["label"],
            "pixels": digit["pixels"],
            "answers": [[round(value, 4) for value in digit["answers"][name]] for name in titles],
        }
        for digit in chosen
    ]
    models = [{"name": title, "file": f"results/{example}/{name}.onnx"} for name, title in titles.items()]
    data = {"models": models, "digits": digits, "words": {name: words[name] for name in SAID}}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def widget(record: dict, experiment: dict, recorded: dict, language: str, assets: str, shared: str, size: int) -> str:
    """Return the widget's HTML, and before it what stands there where no scripts run.

    Args:
        record, experiment: What was recorded of the example, and of its experiment.
        recorded: What was recorded of the models.
        language: The page's.
        assets, shared: The ways from the page to its language's assets, and to those that both languages have.
        size: Bytes that a click loads.
    """
    words, runs, chosen = WORDS[language], {run["name"]: run for run in experiment["runs"]}, samples(recorded)
    titles = {name: label(runs[name], RESULT_WORDS[language]) for name in recorded["models"]}
    return (
        f'<div class="results"><link rel="stylesheet" href="{assets}try.css"><noscript><p>{words["no_script"]}</p>'
        f"{answers_table(chosen, titles, words)}</noscript>"
        f'<div class="try-it" data-assets="{shared}"><div class="try-board">{board(chosen, size, words)}</div>'
        f'<p class="try-status" role="status"></p><ul class="try-models">{cards(record, experiment, titles, language)}</ul>'
        f"<p>{words['key'].format(RARE)}</p><p>{words['note']}</p>"
        f'<script type="application/json">{script_data(chosen, titles, recorded["example"], words)}</script></div>'
        f'<script src="{assets}try.js" defer></script></div>'
    )
