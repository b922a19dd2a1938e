"""Records losses.json: losses, gradients and mini-batch runs as PyTorch computes them.

Design note. A gradient checked only against finite differences of its own loss can share the loss's
mistake. Here both come from somewhere else: each loss is written with PyTorch's own operations, its
derivative is what ``backward()`` returns, and the descents are those of ``torch.optim.SGD``. All in
float64 on one thread. The tests read the file and need no PyTorch.

Recorded once with Python 3.11 and PyTorch 2.13.0 (CPU), in an environment of its own::

    pip install torch==2.13.0 numpy
    python tests/goldens/record_losses.py

Subgradients at kinks are a matter of taste, not of truth, so no point lies on one.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

EPSILON = 0.1
QUANTILE = 0.3

LOSSES = {
    "hinge": lambda y, raw: F.relu(1 - y * raw),
    "squared_hinge": lambda y, raw: F.relu(1 - y * raw) ** 2,
    "perceptron": lambda y, raw: F.relu(-y * raw),
    "log_loss": lambda y, raw: -F.logsigmoid(y * raw),
    "modified_huber": lambda y, raw: torch.where(y * raw >= -1, F.relu(1 - y * raw) ** 2, -4 * y * raw),
    "squared_error": lambda y, raw: 0.5 * F.mse_loss(raw, y, reduction="none"),
    "huber": lambda y, raw: F.huber_loss(raw, y, reduction="none", delta=EPSILON),
    "epsilon_insensitive": lambda y, raw: F.relu((raw - y).abs() - EPSILON),
    "squared_epsilon_insensitive": lambda y, raw: F.relu((raw - y).abs() - EPSILON) ** 2,
    "quantile": lambda y, raw: torch.maximum(QUANTILE * (y - raw), (QUANTILE - 1) * (y - raw)),
    "poisson": lambda y, raw: F.poisson_nll_loss(raw, y, log_input=True, full=False, reduction="none"),
}
CLASSIFICATION = ("hinge", "squared_hinge", "perceptron", "log_loss", "modified_huber")

SIZES = (1e-8, 1e-3, 0.05, 0.3, 0.999, 1.001, 1.7, 5.0, 17.5, 19.0, 33.0, 34.0, 37.5, 100.0, 690.0)
RAW = (*(-size for size in reversed(SIZES)), *SIZES)
FAR = (-1e20, -1e4, 1e4, 1e20)  # not for poisson, whose mean overflows there


def targets(name):
    if name in CLASSIFICATION:
        return (-1.0, 1.0)
    if name == "poisson":
        return (0.0, 1.0, 7.0)
    return (0.0, -2.25, 3.5)


def points(name):
    """Losses and derivatives at every pair of a target and a raw prediction."""
    raws = RAW if name == "poisson" else (*RAW, *FAR)
    pairs = [(y, raw) for y in targets(name) for raw in raws]
    y = torch.tensor([pair[0] for pair in pairs])
    raw = torch.tensor([pair[1] for pair in pairs], requires_grad=True)
    loss = LOSSES[name](y, raw)
    loss.sum().backward()
    return {
        "y": y.tolist(),
        "raw": raw.detach().tolist(),
        "value": loss.detach().tolist(),
        "gradient": raw.grad.tolist(),
    }


# Mini-batch descent: 13 rows in order, batches of 5 (the last one is smaller), three epochs, a
# constant learning rate, weights of mean 1, L2 on the coefficients and not on the intercept.
N, D, BATCH, EPOCHS, RATE, ALPHA = 13, 3, 5, 3, 0.05, 0.1


def data(name):
    """Numbers that need no random generator."""
    i = torch.arange(N * D)
    X = torch.remainder(i * 37, 41).reshape(N, D) / 20.0 - 1.0
    y = torch.remainder(torch.arange(N) * 5, 7) / 2.0
    if name in CLASSIFICATION:
        y = torch.where(y > 1.4, 1.0, -1.0)
    weights = 0.5 + torch.remainder(torch.arange(N) * 3, 4) / 2.0
    return X, y, weights / weights.mean()


def run(name):
    """Coefficients and intercept after ``EPOCHS`` of torch.optim.SGD."""
    X, y, weights = data(name)
    w = torch.zeros(D, requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    sgd = torch.optim.SGD([{"params": [w], "weight_decay": ALPHA}, {"params": [b]}], lr=RATE)
    for _ in range(EPOCHS):
        for first in range(0, N, BATCH):
            rows = slice(first, first + BATCH)
            sgd.zero_grad()
            (weights[rows] * LOSSES[name](y[rows], X[rows] @ w + b)).mean().backward()
            sgd.step()
    return {
        "X": X.tolist(),
        "y": y.tolist(),
        "weights": weights.tolist(),
        "coef": w.tolist(),
        "intercept": b.item(),
    }


# Their first step would start at raw = 0, which is the perceptron's kink, and the target 0 of the
# data is the kink of the quantile loss.
KINKED_AT_ZERO = ("perceptron", "quantile")


def main():
    goldens = {
        "torch": torch.__version__,
        "epsilon": EPSILON,
        "quantile": QUANTILE,
        "descent": {"batch_size": BATCH, "epochs": EPOCHS, "eta": RATE, "alpha": ALPHA},
        "points": {name: points(name) for name in LOSSES},
        "runs": {name: run(name) for name in LOSSES if name not in KINKED_AT_ZERO},
    }
    path = Path(__file__).with_name("losses.json")
    path.write_text(json.dumps(goldens).replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
