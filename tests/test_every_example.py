"""What holds for every example that is discovered: hazards that do not depend on what is learned."""

import random

import cloudpickle
import numpy as np
import pytest
import torch

from alphamed_tutorials.catalogue import find_all

EXAMPLES = pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)


def is_plain(value) -> bool:
    """Return whether a value is a setting and no model, data, file or function."""
    if isinstance(value, list):
        return all(map(is_plain, value))
    return isinstance(value, bool | int | float | str)


@EXAMPLES
def test_the_submitted_scheduler_holds_plain_settings_only(example):
    scheduler = example.build_scheduler(2, 1)
    assert [name for name, value in vars(scheduler).items() if not is_plain(value)] == []
    words = sum(len(word) + 4 for word in getattr(scheduler, "words", []))  # the language model's vocabulary travels
    assert len(cloudpickle.dumps(scheduler)) < 2000 + words


@EXAMPLES
def test_making_a_scheduler_draws_no_random_numbers(example):
    states = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    example.build_scheduler(2, 5)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tobytes(), random.getstate())


@EXAMPLES
def test_data_is_read_when_it_is_asked_for_and_not_before(example, tmp_path):
    scheduler = example.build_scheduler(2, 1)
    scheduler.data_dir = str(tmp_path / "not there")
    with pytest.raises(FileNotFoundError, match="not there"):
        scheduler.train_loader
