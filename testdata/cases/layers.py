"""What wraps layers: spectral norm in training, and weight norm.

Inputs are x, weight, bias, and u and v, or g; with the output of spectral norm the vectors as they are then.
"""

import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.nn.utils import spectral_norm  # the paper's order, v first; that of `parametrizations` begins with u
from torch.nn.utils.parametrizations import weight_norm

from . import Recorder

f64 = torch.float64


def write():
    rec = Recorder("layers")
    layers = [
        ("linear", lambda: torch.nn.Linear(4, 3), (5, 4), (3, 4)),
        ("conv", lambda: torch.nn.Conv2d(2, 3, 2), (2, 2, 4, 3), (3, 2, 2, 2)),
        ("conv_transpose", lambda: torch.nn.ConvTranspose2d(2, 3, 2), (2, 2, 3, 2), (2, 3, 2, 2)),
    ]
    for name, make, x, w in layers:
        out = 1 if name == "conv_transpose" else 0
        unit = lambda n: lambda g: F.normalize(torch.randn(n, generator=g, dtype=f64), dim=0)
        columns = torch.Size(w).numel() // w[out]

        def spectral(x, w, b, u, v, make=make):
            layer = spectral_norm(make().to(w.dtype))
            u, v = u.detach().clone(), v.detach().clone()  # updated in place
            y = functional_call(layer, {"weight_orig": w, "bias": b, "weight_u": u, "weight_v": v}, (x,))
            return {"output": y, "u": u, "v": v}

        inputs = [x, w, (w[out],), unit(w[out]), unit(columns)]
        rec.case("spectral_norm", name, spectral, inputs, {"layer": name}, fixed=[3, 4])
        rec.case("spectral_norm", f"{name}_f64", spectral, inputs, {"layer": name}, f64, fixed=[3, 4])

        def weight(x, w, b, g, make=make):
            layer = weight_norm(make().to(w.dtype))
            own = {"parametrizations.weight.original0": g, "parametrizations.weight.original1": w, "bias": b}
            return functional_call(layer, own, (x,))

        inputs = [x, w, (w[out],), (w[0],) + (1,) * (len(w) - 1)]
        rec.case("weight_norm", name, weight, inputs, {"layer": name})
    rec.write()
