"""Breast cancer's task: the weight and what it does to probabilities, AUC and calibration, stopping in time."""

import math

import numpy as np
import pytest
import torch
from recordings import recorded
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score
from tasks import at, build, same, state_of
from test_breast_cancer_data import patient, write_table

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.engines.local import run_local
from alphamed_tutorials.examples.breast_cancer.data import PatientDataset, sample_inputs
from alphamed_tutorials.examples.breast_cancer.model import (
    MALIGNANT_WEIGHT,
    NucleiNet,
    Predictor,
    auc,
    calibration_error,
    probabilities_of,
    reliability,
    weighted_loss,
)
from alphamed_tutorials.examples.breast_cancer.prepare import HOSPITALS
from alphamed_tutorials.runs.metrics import curves, details

EXAMPLE = find("breast_cancer")


@pytest.fixture(scope="module")
def data(make_small):
    """Return small data over two owners."""
    return make_small("breast_cancer")


def drawn(seed, rounded=3):
    """Return probabilities, with ties, and labels that follow them."""
    random = np.random.default_rng(seed)
    said = random.uniform(size=200).round(rounded)
    return torch.tensor(said), torch.tensor((random.uniform(size=200) < said**2).astype(float))


# The measures


@pytest.mark.parametrize("rounded", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_auc_is_that_of_scikit_learn(seed, rounded):
    said, labels = drawn(seed, rounded)
    assert auc(said, labels) == pytest.approx(roc_auc_score(labels, said), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_reliability_curve_is_that_of_scikit_learn(seed):
    said, labels = drawn(seed, rounded=9)  # else some lie on an edge, to the last bit
    rows = reliability(said, labels)
    shares, means = calibration_curve(labels, said, n_bins=10)
    assert np.allclose([row[0] for row in rows], means) and np.allclose([row[1] for row in rows], shares)
    counts = [count for *_, count in rows]
    assert sum(counts) == 200
    error = sum(abs(mean - share) * count for mean, share, count in zip(means, shares, counts)) / 200
    assert calibration_error(said, labels) == pytest.approx(error)


def test_probabilities_that_are_true_have_no_calibration_error():
    said = torch.tensor([0.25] * 4 + [0.75] * 4)
    labels = torch.tensor([1.0, 0, 0, 0, 1, 1, 1, 0])
    assert calibration_error(said, labels) == 0
    assert calibration_error(1 - said, labels) == pytest.approx(0.5)


# The weight


def test_the_loss_weights_malignant_masses_by_the_constant():
    logits, labels = torch.tensor([0.3, -0.7, 1.1]), torch.tensor([1.0, 0.0, 1.0])
    weights = torch.where(labels == 1, MALIGNANT_WEIGHT, 1.0)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    assert torch.isclose(weighted_loss(logits, labels), (plain * weights).mean())


def test_the_weight_is_taken_out_of_probabilities():
    labels = torch.tensor([1.0] * 3 + [0.0] * 7)
    logit = torch.tensor(0.3 / 0.7 * MALIGNANT_WEIGHT).log().requires_grad_()  # where the weighted loss is lowest
    weighted_loss(logit.expand(10), labels).backward()
    assert abs(logit.grad) < 1e-6 and probabilities_of(logit).item() == pytest.approx(0.3)


def test_an_alarm_is_a_probability_above_that_of_the_weight():
    assert probabilities_of(torch.zeros(())).item() == pytest.approx(1 / (1 + MALIGNANT_WEIGHT))


# The task


def test_a_lone_last_patient_does_not_stop_training(tmp_path):
    rows = [patient(patient=f"A{number}") for number in range(17)]
    scheduler = at(EXAMPLE, write_table(tmp_path / "node", rows))
    scheduler.train_an_epoch()
    assert scheduler.tb_writer.scalars["train/loss"] > 0
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        NucleiNet()(torch.zeros(1, 30))


def test_the_training_loss_is_a_mean_over_patients_who_took_part(tmp_path):
    rows = [patient(patient=f"A{number}") for number in range(17)]
    scheduler = at(EXAMPLE, write_table(tmp_path / "node", rows), learning_rate=0.0)
    scheduler.train_an_epoch()
    inputs, labels = (torch.stack(part) for part in zip(*(scheduler.train_loader.dataset[i] for i in range(16))))
    scheduler.model.train()
    loss = weighted_loss(scheduler.model(inputs), labels).item()  # all 17 are alike
    assert scheduler.tb_writer.scalars["train/loss"] == pytest.approx(loss, rel=1e-5)


def test_what_is_saved_is_the_state_of_the_lowest_validation_loss(data, tmp_path):
    states = str(tmp_path)

    class Watched(EXAMPLE.scheduler_class):
        def validate(self):
            torch.save(self.state_dict(), f"{states}/{self.current_round}.pt")
            super().validate()

    scheduler = build(EXAMPLE, 30, patience=2, learning_rate=0.05)
    scheduler.__class__ = Watched
    run = run_local(scheduler, data, tmp_path / "run", seed=1)
    losses = dict(curves(run.rows)["validation/loss"]["aggregator"])
    best = min(losses, key=losses.get)
    assert run.record["rounds_done"] == best + 2 < 30
    then, last = (torch.load(tmp_path / f"{number}.pt") for number in (best, best + 2))
    assert same(state_of(run), then) and not same(state_of(run), last)


def test_to_ask_whether_it_is_finished_changes_nothing(data):
    scheduler = at(EXAMPLE, data / "nodes/aggregator", patience=1)
    scheduler.run_test()
    before = scheduler.best_loss, scheduler.tests_without_gain
    assert not scheduler.is_task_finished() and not scheduler.is_task_finished()
    assert (scheduler.best_loss, scheduler.tests_without_gain) == before


def test_validation_and_test_patients_are_told_apart(data):
    scheduler = at(EXAMPLE, data / "nodes/aggregator")
    scheduler.run_test()
    for name, metric in (("validation", "validation/loss"), ("test", "test/auc")):
        dataset = PatientDataset(data / "nodes/aggregator", name)
        with torch.no_grad():
            logits = scheduler.model.eval()(dataset.inputs)
        found = weighted_loss(logits, dataset.labels).item() if name == "validation" else auc(logits, dataset.labels)
        assert scheduler.tb_writer.scalars[metric] == pytest.approx(found, rel=1e-5)


def test_each_hospital_has_an_auc_of_its_own(learn):
    run = learn("breast_cancer")
    assert set(details(run.rows)) == {f"test/auc/{name}" for name in ("general", "oncology", "screening")}


# The exported model


def test_the_federated_models_auc_is_hardly_below_any_nodes_in_any_hospital():
    found = {name: run["details"] for name, run in recorded("breast_cancer", "hospitals").items()}
    gains = [found["federated"][f"test/auc/{hospital}"] - found[node][f"test/auc/{hospital}"]
             for node in ("node1", "node2", "node3") for hospital in HOSPITALS]  # fmt: skip
    assert min(gains) > -0.005 and sum(gain < 0 for gain in gains) == 1 and max(gains) < 0.02


def test_the_predictor_standardises_fills_gaps_and_takes_the_weight_out(data):
    torch.manual_seed(0)
    model = NucleiNet().eval()
    values = sample_inputs(data / "nodes/aggregator", 50)
    assert values.isnan().any()
    said = Predictor(model)(values)
    expected = probabilities_of(model(PatientDataset(data / "nodes/aggregator", "test").inputs[:50]))
    assert torch.allclose(said, expected) and said.isfinite().all()
    assert math.isfinite(Predictor(model)(torch.full((1, 30), math.nan)).item())
