"""Make toy patients for every node: python make_data.py. Later your own files take their place."""

import csv
import random
import sys
from pathlib import Path

DATA = Path(__file__).with_name("data")
# File, number and mean age of the patients: hospitals differ.
NODES = {
    "aggregator": ("test.csv", 300, 55),
    "hospital_a": ("train.csv", 200, 45),
    "hospital_b": ("train.csv", 300, 55),
    "hospital_c": ("train.csv", 400, 65),
}


def draw_patient(numbers: random.Random, mean_age: float) -> dict[str, float]:
    """Return one patient's measurements, and whether diabetes was found."""
    age = round(min(max(numbers.gauss(mean_age, 12), 18), 95))
    body_mass_index = round(min(max(numbers.gauss(25, 4), 15), 50), 1)
    pressure = round(min(max(numbers.gauss(100 + 0.6 * age, 15), 80), 220))
    glucose = round(min(max(numbers.gauss(6.5, 2), 3), 25), 1)
    risk = 0.04 * (age - 55) + 0.1 * (body_mass_index - 25) + 0.9 * (glucose - 6.5)
    return {
        "age": age,
        "systolic_pressure": pressure,
        "glucose": glucose,
        "body_mass_index": body_mass_index,
        "has_diabetes": int(risk + numbers.gauss(0, 0.5) > 0),
    }


def main() -> None:
    """Write one folder for each node."""
    if DATA.exists():
        sys.exit(f"{DATA} exists already and is left as it is")
    for node, (name, count, mean_age) in NODES.items():
        numbers = random.Random(node)  # the same patients at every call
        patients = [draw_patient(numbers, mean_age) for _ in range(count)]
        (DATA / node).mkdir(parents=True)
        with open(DATA / node / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(patients[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(patients)


if __name__ == "__main__":
    main()
