"""Small networks whose graphs the tests of chainrule.graph look at."""

import math

import chainrule as torch
from chainrule import nn
from chainrule.nn import functional as F


def neurons():
    """The network of five neurons: (L, its leaves by name)."""
    values = {"a": 2.0, "w1": 3.0, "w2": 4.0, "w3": 5.0, "w4": 6.0}
    leaves = {name: torch.tensor(x, requires_grad=True) for name, x in values.items()}
    a, w1, w2, w3, w4 = leaves.values()
    L = 10 - (w3 * (w1 * a) + w4 * (w2 * a))
    return L, leaves


class Residual(nn.Module):
    """x + B relu(A x)"""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(F.relu(self.first(x)))


class ResidualNet(nn.Module):
    """A deep chain of residual layers."""

    def __init__(self, depth=152, width=8):
        super().__init__()
        self.stem = nn.Linear(3, width)
        self.layers = nn.ModuleList(Residual(width) for _ in range(depth))
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class Attention(nn.Module):
    """Self-attention with several heads, of the operators there are."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        size = width // self.heads

        def split(t):
            return t.reshape(batch, length, self.heads, size).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(size), dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """A layer of a transformer."""

    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Token and position embeddings, blocks, a head."""

    def __init__(self, layers=12, width=16, heads=2, tokens=11, length=5):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.position = nn.Parameter(torch.randn(length, width))
        self.layers = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def residual_loss(depth=152):
    """(loss, model) of a residual net on random data."""
    model = ResidualNet(depth)
    return F.mse_loss(model(torch.randn(4, 3)), torch.zeros(4, 2)), model


def transformer_loss(layers=12):
    """(loss, model) of a transformer that predicts tokens."""
    model = Transformer(layers)
    tokens = torch.randint(0, 11, (2, 5))
    return F.cross_entropy(model(tokens).reshape(-1, 11), tokens.reshape(-1)), model


def euler(steps):
    """A long loop of two lines: (result, its leaves)."""
    x = torch.tensor(1.0, requires_grad=True)
    a = torch.tensor(0.999, requires_grad=True)
    c = torch.tensor(0.1, requires_grad=True)
    y = x
    for _ in range(steps):
        y = y * a
        y = y + c
    return y, (x, a, c)
