"""A small U-Net of PyTorch's layers, with and without a time: weights, input, output, gradients.

    python testdata/models/unet.py        # writes unet.safetensors beside this file

In f64, rounded to f32 once; `timed.` and `plain.` are the two networks.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "bench/peers"))
from torch_models import UNet  # noqa: E402

torch.manual_seed(0)
out = {}
for name, timed, levels in [("timed", True, 2), ("plain", False, 1)]:
    net = UNet(c_in=2, c_out=3, base=8, levels=levels, timed=timed).double()
    for p in net.parameters():
        p.data = p.data.float().double()
    x = torch.randn(2, 2, 12, 8).double().requires_grad_()
    t = torch.tensor([3.0, 500.0]).double() if timed else None
    y = net(x, t)
    dy = torch.randn(y.shape).double()
    y.backward(dy)
    out |= {f"{name}.x": x.detach(), f"{name}.y": y.detach(), f"{name}.dy": dy, f"{name}.dx": x.grad}
    if timed:
        out[f"{name}.t"] = t
    for key, p in net.named_parameters():
        out[f"{name}.model.{key}"] = p.detach()
        # One number for each gradient keeps the file small: its product with fixed weights.
        weights = torch.cos(torch.arange(p.numel()).double()).view(p.shape)
        out[f"{name}.grad.{key}"] = (p.grad * weights).sum().reshape(1)
save_file({k: v.float().contiguous() for k, v in out.items()}, HERE / "unet.safetensors", {"torch": torch.__version__})
