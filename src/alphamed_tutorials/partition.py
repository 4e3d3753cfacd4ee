"""How the samples of one data set are dealt out to the nodes of a task."""

import math
from dataclasses import dataclass

import numpy as np

from .errors import WrongUse

LEAST_SAMPLES = 10  # on a node, so that it has something to train on
MOST_TRIES = 1000


class PartitionError(WrongUse, ValueError):
    """A partition that does not exist or cannot be made; the text says what to do."""


@dataclass(frozen=True)
class Partition:
    """Deal samples out evenly (`iid`) or with label skew (`dirichlet:ALPHA`).

    Label skew was proposed by Hsu et al. 2019; as in Li et al. 2022, a Dirichlet draw says for each class which share
    of it every node gets. A small alpha gives each node few classes, a large one comes close to `iid`.

    Args:
        alpha: The Dirichlet distribution's parameter, or None for `iid`.
    """

    alpha: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Partition":
        """Read a partition as it is written on the command line.

        Args:
            text: `iid` or, for example, `dirichlet:0.3`.

        Raises:
            PartitionError: The text is neither.
        """
        kind, _, number = text.partition(":")
        if text == "iid":
            return cls()
        try:
            alpha = float(number)
        except ValueError:
            alpha = math.nan
        if kind != "dirichlet" or not 0.001 <= alpha <= 1_000_000:
            raise PartitionError(
                f'"{text}" is not a partition: write "iid" (even shares) or "dirichlet:ALPHA" (label skew, '
                'ALPHA from 0.001 to 1000000), for example "dirichlet:0.3"'
            )
        return cls(alpha)

    def __str__(self) -> str:
        return "iid" if self.alpha is None else f"dirichlet:{self.alpha:.15g}"

    def split(self, labels: np.ndarray, nodes: int, seed: int) -> list[np.ndarray]:
        """Give each sample to one node.

        Args:
            labels: The class of every sample [N].
            nodes: How many nodes share the samples.
            seed: Start of the random numbers: the same seed gives the same shares.

        Returns:
            For each node the sorted indices of its samples.

        Raises:
            PartitionError: There are too few samples, or alpha is so small that some node always goes short.
        """
        if not 1 <= nodes <= len(labels):
            raise PartitionError(f"{len(labels)} samples cannot be split over {nodes} nodes: give each one at least")
        generator = np.random.default_rng(seed)
        if self.alpha is None:
            parts = np.array_split(generator.permutation(len(labels)), nodes)
        else:
            parts = self._split_by_class(labels, nodes, generator)
        return [np.sort(part) for part in parts]

    def _split_by_class(self, labels: np.ndarray, nodes: int, generator: np.random.Generator) -> list[np.ndarray]:
        classes, sizes = np.unique(labels, return_counts=True)
        least = max(1, min(LEAST_SAMPLES, len(labels) // (2 * nodes)))
        for _ in range(MOST_TRIES):
            shares = generator.dirichlet([self.alpha] * nodes, size=len(classes))
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
