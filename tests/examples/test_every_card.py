"""Every example trains and tests on a graphics card as on the processor; a card that is none stands for one."""

import runpy
from pathlib import Path

import pytest
import torch
from card import OnCard, card
from tasks import at, build, same, state_of
from watching import at_node

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.engines import checkpoint
from alphamed_tutorials.engines.local import resume_local, run_local

OWN_CODE = Path(__file__).parents[2] / "snippets" / "own_code"


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


def test_a_run_that_is_stopped_and_resumed_on_a_card_comes_to_what_one_on_the_processor_does(make_small, tmp_path):
    example, data = find("mnist"), make_small("mnist")
    here = run_local(build(example), data, tmp_path / "here", seed=1)

    def stop(event):
        if event["event"] == "round_done":
            raise KeyboardInterrupt

    with card():
        with pytest.raises(KeyboardInterrupt):
            run_local(build(example), data, tmp_path / "there", seed=1, on_event=stop)
        assert all(isinstance(value, OnCard) for value in kept_by("node1", tmp_path / "there"))
        there = resume_local(tmp_path / "there")
        parameters = state_of(there)
    assert all(isinstance(value, OnCard) for value in parameters.values())
    assert same({name: value.held for name, value in parameters.items()}, state_of(here))
    assert (there.path / "metrics.csv").read_bytes() == (here.path / "metrics.csv").read_bytes()


def kept_by(node, run: Path) -> list[torch.Tensor]:
    """Return the parameters and the momenta that a data owner keeps between its turns."""
    (file,) = (run / "states").glob(f"{node}-*.pt")
    with checkpoint.anchored({}, lambda key: None):
        kept = checkpoint.load(file)["attributes"]
    momenta = [each["momentum_buffer"] for each in kept["_optimizer"].state.values()]
    assert momenta
    return [*kept["_model"].parameters(), *momenta]


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


def test_what_the_recipe_for_some_cards_sends_lies_in_memory_and_what_it_remembers_on_the_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(OWN_CODE)
    kind = runpy.run_path(str(OWN_CODE / "cards.py"))["OnCards"]
    here, there = (at_node(kind(), tmp_path / "toy/data/hospital_a") for _ in range(2))
    for _ in range(2):
        torch.manual_seed(1)
        here.train_an_epoch()
        with card():
            torch.manual_seed(1)
            there.train_an_epoch()
        assert not any(isinstance(value, OnCard) for value in there.state_dict().values())
        assert same(there.state_dict(), here.state_dict())
    assert all(isinstance(each["exp_avg"], OnCard) for each in there.optimizer.state.values())
