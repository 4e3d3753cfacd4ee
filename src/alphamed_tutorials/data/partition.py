"""How the samples of one data set are dealt out to the nodes of a task."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from ..errors import WrongUse

LEAST_SAMPLES = 10  # on a node, so that it has something to train on
MOST_TRIES = 1000


class PartitionError(WrongUse, ValueError):
    """A partition that does not exist or cannot be made; the text says what to do."""


@dataclass(frozen=True)
class Partition:
    """Deal samples out evenly (`iid`), with label skew (`dirichlet:ALPHA`, `skew:SHARE`) or by who made them (`owners`).

    Label skew was proposed by Hsu et al. 2019; as in Li et al. 2022, a Dirichlet draw says for each class which share
    of it every node gets: a small alpha gives each node few classes, a large one comes close to `iid`. `skew:0.9` is
    the plain form: node i holds 90 % of class i, and all other samples are dealt out evenly. `owners` keeps what
    belongs to one owner (a speaker, a university, an article) on one node.

    Args:
        kind: `iid`, `dirichlet`, `skew` or `owners`.
        value: The Dirichlet distribution's parameter, or the share of `skew`.
    """

    kind: str = "iid"
    value: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Partition":
        """Read a partition as it is written on the command line.

        Args:
            text: `iid`, `owners`, or for example `dirichlet:0.3` or `skew:0.9`.

        Raises:
            PartitionError: The text is none of these.
        """
        if text in ("iid", "owners"):
            return cls(text)
        kind, _, number = text.partition(":")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        low, high = {"dirichlet": (0.001, 1_000_000), "skew": (0.0, 1.0)}.get(kind, (1, 0))
        if not low <= value <= high:
            raise PartitionError(
                f'"{text}" is not a partition: write "iid" (even shares), "owners" (by who made the samples), '
                '"dirichlet:ALPHA" (label skew, ALPHA from 0.001 to 1000000, for example "dirichlet:0.3") or '
                '"skew:SHARE" (node i holds this share of class i, for example "skew:0.9")'
            )
        return cls(kind, value)

    def __str__(self) -> str:
        return self.kind if self.kind in ("iid", "owners") else f"{self.kind}:{self.value:.15g}"

    def split(self, labels: np.ndarray, nodes: int, seed: int, owners: np.ndarray | None = None) -> list[np.ndarray]:
        """Give each sample to one node.

        Args:
            labels: The class of every sample [N].
            nodes: How many nodes share the samples.
            seed: Start of the random numbers: the same seed gives the same shares.
            owners: The owner of every sample [N], where the data set has natural owners.

        Returns:
            For each node the sorted indices of its samples.

        Raises:
            PartitionError: There are too few samples, alpha is so small that some node always goes short, a node
                would get nothing, or the data set has no owners.
        """
        if not 1 <= nodes <= len(labels):
            raise PartitionError(f"{len(labels)} samples cannot be split over {nodes} nodes: give each one at least")
        generator = np.random.default_rng(seed)
        if self.kind == "dirichlet":
            parts = self._split_by_class(labels, nodes, generator)
        elif self.kind == "skew":
            parts = self._split_by_majority(labels, nodes, generator)
        elif self.kind == "owners":
            parts = _split_by_owner(owners, nodes)
        else:
            parts = np.array_split(generator.permutation(len(labels)), nodes)
        if empty := [number for number, part in enumerate(parts, start=1) if not len(part)]:
            raise PartitionError(f"{self} leaves node {empty[0]} without a sample: take fewer nodes or a smaller share")
        return [np.sort(part) for part in parts]

    def _split_by_majority(self, labels: np.ndarray, nodes: int, generator: np.random.Generator) -> list[np.ndarray]:
        parts: list[list[np.ndarray]] = [[] for _ in range(nodes)]
        for i, name in enumerate(np.unique(labels)):
            members = generator.permutation(np.flatnonzero(labels == name))
            own, rest = np.split(members, [round(self.value * len(members)) if i < nodes else 0])
            others = [node for node in range(nodes) if node != i] or [0]
            parts[min(i, nodes - 1)].append(own)
            for node, piece in zip(others, np.array_split(rest, len(others))):
                parts[node].append(piece)
        return [np.concatenate(part) for part in parts]

    def _split_by_class(self, labels: np.ndarray, nodes: int, generator: np.random.Generator) -> list[np.ndarray]:
        classes, sizes = np.unique(labels, return_counts=True)
        least = max(1, min(LEAST_SAMPLES, len(labels) // (2 * nodes)))
        for _ in range(MOST_TRIES):
            shares = generator.dirichlet([self.value] * nodes, size=len(classes))
            ends = np.rint(shares.cumsum(axis=1) * sizes[:, None]).astype(int)  # [classes, nodes]
            ends[:, -1] = sizes
            if np.diff(ends, axis=1, prepend=0).sum(axis=0).min() >= least:
                break
        else:
            raise PartitionError(
                f"{self} left a node with fewer than {least} of {len(labels)} samples in {MOST_TRIES} tries: "
                f"take a larger alpha or fewer nodes than {nodes}"
            )
        pieces = [
            np.split(generator.permutation(np.flatnonzero(labels == name)), cuts[:-1])
            for name, cuts in zip(classes, ends)
        ]
        return [np.concatenate(of_node) for of_node in zip(*pieces)]


def _split_by_owner(owners: np.ndarray | None, nodes: int) -> list[np.ndarray]:
    """Deal whole owners out in turn, in an order that does not follow their names; too few owners are cut in two."""
    if owners is None:
        raise PartitionError('this data set knows no owners: take "iid" or "dirichlet:ALPHA"')
    names = sorted(np.unique(owners), key=lambda name: hashlib.sha1(str(name).encode()).hexdigest())
    groups = [np.flatnonzero(owners == name) for name in names]
    while len(groups) < nodes:
        largest = groups.pop(int(np.argmax([len(group) for group in groups])))
        groups += np.array_split(largest, 2)
    return [np.concatenate(groups[node::nodes]) for node in range(nodes)]
