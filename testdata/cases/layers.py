"""What wraps layers: spectral norm in training, and weight norm; and multi-head attention.

Inputs are x, weight, bias, and u and v, or g; with the output of spectral norm the vectors as they are then. Those of
attention are x, the memory of cross attention, and the parameters in the order of ours.
"""

import torch
import torch.nn.functional as F
from torch.func import functional_call
from torch.nn.utils import spectral_norm  # the paper's order, v first; that of `parametrizations` begins with u
from torch.nn.utils.parametrizations import weight_norm

from . import Recorder, uniform

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
    attentions(rec)
    rec.write()


def attentions(rec):
    def packed(causal):
        def f(x, w, b, out_w, out_b):
            layer = torch.nn.MultiheadAttention(8, 2, batch_first=True).to(w.dtype)
            own = {"in_proj_weight": w, "in_proj_bias": b, "out_proj.weight": out_w, "out_proj.bias": out_b}
            mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1) if causal else None
            return functional_call(layer, own, (x, x, x), {"need_weights": False, "attn_mask": mask})[0]

        return f

    def cross(x, memory, wq, bq, wk, bk, wv, bv, out_w, out_b):
        layer = torch.nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True).to(wq.dtype)
        own = {"q_proj_weight": wq, "k_proj_weight": wk, "v_proj_weight": wv}
        own |= {"in_proj_bias": torch.cat([bq, bk, bv]), "out_proj.weight": out_w, "out_proj.bias": out_b}
        return functional_call(layer, own, (x, memory, memory), {"need_weights": False})[0]

    # As small as weights are; larger ones would make f32 lose digits.
    small = lambda *shape: uniform(*shape, low=-0.4, high=0.4)
    inputs = [(2, 5, 8), small(24, 8), small(24), small(8, 8), small(8)]
    for causal in [False, True]:
        options = {"layer": "packed", "causal": causal}
        rec.case("attention", "causal" if causal else "all", packed(causal), inputs, options)
        rec.case("attention", "causal_f64" if causal else "all_f64", packed(causal), inputs, options, f64)
    of_memory = [small(8, 6), small(8)] * 2
    inputs = [(2, 5, 8), (2, 7, 6), small(8, 8), small(8), *of_memory, small(8, 8), small(8)]
    rec.case("attention", "cross", cross, inputs, {"layer": "separate", "causal": False})
