"""Dealing samples out to nodes: nothing lost, nothing twice, the same again for the same seed."""

import numpy as np
import pytest

from alphamed_tutorials.data.partition import Partition
from alphamed_tutorials.errors import WrongUse

LABELS = np.random.default_rng(0).integers(0, 10, 3001)


def largest_shares(parts):
    """Return for each node which part of it its most frequent class makes up."""
    return [np.bincount(LABELS[part]).max() / len(part) for part in parts]


@pytest.mark.parametrize("text", ["iid", "dirichlet:0.3", "dirichlet:0.01", "dirichlet:1", "dirichlet:100"])
@pytest.mark.parametrize("nodes", [1, 2, 3, 7])
def test_every_sample_goes_to_exactly_one_node(text, nodes):
    parts = Partition.parse(text).split(LABELS, nodes, seed=1)
    assert len(parts) == nodes
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    for part in parts:
        assert np.array_equal(part, np.sort(part))
        assert len(part) >= 10


@pytest.mark.parametrize("text", ["iid", "dirichlet:0.3"])
def test_the_seed_decides(text):
    first, again, other = (Partition.parse(text).split(LABELS, 3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))


def test_iid_is_even_and_mixed():
    parts = Partition.parse("iid").split(np.sort(LABELS), 4, seed=0)
    assert sorted(map(len, parts)) == [750, 750, 750, 751]
    for part in parts:
        assert np.bincount(np.sort(LABELS)[part], minlength=10).min() > 40  # not one stretch of the sorted labels


def test_a_smaller_alpha_is_more_skewed():
    means = [
        np.mean(largest_shares(Partition("dirichlet", alpha).split(LABELS, 3, seed=3))) for alpha in (0.05, 0.5, 1000)
    ]
    assert means[0] > 0.3 > means[2]
    assert means[0] > means[1] > means[2]


def test_dirichlet_deals_a_class_out_at_random_not_in_order_of_the_file():
    ones = np.zeros(1000, dtype=int)
    part = Partition("dirichlet", 100).split(ones, 2, seed=0)[0]
    assert len(part) > 100
    assert part[-1] - part[0] >= len(part) + 100


def test_draws_again_until_every_node_has_enough():
    for seed in range(50):
        assert min(map(len, Partition("dirichlet", 0.02).split(LABELS, 3, seed))) >= 10


def test_tiny_sets_need_fewer():
    parts = Partition("dirichlet", 0.3).split(np.array([0, 1, 2]), 3, seed=0)
    assert [len(part) for part in parts] == [1, 1, 1]


def test_gives_up_with_advice():
    with pytest.raises(ValueError, match=r"dirichlet:0.001 left .* larger alpha or fewer nodes than 40"):
        Partition("dirichlet", 0.001).split(LABELS, 40, seed=0)


@pytest.mark.parametrize("text", ["iid", "dirichlet:0.3"])
@pytest.mark.parametrize("nodes", [0, 4])
def test_too_few_samples(text, nodes):
    with pytest.raises(ValueError, match=f"3 samples cannot be split over {nodes} nodes"):
        Partition.parse(text).split(np.array([0, 1, 2]), nodes, seed=0)


@pytest.mark.parametrize("text", ["iid", "dirichlet:0.3", "dirichlet:1", "dirichlet:0.123456789"])
def test_text_and_back(text):
    assert str(Partition.parse(text)) == text


BAD = ["", "foo", "IID", "iid:1", "dirichlet", "dirichlet:", "dirichlet:-1", "dirichlet:0", "dirichlet:abc", "foo:0.3"]


@pytest.mark.parametrize("text", [*BAD, "dirichlet:nan", "dirichlet:inf", "dirichlet:1e-300", "dirichlet:0.3:2"])
def test_bad_text_lists_what_is_allowed(text):
    with pytest.raises(ValueError) as error:
        Partition.parse(text)
    assert isinstance(error.value, WrongUse)
    assert f'"{text}"' in str(error.value)
    assert "iid" in str(error.value) and "dirichlet:0.3" in str(error.value)


def test_skew_gives_each_node_its_share_of_one_class():
    labels = np.repeat([0, 1], 100)
    parts = Partition.parse("skew:0.9").split(labels, 2, seed=0)
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[90, 10], [10, 90]]


@pytest.mark.parametrize("nodes", [1, 2, 3, 5])
def test_skew_loses_no_sample(nodes):
    parts = Partition.parse("skew:0.9").split(LABELS, nodes, seed=1)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))


def test_owners_stay_whole_and_do_not_depend_on_the_seed():
    owners = np.random.default_rng(0).integers(0, 40, len(LABELS))
    parts, again = (Partition.parse("owners").split(LABELS, 3, seed, owners) for seed in (1, 2))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    held = [set(owners[part]) for part in parts]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    assert all(np.array_equal(a, b) for a, b in zip(parts, again))


def test_with_fewer_owners_than_nodes_the_largest_is_cut():
    owners = np.array(["Penn"] * 70 + ["Fudan"] * 50)
    parts = Partition.parse("owners").split(np.zeros(120), 3, 0, owners)
    assert sorted(map(len, parts)) == [35, 35, 50]
    assert all(len(set(owners[part])) == 1 for part in parts)


def test_a_data_set_without_owners_says_so():
    with pytest.raises(WrongUse, match="knows no owners"):
        Partition.parse("owners").split(LABELS, 3, 0)


@pytest.mark.parametrize("text", ["skew:1.1", "skew:-0.1", "skew", "owners:3"])
def test_bad_shares_are_refused(text):
    with pytest.raises(WrongUse, match="is not a partition"):
        Partition.parse(text)
