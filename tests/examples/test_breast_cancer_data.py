"""Breast cancer's tables: three hospitals' units, gaps and case mixes, and what `DatasetVerify` says of wrong ones."""

import csv
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
import verifying
from sklearn.datasets import load_breast_cancer

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.examples.breast_cancer.data import PatientDataset, build_dataloader, read_patients
from alphamed_tutorials.examples.breast_cancer.dataset_verify import (
    COLUMNS,
    DIAGNOSES,
    HEADER,
    DatasetVerify,
    measured,
    number,
    read_split,
)
from alphamed_tutorials.examples.breast_cancer.model import MALIGNANT_WEIGHT, MEANS, SPREADS
from alphamed_tutorials.examples.breast_cancer.prepare import HOSPITALS, load_embedded, written

check = partial(verifying.check, DatasetVerify)


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    """Return the nodes' folders of three hospitals."""
    folder = tmp_path_factory.mktemp("hospitals") / "data"
    prepare("breast_cancer", folder, 3, "owners", seed=1)
    return folder / "nodes"


@pytest.fixture(scope="module")
def embedded():
    """Return the rows of training and test."""
    return load_embedded()


def patient(unit="um", **changed):
    """Return a row as a hospital with this unit writes it."""
    values = dict(zip(COLUMNS, map(float, load_breast_cancer().data[0])))
    cells = {name: written(value, name, unit) for name, value in values.items()}
    return {"patient": "A1", "hospital": "a", "diagnosis": "M", "unit": unit, **cells, **changed}


def write_table(folder, rows, file="train.csv"):
    """Write rows as a table and return the folder."""
    folder.mkdir(exist_ok=True)
    with (folder / file).open("w", encoding="utf-8", newline="") as opened:
        table = csv.DictWriter(opened, HEADER)
        table.writeheader()
        table.writerows(rows)
    return folder


# What is embedded


def test_malignant_is_one_and_agrees_with_the_source(embedded):
    source = load_breast_cancer()
    names = {"M": "malignant", "B": "benign"}
    for row in embedded[0] + embedded[1]:
        assert names[row["diagnosis"]] == source.target_names[source.target[int(row["patient"][1:])]]
    assert DIAGNOSES == {"B": 0, "M": 1}


def test_what_three_hospitals_write_becomes_the_same_values(embedded):
    source = load_breast_cancer().data
    units = set()
    for row in embedded[0] + embedded[1]:
        values, true = np.array(measured(row)), source[int(row["patient"][1:])]
        known = ~np.isnan(values)
        assert np.allclose(values[known], true[known], rtol=1e-5) and known.sum() > 15
        units.add((row["hospital"], row["unit"]))
    assert units == {(name, hospital.unit) for name, hospital in HOSPITALS.items()} and len(units) == 3


@pytest.mark.parametrize(
    ("unit", "radius", "area"),
    [("um", "14", "615"), ("mm", "0.014", "0.000615"), ("nm", "14000", "615000000")],
)
def test_a_length_takes_the_units_factor_and_an_area_its_square(unit, radius, area):
    row = {**patient(), "unit": unit, "mean radius": radius, "mean area": area, "mean texture": "17"}
    values = dict(zip(COLUMNS, measured(row)))
    found = [values[f"mean {name}"] for name in ("radius", "area", "texture")]
    assert found == pytest.approx([14, 615, 17])


def test_a_file_may_mix_units_and_write_micrometres_in_each_way(tmp_path):
    rows = [patient(unit, patient=unit) for unit in ("um", "mm", "nm")]
    rows += [{**patient(), "unit": unit, "patient": unit} for unit in ("\u00b5m", "\u03bcm", " um ")]
    values = torch.tensor([measured(row) for row in read_split(write_table(tmp_path / "node", rows), "train")])
    assert len(values) == 6
    assert torch.allclose(values, values[:1].expand_as(values), rtol=1e-4)


def test_nobody_is_in_training_and_in_the_test(hospitals):
    train = [row["patient"] for node in ("node1", "node2", "node3") for row in read_split(hospitals / node, "train")]
    splits = [
        {row["patient"] for row in read_patients(hospitals / "aggregator", name)} for name in ("validation", "test")
    ]
    assert len(train) == len(set(train)) and len(train) + sum(map(len, splits)) == 569
    assert not set(train) & (splits[0] | splits[1]) and not splits[0] & splits[1]


def test_every_hospital_is_tested_on_both_diagnoses(hospitals):
    dataset = PatientDataset(hospitals / "aggregator", "test")
    found = set(zip(dataset.hospitals, dataset.labels.tolist()))
    assert found == {(name, label) for name in HOSPITALS for label in (0.0, 1.0)}


def test_chance_tests_more_patients_of_the_general_hospital_as_the_page_says(embedded):
    train, test = (Counter(row["hospital"] for row in rows) for rows in embedded)
    assert test == {"general": 88, "screening": 98, "oncology": 70}
    assert train + test == {"general": 170, "screening": 232, "oncology": 167}


def test_case_mixes_differ(hospitals):
    shares = [PatientDataset(hospitals / f"node{number}", "train").labels.mean().item() for number in (1, 2, 3)]
    assert min(shares) < 0.2 and max(shares) > 0.7


# What would leak, and what each node could do its own way


def test_constants_come_from_training_patients_only(embedded):
    train, test = (np.array([measured(row) for row in rows]) for rows in embedded)
    assert np.allclose(np.nanmean(train, 0), MEANS, rtol=1e-3) and np.allclose(np.nanstd(train, 0), SPREADS, rtol=1e-3)
    assert not np.allclose(np.nanmean(np.vstack([train, test]), 0), MEANS, rtol=1e-3)


