"""Why a child does not use the SDK's own recovery: how that goes on after a round that is done."""

from pathlib import Path
from types import SimpleNamespace

import torch
from schedulers import Tiny, write_data


def aggregator(folder: Path) -> Tiny:
    """Return a task's scheduler as its aggregator has it before check-in."""
    task = Tiny(max_rounds=5)
    task.data_dir = str(folder / "nodes" / "node1")
    task.is_initiator = task.is_aggregator = True
    task.participants = ["p-0", "p-1", "p-2"]
    task._context_file, task._ckpt_file = str(folder / "context.json"), str(folder / "model.pt")
    task.log = lambda *_: None
    return task


def test_the_sdk_s_recovery_repeats_a_finished_round(tmp_path):
    write_data(tmp_path, node1=8)
    before, after = aggregator(tmp_path), aggregator(tmp_path)
    before.current_round, before.gethered = 3, ["p-1", "p-2"]
    before.train_an_epoch()
    before._persistent_running_context()  # as at the end of round 3

    after._recover_progress()
    assert after.current_round == 3, "the round that is done"
    assert all(torch.equal(value, before.state_dict()[name]) for name, value in after.state_dict().items())
    assert before.optimizer.state and not after.optimizer.state, "the momentum is lost"
    after.contractor = SimpleNamespace(contract_events=lambda: iter(()))  # owners that run have no reason to check in
    after._check_in()
    assert after.gethered == []
