"""Intervals: the bootstrap is that of the book, over units and not over samples, and its middle is the metric."""

import numpy as np
import pytest

from alphamed_tutorials.experiments.intervals import RESAMPLES, Outcomes, share


def test_the_interval_of_a_share_is_that_of_its_standard_error():
    rng = np.random.default_rng(1)
    outcomes = [(int(right), 1) for right in rng.random(2000) < 0.9]
    low, high = Outcomes(outcomes, share).interval()
    error = 1.96 * np.sqrt(0.9 * 0.1 / 2000)
    assert low == pytest.approx(share(outcomes) - error, abs=error / 4)
    assert high == pytest.approx(share(outcomes) + error, abs=error / 4)


def test_units_that_agree_in_themselves_count_once():
    """Ten speakers with a hundred equal clips each say no more than ten clips would."""
    speakers = [(100 * right, 100) for right in (0, 1, 1, 1, 1, 0, 1, 1, 1, 1)]
    clips = [(right // 100, 1) for right, _ in speakers for _ in range(100)]
    wide, narrow = (np.ptp(Outcomes(outcomes, share).interval()) for outcomes in (speakers, clips))
    assert wide > 5 * narrow


def test_two_runs_are_compared_on_the_same_units():
    """One is right wherever the other is, and on a tenth more: the difference is sure, though each alone is not."""
    worse = [(int(number % 2 == 0), 1) for number in range(200)]
    better = [(int(number % 2 == 0 or number % 10 == 1), 1) for number in range(200)]
    low, high = Outcomes(better, share).difference(Outcomes(worse, share))
    assert 0.05 < low < 0.1 < high < 0.15
    assert Outcomes(worse, share).interval()[1] > Outcomes(better, share).interval()[0]


def test_the_same_outcomes_give_the_same_interval():
    outcomes = [(3, 4), (1, 2), (5, 5)]
    assert Outcomes(outcomes, share).interval() == Outcomes(list(outcomes), share).interval()
    assert len(Outcomes(outcomes, share).resampled) == RESAMPLES


def test_the_metric_of_each_class_is_that_of_its_units():
    outcomes = [(1, 1), (1, 1), (0, 1), (1, 1)]
    assert Outcomes(outcomes, share, ["b", "a", "b", "a"]).by_class() == {"a": 1.0, "b": 0.5}
    assert Outcomes(outcomes, share).by_class() == {}


def test_outcomes_are_kept_small():
    assert Outcomes([(1, 1), (0, 1), (1, 1)], share).compact() == "101"
    assert Outcomes([(1, 2), (0.123456, 1)], share).compact() == [[1.0, 2.0], [0.1235, 1.0]]
    assert Outcomes([(np.zeros(3), np.zeros(3), 1)], share).compact() is None
