"""Where does the gradient fade? A tool of twenty lines over the graph API."""

import chainrule as torch
from chainrule.graph import Graph


def gradient_flow(loss):
    """Print each line that recorded something, loss first, with the largest gradient there."""
    graph = Graph(loss)
    graph.gradients()  # of the loss with respect to the result of every node
    largest = {}
    for node in reversed(graph.nodes):
        if node.location is not None and node.gradient is not None:
            size = node.gradient.abs().max().item()
            place = (node.module, node.location.describe(), node.location.text)
            largest[place] = max(size, largest.get(place, 0.0))
    for (module, _, text), size in largest.items():
        bar = "#" * max(0, int(8 + torch.tensor(size).log10().item()))
        print(f"{size:8.1e} {bar:<8} {module:<14} {text}")


class Deep(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(6)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).sigmoid()
        return x


if __name__ == "__main__":
    torch.manual_seed(0)
    model = Deep()
    loss = model(torch.randn(32, 8)).pow(2).mean()
    gradient_flow(loss)
