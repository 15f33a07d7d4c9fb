"""A training loop whose memory grows with every step."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)


def error(x):
    return (model(x) - x.sum(1, keepdim=True)).pow(2).mean()


total_loss = 0.0
for _ in range(60):
    loss = error(torch.randn(128, 64))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    total_loss += error(torch.randn(512, 64))
print(f"mean loss {total_loss.item() / 60:.4f}")
