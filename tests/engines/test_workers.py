"""What a started script defined reaches worker processes that import what they get, and comes back."""

import multiprocessing
import sys
import types

import cloudpickle
import pytest

from alphamed_tutorials.engines.workers import hand_over_by_value

SCRIPT = """
class Batch:
    def __init__(self, numbers):
        self.total = sum(numbers)

class Samples:
    def __init__(self, numbers):
        self.numbers = numbers

    def batch(self):
        return Batch(self.numbers)

def collate(samples):
    return samples.batch()

def work(samples, collate, answers):
    answers.put((collate(samples), Batch))
"""


@pytest.fixture
def script(monkeypatch):
    """Return what is left of a script's names in another program that resumes its run."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(SCRIPT, vars(main))
    stored = cloudpickle.dumps({name: vars(main)[name] for name in ("Samples", "collate", "work", "Batch")})
    vars(main).clear()
    main.__spec__ = None  # as a script's is
    return types.SimpleNamespace(**cloudpickle.loads(stored))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_a_script_defined_reaches_workers_of_another_program(script, method):
    context = multiprocessing.get_context(method)
    answers = context.SimpleQueue()
    hand_over_by_value()
    process = context.Process(target=script.work, args=(script.Samples([1, 2]), script.collate, answers))
    process.start()
    process.join(timeout=30)
    assert process.exitcode == 0
    batch, kind = answers.get()
    assert batch.total == 3 and isinstance(batch, kind) and kind is script.Batch


def test_what_can_be_imported_is_left_as_it_is(script):
    from multiprocessing.reduction import ForkingPickler

    hand_over_by_value()
    assert b"cloudpickle" not in bytes(
        ForkingPickler.dumps([types.SimpleNamespace, test_what_can_be_imported_is_left_as_it_is])
    )
    with pytest.raises(AttributeError):
        ForkingPickler.dumps(lambda: None)