def test_the_weight_is_that_of_all_training_patients(embedded):
    found = [row["diagnosis"] for row in embedded[0]]
    assert pytest.approx(found.count("B") / found.count("M"), abs=0.05) == MALIGNANT_WEIGHT


def test_no_node_fills_a_gap_by_its_own_mean(hospitals):
    for name in ("node1", "node2", "node3"):
        values = torch.tensor([measured(row) for row in read_split(hospitals / name, "train")])
        inputs = PatientDataset(hospitals / name, "train").inputs
        assert values.isnan().any() and (inputs[values.isnan()] == 0).all() and inputs.isfinite().all()
        back = inputs * torch.tensor(SPREADS) + torch.tensor(MEANS)
        assert torch.allclose(back[~values.isnan()], values[~values.isnan()], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("text", ["", " ", "NA", "n/a", "-"])
def test_signs_for_a_missing_value_are_known(text):
    assert np.isnan(number(text))


# Batches


@pytest.mark.parametrize(("patients", "batches"), [(33, 2), (32, 2), (10, 1), (2, 1)])
def test_no_batch_of_training_holds_one_patient_or_none_at_all(tmp_path, patients, batches):
    rows = [patient(patient=f"A{number}") for number in range(patients)]
    loader = build_dataloader(write_table(tmp_path / "node", rows), "train", batch_size=16)
    sizes = [len(labels) for _, labels in loader]
    assert len(sizes) == batches and min(sizes) > 1


def test_every_patient_is_tested(hospitals):
    counts = [
        sum(len(labels) for _, labels in build_dataloader(hospitals / "aggregator", split, 16))
        for split in ("validation", "test")
    ]
    assert sum(counts) == len(read_split(hospitals / "aggregator", "test"))


# What is refused

WRONG = {
    "pixels": ({"unit": "px"}, "unit 'px' is not among"),
    "micrometres called millimetres": ({"unit": "mm"}, "is outside 2 to 60 in µm if the unit is mm"),
    "micrometres called nanometres": ({"unit": "nm"}, "is outside 2 to 60 in µm if the unit is nm"),
    "a code for missing": ({"mean texture": "999"}, "mean texture: is outside 1 to 100"),
    "another code for missing": ({"radius error": "-1"}, "radius error: is outside 0 to 60"),
    "an area not squared": ({"mean area": "300"}, "mean area: is no circle's of that radius"),
    "a comma": ({"mean radius": "17,99"}, "mean radius: '17,99' is no number"),
    "infinity": ({"mean radius": "inf"}, "mean radius: 'inf' is no number"),
    "another diagnosis": ({"diagnosis": "1"}, "diagnosis '1' is neither B nor M"),
    "a patient twice": ({"patient": "B1"}, "patient is there before"),
    "too many gaps": (dict.fromkeys(COLUMNS[:16], ""), "more than 15 values are missing"),
}  # fmt: skip


@pytest.mark.parametrize("damage", WRONG)
def test_a_wrong_table_is_refused_with_place_reason_and_advice(tmp_path, damage, caplog):
    changed, reason = WRONG[damage]
    node = write_table(tmp_path / "node", [patient(patient="B1"), patient(patient="B2")])
    assert check(node)[0]
    write_table(node, [patient(patient="B1"), {**patient(patient="B2"), **changed}])
    text = verifying.assert_refused(DatasetVerify, node, "train.csv", reason, caplog)
    assert "line 3" in text


def test_a_patient_in_training_and_test_is_refused(tmp_path, caplog):
    node = write_table(tmp_path / "node", [patient(), patient(patient="A2")])
    write_table(node, [patient(patient="T1"), patient(patient="T2")], "test.csv")
    assert check(node)[0] and check(node, ("test",))[0]
    write_table(node, [patient(), patient(patient="T2")], "test.csv")
    verifying.assert_refused(DatasetVerify, node, "test.csv", "1 patients are in training and in the test", caplog)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (",".join(HEADER).replace("unit", "units").encode(), "once each unit"),
        (";".join(HEADER).encode(), "once each patient"),
        (",".join((*HEADER, "unit")).encode(), "once each unit"),
        ("病人".encode("gbk"), "is no UTF-8 text"),
        (",".join(HEADER).encode() + b"\r\nA1,a,M\r\n", "number of cells"),
        (",".join(HEADER).encode(), "0 patients are too few"),
        (",".join(HEADER).encode() + b'\r\n"A1', "unexpected end of data"),
    ],
)
def test_a_wrong_form_is_refused(tmp_path, content, reason, caplog):
    (tmp_path / "node").mkdir()
    (tmp_path / "node/train.csv").write_bytes(content)
    verifying.assert_refused(DatasetVerify, tmp_path / "node", "train.csv", reason, caplog)


def test_what_is_wrong_everywhere_takes_a_line_for_each_reason(hospitals, tmp_path):
    text = (hospitals / "node1/train.csv").read_text("utf-8").replace(",um,", ",px,")
    (tmp_path / "train.csv").write_text(text, "utf-8")
    ok, reason = check(tmp_path)
    assert not ok and len(reason.splitlines()) == 1 and "line 2 and 133 more" in reason


def test_a_table_with_more_columns_and_a_mark_of_excel_is_read(tmp_path):
    rows = [patient(), patient(patient="A2")]
    write_table(tmp_path / "node", rows)
    file = tmp_path / "node/train.csv"
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\r\n".join(f"{line},note" for line in lines), "utf-8-sig", newline="")
    assert check(tmp_path / "node")[0]
