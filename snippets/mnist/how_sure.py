"""Say how far chance moves an accuracy that was measured on few digits."""

from alphamed_tutorials import prepare, run

prepare("mnist", "data", seed=1)
run("mnist", "data", num_rounds=3, seed=1, out="runs/first")

# --8<-- [start:bootstrap]
import torch

from alphamed_tutorials.examples.mnist.data import build_dataloader
from alphamed_tutorials.examples.mnist.model import ConvNet

model = ConvNet().eval()
model.load_state_dict(torch.load("runs/first/model.pt", weights_only=True))
loader = build_dataloader("data/nodes/aggregator", train=False, batch_size=1000)
with torch.no_grad():
    right = torch.cat([model(images).argmax(1) == labels for images, labels in loader])

right = right.float()  # one 0 or 1 a digit
torch.manual_seed(1)
drawn = torch.randint(len(right), (10_000, len(right)))  # 10,000 test sets like this one
low, high = right[drawn].mean(1).quantile(torch.tensor([0.025, 0.975]))
print(
    f"{right.mean():.1%} of {len(right)} digits; 95 % of draws: {low:.1%} to {high:.1%}"
)
# --8<-- [end:bootstrap]
