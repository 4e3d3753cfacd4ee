"""What the SDK expects of the methods a reader writes, told by method, file and line where they do otherwise."""

import contextlib
import re
import traceback
from collections.abc import Iterator

from alphafed.fed_avg import FedAvgScheduler
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from ..errors import TutorialError
from .failures import BrokenContract, Method, place_of


def where(method: Method) -> str:
    """Return file and line of a method, for a message."""
    frame = place_of(method)
    return f" ({frame.filename}, line {frame.lineno})" if frame else ""


@contextlib.contextmanager
def explained(scheduler: FedAvgScheduler) -> Iterator[None]:
    """Name the method behind an error that is only a consequence: what came of None, or of too little data.

    Raises:
        BrokenContract: The method and what is expected of it.
    """
    try:
        yield
    except (BrokenContract, TutorialError):  # the latter is what another node, inside this one's turn, failed of
        raise
    except Exception as error:
        if not isinstance(scheduler, FedAvgScheduler):  # another of the SDK's, with parts of other names
            raise
        refuse_broken_parts(scheduler)
        _explain_missing_tests(scheduler, error)
        _explain_empty_data(scheduler, error)
        _explain_lone_sample(scheduler, error)
        raise


def refuse_broken_parts(scheduler: FedAvgScheduler) -> None:
    """Refuse a model and an optimizer that are none, as far as they were built."""
    built = vars(scheduler)
    for attribute, method, kind, example in (
        ("_model", scheduler.build_model, nn.Module, "return nn.Linear(4, 2)"),
        ("_optimizer", scheduler.build_optimizer, Optimizer, "return torch.optim.SGD(model.parameters(), lr=0.01)"),
    ):
        if attribute in built and not isinstance(built[attribute], kind):
            name = f"torch.{'nn' if kind is nn.Module else 'optim'}.{kind.__name__}"
            found = _described(built[attribute])
            raise BrokenContract(method, f"{method.__name__}() returned {found}, and a {name} is expected: end it with "
                                         f"`return`, as in {example}")  # fmt: skip


def refuse_empty_state(scheduler: FedAvgScheduler) -> None:
    """Refuse a state dict with nothing in it to average."""
    state = scheduler.state_dict()
    if not isinstance(state, dict) or not state:
        own = type(scheduler).state_dict is not FedAvgScheduler.state_dict
        method = scheduler.state_dict if own else scheduler.build_model
        found = "an empty dict" if isinstance(state, dict) else _described(state)
        advice = "return the tensors to average by name" if own else "the model of build_model() has no parameters"
        raise BrokenContract(method, f"state_dict() returned {found}, so that nothing would be averaged: {advice}")


def refuse_empty_loader(loader: object, method: Method) -> None:
    """Refuse a data loader that is none, or that has no batch to give.

    Args:
        loader: What `method` returned.
        method: `build_train_dataloader` or `build_test_dataloader`.
    """
    if loader is None:
        raise BrokenContract(method, f"{method.__name__}() returned None, and a DataLoader is expected: end it with "
                                     "`return`, as in return DataLoader(dataset, batch_size=32)")  # fmt: skip
    try:
        num_batches = len(loader)  # type: ignore[arg-type]
    except TypeError:  # a stream: only reading it tells
        return
    if num_batches == 0:
        raise BrokenContract(method, f"the loader of {method.__name__}() has no batch{_reason(loader)}", True)


def refuse_silent_stream(scheduler: FedAvgScheduler) -> None:
    """Refuse a train loader without a length that yielded nothing; asked only after a turn without any step."""
    loader = scheduler.train_loader
    if not hasattr(loader, "__len__") or isinstance(getattr(loader, "dataset", None), IterableDataset):
        for _ in loader:
            return
        method = scheduler.build_train_dataloader
        raise BrokenContract(method, f"the loader of {method.__name__}() yielded nothing: look at what its dataset "
                                     f"yields for {scheduler.data_dir}", True)  # fmt: skip


def _reason(loader: object) -> str:
    if not isinstance(loader, DataLoader):
        return ": it is empty"
    size, batch_size = len(loader.dataset), loader.batch_size  # type: ignore[arg-type]
    if size and loader.drop_last and batch_size:
        return (
            f": its {size} samples are fewer than one batch of {batch_size}, and drop_last=True leaves them out. Take "
            "a smaller batch_size, or drop_last=False"
        )
    return ": its dataset is empty. Look at what it reads, and in which folder"


def _described(value: object) -> str:
    return "None" if value is None else f"an object of {type(value).__name__}"


def _explain_missing_tests(scheduler: FedAvgScheduler, error: Exception) -> None:
    built = vars(scheduler)
    if "_test_loader" in built and built["_test_loader"] is None and isinstance(error, TypeError):
        method = scheduler.build_test_dataloader
        if any(frame.name == "run_test" for frame in traceback.extract_tb(error.__traceback__)):
            raise BrokenContract(
                method,
                "run_test() reads self.test_loader, and build_test_dataloader() returned None: return a DataLoader of "
                f"the aggregator's test data, or let run_test(){where(scheduler.run_test)} pass. ({error})",
            ) from error


def _explain_empty_data(scheduler: FedAvgScheduler, error: Exception) -> None:
    """Explain what torch says of a shuffled loader over an empty dataset."""
    names = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    for method in (scheduler.build_train_dataloader, scheduler.build_test_dataloader):
        if method.__name__ in names and "num_samples=0" in str(error):
            raise BrokenContract(
                method, f"the dataset of {method.__name__}() is empty: look at what it reads, and in which folder", True
            ) from error


def _explain_lone_sample(scheduler: FedAvgScheduler, error: Exception) -> None:
    """Explain what BatchNorm says of a batch of one."""
    if not re.search(r"Expected more than 1 (spatial element|value per channel) when training", str(error)):
        return
    loader = vars(scheduler).get("_train_loader")
    size, batch_size = len(getattr(loader, "dataset", [])), getattr(loader, "batch_size", None)
    rest = (
        f" ({size} samples in batches of {batch_size} leave one over)" if batch_size and size % batch_size == 1 else ""
    )
    method = scheduler.build_train_dataloader
    raise BrokenContract(
        method,
        f"a batch of one sample{rest}, and BatchNorm cannot train on one: give drop_last=True to the DataLoader of "
        f"{method.__name__}(), or another batch_size. ({error})",
    ) from error
