"""AUC and calibration error by hand, on six patients."""

# --8<-- [start:by_hand]
import torch

from alphamed_tutorials.examples.breast_cancer.model import (
    auc,
    calibration_error,
    reliability,
)

labels = torch.tensor([0.0, 0, 1, 0, 1, 1])
said = torch.tensor([0.02, 0.04, 0.36, 0.38, 0.86, 0.94])
print(f"AUC {auc(said, labels):.3f}: 8 of 9 pairs are ranked rightly")
for mean, true, count in reliability(said, labels):
    print(f"said {mean:.2f}, true {true:.2f}, {count} patients")
print(f"calibration error {calibration_error(said, labels):.3f}")

bolder = said**3 / (said**3 + (1 - said) ** 3)  # the same order, nearer to 0 and 1
print(
    f"bolder: AUC {auc(bolder, labels):.3f}, error {calibration_error(bolder, labels):.3f}"
)
# --8<-- [end:by_hand]
