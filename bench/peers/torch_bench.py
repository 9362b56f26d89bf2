"""The workloads of `eras bench` on PyTorch: one JSON line.

    bench/peers/.venv/bin/python bench/peers/torch_bench.py --workload mlp --threads 2 --seconds 5
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

from common import COLUMNS, ELEMENTS, ROWS, arguments, batch, measure


def mlp(args):
    """Forward, backward and one step of Adadelta on a batch of 128; without `foreach` it takes as long."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)
    x, y = map(torch.from_numpy, batch())

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    first = step().item()
    measure(args, step)
    print(f"loss {first:.4f}, in the end {step().item():.4f}", file=sys.stderr)


def matmul(n, dtype):
    def run(args):
        a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        out = torch.empty(n, n, dtype=dtype)
        measure(args, lambda: torch.matmul(a, b, out=out), 2 * n**3)

    return run


def softmax(args):
    x = torch.randn(ROWS, COLUMNS)
    measure(args, lambda: torch.softmax(x, 1))


def layer_norm(args):
    x, weight, bias = torch.randn(ROWS, COLUMNS), torch.rand(COLUMNS), torch.rand(COLUMNS)
    measure(args, lambda: F.layer_norm(x, (COLUMNS,), weight, bias))


def adam(args):
    """The fused step, PyTorch's fastest."""
    w = torch.randn(ELEMENTS, requires_grad=True)
    w.grad = torch.randn(ELEMENTS)
    optimizer = torch.optim.Adam([w], lr=1e-3, fused=True)
    measure(args, optimizer.step)


WORKLOADS = {"mlp": mlp, "softmax": softmax, "layer_norm": layer_norm, "adam": adam}
for n in [512, 1024, 2048]:
    WORKLOADS[f"matmul_{n}"] = matmul(n, torch.float32)
    WORKLOADS[f"matmul_{n}_bf16"] = matmul(n, torch.bfloat16)

if __name__ == "__main__":
    args = arguments(WORKLOADS)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    run = WORKLOADS[args.workload]
    if args.workload == "mlp":
        run(args)
    else:
        with torch.no_grad():
            run(args)
