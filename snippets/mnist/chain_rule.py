"""Let autograd apply the chain rule to five numbers, and look at the graph that it walks."""

# --8<-- [start:chain]
import torch

x, target = torch.tensor(2.0), torch.tensor(10.0)  # data
w = torch.tensor(3.0, requires_grad=True)  # parameters: their gradients are wanted
b = torch.tensor(1.0, requires_grad=True)

y = w * x + b
loss = (y - target) ** 2
print(f"y = {y.item():g}, loss = {loss.item():g}")

step = loss.grad_fn  # the operation that made loss; from here the graph goes back
while step.next_functions:
    print(step.name())
    step = step.next_functions[0][0]
print("the end is w:", step.variable is w)

loss.backward()
print(f"w.grad = {w.grad.item():g}, b.grad = {b.grad.item():g}, x.grad = {x.grad}")
# --8<-- [end:chain]
