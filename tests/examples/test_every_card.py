"""Every example trains and tests on a graphics card as on the processor; a card that is none stands for one."""

import pytest
import torch
from card import OnCard, card
from tasks import at

from alphamed_tutorials.catalogue import find


def trained(example, data) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Return the parameters after an epoch, and what a test says of them then."""
    scheduler = at(example, data / "nodes/node1")
    torch.manual_seed(1)
    scheduler.train_an_epoch()
    scheduler.data_dir = str(data / "nodes/aggregator")
    scheduler.run_test()
    return scheduler.state_dict(), dict(scheduler.tb_writer.scalars)


def test_an_example_does_on_a_card_what_it_does_on_the_processor(example, small):
    """Parameters and metrics are equal, and nothing meets that lies on two devices."""
    here, said_here = trained(example, small)
    with card():
        there, said_there = trained(example, small)
    assert all(isinstance(value, OnCard) for value in there.values())
    assert said_there == said_here and list(there) == list(here)
    assert [name for name in here if not torch.equal(there[name].held, here[name])] == []


@pytest.mark.parametrize("forgotten", ["images", "labels"])
def test_what_is_not_moved_to_the_card_is_found(make_small, forgotten):
    example = find("mnist")

    def moved_but_for(batch):
        images, labels = (value.to("cuda") for value in batch)
        return (batch[0], labels) if forgotten == "images" else (images, batch[1])

    with card():
        scheduler = at(example, make_small("mnist") / "nodes/node1")
        images, labels = moved_but_for(next(iter(scheduler.train_loader)))
        with pytest.raises(RuntimeError, match="same device"):
            torch.nn.functional.nll_loss(scheduler.model(images), labels)


def test_a_tensor_made_without_a_device_is_found():
    with card(), pytest.raises(RuntimeError, match="same device"):
        torch.ones(3, device="cuda") + torch.arange(3)
