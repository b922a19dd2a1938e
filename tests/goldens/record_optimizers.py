"""Records optimizers.json: fifty steps of every rule and schedule that PyTorch has, by ``torch.optim``.

Design note. The data and the objective are those of a mini-batch logistic regression: 20 rows in
order, batches of 4 (5 steps an epoch, 10 epochs), row weights of mean 1, the l2 penalty written into
the loss so that it is part of the gradient, and clipping by ``torch.nn.utils``. All in float64 on one
thread. The tests read the file and need no PyTorch.

Recorded once with Python 3.11 and PyTorch 2.13.0 (CPU), in an environment of its own::

    pip install torch==2.13.0 numpy
    python tests/goldens/record_optimizers.py
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

N, D, BATCH, EPOCHS, ALPHA = 20, 5, 4, 10, 0.05

# label -> (fastgd's name, its parameters, PyTorch's class, its arguments, clipping)
CASES = {
    "sgd, clipped by norm": ("sgd", {"clip_norm": 0.1}, "SGD", {"lr": 0.1}),
    "sgd, clipped by value": ("sgd", {"clip_value": 0.05}, "SGD", {"lr": 0.1}),
    "momentum": ("momentum", {}, "SGD", {"lr": 0.1, "momentum": 0.9}),
    "momentum, dampened": (
        "momentum",
        {"momentum": 0.7, "dampening": 0.3},
        "SGD",
        {"lr": 0.1, "momentum": 0.7, "dampening": 0.3},
    ),
    "nesterov": ("nesterov", {}, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adagrad": ("adagrad", {}, "Adagrad", {"lr": 0.1}),
    "adagrad, begun": (
        "adagrad",
        {"initial_accumulator": 0.2},
        "Adagrad",
        {"lr": 0.1, "initial_accumulator_value": 0.2},
    ),
    "rmsprop": ("rmsprop", {}, "RMSprop", {"lr": 0.01}),
    "rmsprop, short": (
        "rmsprop",
        {"rho": 0.9, "eps": 1e-4},
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-4},
    ),
    "adadelta": ("adadelta", {}, "Adadelta", {"lr": 1.0}),
    "adam": ("adam", {}, "Adam", {"lr": 0.05}),
    "adam, clipped by norm": ("adam", {"clip_norm": 0.1}, "Adam", {"lr": 0.05}),
    "adam, other betas": (
        "adam",
        {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3},
        "Adam",
        {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3},
    ),
    "amsgrad": ("amsgrad", {}, "Adam", {"lr": 0.05, "amsgrad": True}),
    "nadam": ("nadam", {}, "NAdam", {"lr": 0.05}),
    "nadam, fast": ("nadam", {"momentum_decay": 0.1}, "NAdam", {"lr": 0.05, "momentum_decay": 0.1}),
    "adamw": ("adamw", {}, "AdamW", {"lr": 0.05}),
    "adamw, strong": ("adamw", {"weight_decay": 0.5}, "AdamW", {"lr": 0.05, "weight_decay": 0.5}),
}


def data():
    """Numbers that need no random generator."""
    X = torch.remainder(torch.arange(N * D) * 37, 41).reshape(N, D) / 20.0 - 1.0
    y = torch.where(torch.remainder(torch.arange(N) * 5, 7) > 2, 1.0, -1.0)
    weights = 0.5 + torch.remainder(torch.arange(N) * 3, 4) / 2.0
    return X, y, weights / weights.mean()


def run(parameters, name, arguments):
    """The weights after every epoch, and the intercepts."""
    X, y, weights = data()
    w = torch.zeros(D, requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    # decay is the weights' alone
    decay = arguments.get("weight_decay", 0.01 if name == "AdamW" else 0.0)
    groups = [{"params": [w], "weight_decay": decay}, {"params": [b], "weight_decay": 0.0}]
    optimizer = getattr(torch.optim, name)(
        groups, **{k: v for k, v in arguments.items() if k != "weight_decay"}
    )
    coefs, intercepts = [], []
    for _ in range(EPOCHS):
        for first in range(0, N, BATCH):
            rows = slice(first, first + BATCH)
            optimizer.zero_grad()
            loss = (weights[rows] * -F.logsigmoid(y[rows] * (X[rows] @ w + b))).mean()
            (loss + ALPHA / 2 * (w @ w)).backward()
            if "clip_norm" in parameters:
                torch.nn.utils.clip_grad_norm_([w, b], parameters["clip_norm"])
            if "clip_value" in parameters:
                torch.nn.utils.clip_grad_value_([w, b], parameters["clip_value"])
            optimizer.step()
        coefs.append(w.tolist())
        intercepts.append(b.item())
    return {"coef": coefs, "intercept": intercepts}


RATE = 0.3

# fastgd's class, its parameters, PyTorch's class, its arguments
SCHEDULES = [
    ("StepDecay", {"every": 7, "factor": 0.3}, "StepLR", {"step_size": 7, "gamma": 0.3}),
    ("Exponential", {"decay": 0.9}, "ExponentialLR", {"gamma": 0.9}),
    ("Cosine", {"steps": 49, "lowest": 0.01}, "CosineAnnealingLR", {"T_max": 49, "eta_min": 0.01}),
    (
        "Cosine",
        {"steps": 5, "restarts": True, "growth": 2},
        "CosineAnnealingWarmRestarts",
        {"T_0": 5, "T_mult": 2},
    ),
    ("Cosine", {"steps": 9, "restarts": True}, "CosineAnnealingWarmRestarts", {"T_0": 9}),
    ("OneCycle", {"steps": 50}, "OneCycleLR", {"max_lr": RATE, "total_steps": 50}),
    (
        "OneCycle",
        {"steps": 50, "warm_up": 0.5, "start": 0.1, "end": 0.001},
        "OneCycleLR",
        {"max_lr": RATE, "total_steps": 50, "pct_start": 0.5, "div_factor": 10, "final_div_factor": 100},
    ),
    ("WarmUp", {"steps": 20, "start": 0.25}, "LinearLR", {"start_factor": 0.25, "total_iters": 20}),
    ("Polynomial", {"steps": 30, "power": 2}, "PolynomialLR", {"total_iters": 30, "power": 2}),
]


def rates(name, arguments):
    """Learning rates of fifty steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    seen = []
    for _ in range(50):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(seen) < 50:
            schedule.step()
    return seen


def main():
    X, y, weights = data()
    goldens = {
        "torch": torch.__version__,
        "batch_size": BATCH,
        "alpha": ALPHA,
        "X": X.tolist(),
        "y": y.tolist(),
        "weights": weights.tolist(),
        "eta0": RATE,
        "schedules": [
            {"schedule": ours, "parameters": parameters, "rates": rates(name, arguments)}
            for ours, parameters, name, arguments in SCHEDULES
        ],
        "runs": {
            label: {"optimizer": ours, "parameters": parameters, "rate": arguments["lr"]}
            | run(parameters, name, arguments)
            for label, (ours, parameters, name, arguments) in CASES.items()
        },
    }
    path = Path(__file__).with_name("optimizers.json")
    path.write_text(json.dumps(goldens).replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
