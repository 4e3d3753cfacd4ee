"""The figure with sliders on MNIST's guide, against what was recorded."""

import json
import tempfile
from pathlib import Path

import pytest
from browsing import opened

from pages import ROOT

RECORD = json.loads((ROOT / "docs/results/mnist/grid.json").read_text("utf-8"))
ENDS = {
    (each["partition"], each["settings"]["merge_epochs"], each["nodes"]): each["runs"][0]["metrics"]["test/accuracy"][
        -1
    ]
    for each in RECORD["experiments"]
    if each["runs"][0]["name"] == "federated"
}
AXES = [list(dict.fromkeys(values)) for values in zip(*ENDS, strict=True)]
both_languages = pytest.mark.parametrize("language", ["", "en/"])


def test_the_grid_is_whole_and_every_run_passes_equally_often_over_its_data():
    assert len(ENDS) == len(AXES[0]) * len(AXES[1]) * len(AXES[2])
    for (_, epochs, _), (rounds, _) in ENDS.items():
        assert rounds * epochs == RECORD["passes"]


@pytest.mark.browser
@both_languages
def test_sliders_bring_up_what_was_recorded_for_their_places(browser, address, language):
    with opened(browser, address) as page:
        page.goto(f"{address}{language}guides/mnist.html")
        sliders = page.locator(".results-grid input").all()
        picture, said = page.locator(".results-grid .chart"), page.locator(".results-said")
        seen = set()
        for (partition, epochs, owners), (rounds, accuracy) in list(ENDS.items())[::5]:
            for slider, values, value in zip(sliders, AXES, (partition, epochs, owners), strict=True):
                slider.press("Home")
                for _ in range(values.index(value)):
                    slider.press("ArrowRight")
            text = said.inner_text()
            assert f"{accuracy:.1%}".replace("%", "\N{NO-BREAK SPACE}%") in text
            assert picture.get_attribute("aria-label") == text
            assert partition.partition(":")[2] in sliders[0].get_attribute("aria-valuetext")
            line = picture.locator(".run-federated .run").get_attribute("d")
            assert line.count(" ") == rounds  # a point a round
            assert line.endswith(f"{265 - 250 * accuracy:.0f}")
            seen.add(line)
        assert len(seen) == len(list(ENDS)[::5])


@pytest.mark.browser
@both_languages
def test_without_scripts_there_is_the_picture_and_the_data(browser, address, language):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}{language}guides/mnist.html")
    assert page.locator(".results-grid .chart").is_visible()
    assert not page.locator(".results-sliders").is_visible()
    page.click(".results-grid summary")
    assert page.locator(".results-grid tbody tr").count() == len(AXES[0]) * len(AXES[2])
    page.context.close()


@pytest.mark.soak
def test_a_place_of_the_grid_comes_out_again(shared_data):
    from record_grid import prepare_split, run_once

    with tempfile.TemporaryDirectory() as folder:
        data = prepare_split(shared_data / "mnist", Path(folder), 3, "dirichlet:0.3")
        (_, accuracy), *_ = run_once("federated", data, 1, {"merge_epochs": 15}, None)["metrics"]["test/accuracy"]
    assert accuracy == pytest.approx(ENDS["dirichlet:0.3", 15, 3][1], abs=0.02)  # versions and machines differ a little
