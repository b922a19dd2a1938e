"""The mini-batch loop that people write in PyTorch, written well.

Tensors are in memory already, there is no DataLoader, and one thread. The gradient is autograd's, the
step that of ``torch.optim`` in its fused form; the penalty is its ``weight_decay``. Installed by ``pip
install torch`` for the benchmarks alone.
"""

import numpy as np
import torch
import torch.nn.functional as F

OPTIMIZERS = {
    "sgd": lambda groups, rate: torch.optim.SGD(groups, lr=rate, fused=True),
    "adam": lambda groups, rate: torch.optim.Adam(groups, lr=rate, fused=True),
}


class Loop:
    def __init__(self, task):
        assert (task.loss, task.penalty) == ("log_loss", "l2"), "only what the suites ask for"
        self.task = task
        torch.set_num_threads(1)

    def fit(self, X, y):
        task, n = self.task, len(X)
        size = n if task.batch_size == "full" else task.batch_size
        X = torch.from_numpy(X)
        y = torch.from_numpy((y == y.max()).astype(X.numpy().dtype))
        generator = torch.Generator().manual_seed(task.seed)
        w = torch.zeros(X.shape[1], dtype=X.dtype, requires_grad=True)
        b = torch.zeros(1, dtype=X.dtype, requires_grad=True)
        groups = [{"params": [w], "weight_decay": task.alpha}, {"params": [b], "weight_decay": 0.0}]
        optimizer = OPTIMIZERS[task.optimizer](groups, task.step)
        for _ in range(task.epochs):
            order = torch.randperm(n, generator=generator) if task.shuffle else None
            for start in range(0, n, size):
                rows = order[start : start + size] if task.shuffle else slice(start, start + size)
                loss = F.binary_cross_entropy_with_logits(X[rows] @ w + b, y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.coef_, self.intercept_ = w.detach().numpy()[None], np.array(b.detach())
        return self


build = Loop
