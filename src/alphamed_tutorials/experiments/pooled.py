"""Centralised training on data that lies in several folders: one data owner that draws from all of them."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alphafed.fed_avg import FedAvgScheduler
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)

from ..errors import TutorialError

# What a loader does with its samples; all but the samples themselves and their order.
OPTIONS = (
    "batch_size", "num_workers", "collate_fn", "pin_memory", "drop_last", "timeout", "worker_init_fn",
    "multiprocessing_context", "generator", "prefetch_factor", "persistent_workers", "pin_memory_device",
)  # fmt: skip
SAME = ("batch_size", "drop_last")  # options that must not depend on the owner, or there is no telling which is meant


class CannotPool(TutorialError):
    """Training data of several owners that cannot be drawn from as if they were one owner's."""


def pooled(scheduler: FedAvgScheduler, folders: Sequence[Path]) -> FedAvgScheduler:
    """Return a copy of a task whose data owner draws from the training data of several folders.

    Args:
        scheduler: The task.
        folders: Every one gets its turn as `data_dir` when the training loader is built.
    """
    kind = type(scheduler)
    data_dirs = [str(folder.resolve()) for folder in folders]

    def build_train_dataloader(self: Any) -> DataLoader:
        own, loaders = self.data_dir, []
        try:
            for data_dir in data_dirs:
                self.data_dir = data_dir
                loaders.append(kind.build_train_dataloader(self))
        finally:
            self.data_dir = own
        return join(loaders)

    changed = copy.copy(scheduler)
    members = {"build_train_dataloader": build_train_dataloader, "__module__": __name__, "__doc__": kind.__doc__}
    changed.__class__ = type(kind.__name__, (kind,), members)  # which cloudpickle takes along by value
    changed.involve_aggregator = False  # where it trains too, its data are among the folders
    return changed


def join(loaders: Sequence[Any]) -> DataLoader:
    """Return one loader, of the same options, over the data of several.

    Raises:
        CannotPool: A loader does more than a plain `DataLoader`, or they do not do the same.
    """
    first = loaders[0]
    for loader in loaders:
        _refuse_own_ways(loader)
    for name in SAME:
        values = list(dict.fromkeys(getattr(loader, name) for loader in loaders))
        if len(values) > 1:
            raise CannotPool(
                f"the owners' {name} differs ({', '.join(map(str, values))}): there is none for all of them"
            )
    datasets = [loader.dataset for loader in loaders]
    iterable = {isinstance(dataset, IterableDataset) for dataset in datasets}
    if len(iterable) > 1:
        raise CannotPool("some owners' data sets have an index and others only an order")
    joined: Any = ChainDataset(datasets) if iterable == {True} else ConcatDataset(datasets)
    options = {name: getattr(first, name) for name in OPTIONS if hasattr(first, name)}
    if first.batch_size is None:
        del options["drop_last"]
    return DataLoader(joined, shuffle=isinstance(first.sampler, RandomSampler), **options)


def _refuse_own_ways(loader: Any) -> None:
    """Refuse a loader that chooses, orders or collates its samples in a way that only its owner's data set knows."""
    if type(loader) is not DataLoader:
        raise CannotPool(f"build_train_dataloader returns a {type(loader).__name__}, no plain DataLoader")
    if isinstance(loader.dataset, IterableDataset):
        return
    sampler, batches = loader.sampler, loader.batch_sampler
    kinds = (RandomSampler, SequentialSampler)
    is_whole = isinstance(sampler, kinds) and type(sampler) in kinds and sampler.data_source is loader.dataset
    if is_whole and isinstance(sampler, RandomSampler):
        is_whole = not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    if not is_whole:
        raise CannotPool(f"the training loader has a sampler of its own, {type(sampler).__name__}")
    if batches is not None and type(batches) is not BatchSampler:
        raise CannotPool(f"the training loader has a batch_sampler of its own, {type(batches).__name__}")
    if getattr(loader.collate_fn, "__self__", None) is loader.dataset:
        raise CannotPool("collate_fn is a method of the data set, and each owner has a data set of its own")
