"""Where means and spreads come from: sums of every hospital, no patient, no test data."""

from alphamed_tutorials import new

# isort: split

from my_task import COLUMNS, MEANS, SPREADS, read_samples

new("toy")

# --8<-- [start:sums]


def report(file):
    values = read_samples(file).tensors[0] * SPREADS + MEANS  # as measured
    values = values.double()
    return len(values), values.sum(0), (values**2).sum(0)  # all that leaves the node


def constants(count, total, squares):
    mean = total / count
    return mean, (squares / count - mean**2).sqrt()


reports = {}
for name in ("hospital_a", "hospital_b", "hospital_c"):
    reports[name] = report(f"toy/data/{name}/train.csv")
    mean, spread = constants(*reports[name])
    print(f"{name}: an age of 55 would become {(55 - mean[0]) / spread[0]:+.2f}")

mean, spread = constants(*map(sum, zip(*reports.values())))
for name, center, width in zip(COLUMNS, mean.tolist(), spread.tolist()):
    print(f"{name}: mean {center:.1f}, spread {width:.1f}")
# --8<-- [end:sums]
