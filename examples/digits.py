"""Train a small network to read handwritten digits.

The data are the 1,797 real 8 x 8 digits that come with scikit-learn. The script prints the
accuracy on digits that training has not seen, and draws the loss curve and some digits with
their predictions.

    python examples/digits.py                  with PyTorch
    chainrule run examples/digits.py           the same script on Chainrule

Needs: scikit-learn, matplotlib, tqdm.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

BATCH_SIZE = 64
COLUMNS, ROWS = 8, 4


class DigitNet(nn.Module):
    """64 grey values in, one score for each of the ten digits out."""

    def __init__(self, hidden=256):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 10),
        )

    def forward(self, pixels):
        return self.layers(pixels)


def load_data():
    """Pixels scaled to -1..1 and labels, as a training and a test part: every fifth digit."""
    digits = load_digits()
    unseen = np.arange(len(digits.target)) % 5 == 0
    parts = []
    for part in (~unseen, unseen):
        pixels = torch.tensor(digits.data[part], dtype=torch.float32) / 8.0 - 1.0
        labels = torch.tensor(digits.target[part], dtype=torch.int64)
        parts.append((pixels, labels))
    return parts


def train(model, pixels, labels, epochs):
    """Adam on shuffled batches; returns the loss of every step."""
    loader = DataLoader(TensorDataset(pixels, labels), batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    with tqdm(total=epochs * len(loader), unit="step") as progress:
        for epoch in range(epochs):
            progress.set_description(f"epoch {epoch + 1}/{epochs}")
            for batch, target in loader:
                loss = F.cross_entropy(model(batch), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                progress.update()
            progress.set_postfix(loss=f"{losses[-1]:.4f}")
    return losses


def draw(path, losses, images, labels, predictions, accuracy):
    """One picture: the loss of every step, and digits with what the network reads in them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    ink, accent, wrong = "#22303c", "#2a78b8", "#c8452f"
    plt.rcParams.update({"font.size": 11, "text.color": ink, "axes.labelcolor": ink})
    figure = plt.figure(figsize=(12, 5.4), dpi=110, facecolor="white")
    left, right = figure.add_gridspec(1, 2, width_ratios=(1, 1.35), wspace=0.12)

    curve = figure.add_subplot(left)
    curve.semilogy(losses, color=accent, alpha=0.25, linewidth=0.8, label="each step")
    window = max(1, len(losses) // 40)
    means = [sum(losses[i : i + window]) / window for i in range(len(losses) - window + 1)]
    middle = [i + window / 2 for i in range(len(means))]
    curve.semilogy(middle, means, color=accent, linewidth=2.2, label=f"mean of {window} steps")
    curve.set(xlabel="step", ylabel="cross-entropy", xlim=(0, len(losses)))
    curve.set_title("Training loss", loc="left", fontweight="bold", pad=12)
    curve.grid(True, which="major", color="#dfe5ea", linewidth=0.8)
    curve.spines[["top", "right"]].set_visible(False)
    curve.spines[["left", "bottom"]].set_color("#9aa7b2")
    curve.tick_params(colors="#5b6b78", which="both")
    curve.legend(frameon=False)

    # The misread digits come first: they are the ones worth looking at.
    order = sorted(range(len(labels)), key=lambda i: predictions[i] == labels[i])
    tiles = right.subgridspec(ROWS + 1, COLUMNS, height_ratios=(0.05,) + (1,) * ROWS, hspace=0.35)
    title = figure.add_subplot(tiles[0, :])
    title.axis("off")
    title.set_title(
        f"Unseen digits: {accuracy:.1%} read correctly", loc="left", fontweight="bold", pad=9
    )
    for place, index in enumerate(order[: ROWS * COLUMNS]):
        tile = figure.add_subplot(tiles[1 + place // COLUMNS, place % COLUMNS])
        tile.imshow(images[index], cmap="Greys", vmin=-1, vmax=1, interpolation="nearest")
        tile.set(xticks=[], yticks=[])
        good = predictions[index] == labels[index]
        text = f"{predictions[index]}" if good else f"{predictions[index]}, not {labels[index]}"
        tile.set_title(text, fontsize=10, pad=3, color=ink if good else wrong)
        for spine in tile.spines.values():
            spine.set(color="#cfd8df" if good else wrong, linewidth=0.8 if good else 1.6)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training digits")
    parser.add_argument("--seed", type=int, default=0, help="of weights and shuffling")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="picture to write")
    parser.add_argument("--losses", type=Path, help="text file for the loss of every step")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    (train_pixels, train_labels), (test_pixels, test_labels) = load_data()
    model = DigitNet()
    losses = train(model, train_pixels, train_labels, args.epochs)

    with torch.no_grad():
        predictions = model(test_pixels).argmax(dim=1)
    accuracy = (predictions == test_labels).float().mean().item()
    print(f"test accuracy: {accuracy:.2%} of {len(test_labels)} digits")

    if args.losses is not None:
        args.losses.write_text("".join(f"{loss!r}\n" for loss in losses))
    images = test_pixels.reshape(-1, 8, 8).numpy()
    draw(args.out, losses, images, test_labels.tolist(), predictions.tolist(), accuracy)
    print(f"picture: {args.out}")


if __name__ == "__main__":
    main()
