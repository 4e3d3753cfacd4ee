"""Read a data owner's sample back from the parameters it sent."""

# --8<-- [start:owner]
import torch
from sklearn.datasets import load_digits
from torch import nn

digits = load_digits()
image = torch.tensor(digits.data[0] / 16, dtype=torch.float32)  # stays with its owner
label = torch.tensor(digits.target[:1])

torch.manual_seed(1)
model = nn.Linear(64, 10)
sent = {name: value.clone() for name, value in model.state_dict().items()}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
nn.functional.cross_entropy(model(image[None]), label).backward()
optimizer.step()
returned = model.state_dict()
# --8<-- [end:owner]


# --8<-- [start:aggregator]
def read_back(sent, returned):
    """Divide how far the weights moved by how far their bias moved."""
    weight = returned["weight"] - sent["weight"]
    bias = returned["bias"] - sent["bias"]
    row = bias.abs().argmax()
    return weight[row] / bias[row]


def draw(pixels):
    rows = pixels.clamp(0, 1).view(8, 8).tolist()
    return ["".join(" .:oO@"[round(5 * value)] for value in row) for row in rows]


found = read_back(sent, returned)
print("the same image:", torch.allclose(found, image, atol=1e-3))
for kept, seen in zip(draw(image), draw(found)):
    print(kept, "|", seen)
# --8<-- [end:aggregator]


# --8<-- [start:noise]
def noisy(size):
    return {
        name: value + size * torch.randn_like(value) for name, value in returned.items()
    }


little, much = (draw(read_back(sent, noisy(size))) for size in (0.01, 0.1))
for one, other in zip(little, much):
    print(one, "|", other)
# --8<-- [end:noise]
