"""Softmax and the normalizations."""

import torch
import torch.nn.functional as F

from . import Recorder, uniform

f64 = torch.float64


def write():
    rec = Recorder("norms")
    softmaxes(rec)
    row_norms(rec)
    batch_norms(rec)
    for groups, eps in [(1, 1e-5), (2, 1e-5), (6, 1e-3)]:
        f = lambda x, w, b, groups=groups, eps=eps: F.group_norm(x, groups, w, b, eps)
        options = {"num_groups": groups, "eps": eps}
        rec.case("group_norm", f"groups{groups}", f, [(3, 6, 2, 4), (6,), (6,)], options)
    options = {"num_groups": 2, "eps": 1e-5}
    rec.case("group_norm", "plain", lambda x: F.group_norm(x, 2), [(3, 6, 5)], options)
    rec.case("group_norm", "no_space", lambda x, w, b: F.group_norm(x, 2, w, b), [(3, 6), (6,), (6,)], options)
    rec.case("group_norm", "f64", lambda x, w, b: F.group_norm(x, 2, w, b), [(3, 6, 2, 2), (6,), (6,)], options, f64)
    rec.write()


def softmaxes(rec):
    large = lambda g: 100 * torch.randn(3, 7, generator=g, dtype=f64)
    masked = torch.tensor([[0.5, float("-inf"), 1.0], [float("-inf"), 2.0, float("-inf")]], dtype=f64)
    for op, f in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        for dim in [0, 1, -1]:
            rec.case(op, f"dim{dim}", lambda x, f=f, dim=dim: f(x, dim), [(3, 4, 5)], {"dim": dim})
        last = lambda x, f=f: f(x, -1)
        rec.case(op, "large", last, [large], {"dim": -1})
        rec.case(op, "one", last, [(4, 1)], {"dim": -1})
        rec.case(op, "odd", last, [(5, 131)], {"dim": -1})
        rec.case(op, "masked", last, [masked], {"dim": -1}, grad=False)
        rec.case(op, "f64", last, [(3, 7)], {"dim": -1}, f64)
        rec.case(op, "bfloat16", last, [(5, 33)], {"dim": -1}, torch.bfloat16, grad=False)


def row_norms(rec):
    far = lambda g: 1e3 + torch.randn(3, 16, generator=g, dtype=f64)
    for eps in [1e-5, 1e-3]:
        f = lambda x, w, b, eps=eps: F.layer_norm(x, w.shape, w, b, eps)
        rec.case("layer_norm", f"eps{eps}", f, [(2, 3, 8), (8,), (8,)], {"normalized_shape": [8], "eps": eps})
        f = lambda x, w, eps=eps: F.rms_norm(x, w.shape, w, eps)
        rec.case("rms_norm", f"eps{eps}", f, [(2, 3, 8), (8,)], {"normalized_shape": [8], "eps": eps})
    for name, shape, over, dtype in [
        ("plain", (3, 8), [8], torch.float32),
        ("two_axes", (3, 4, 5), [4, 5], torch.float32),
        ("odd", (3, 131), [131], torch.float32),
        ("one", (3, 1), [1], torch.float32),
        ("f64", (3, 8), [8], f64),
        ("bfloat16", (3, 40), [40], torch.bfloat16),
    ]:
        options, grad = {"normalized_shape": over, "eps": 1e-5}, dtype != torch.bfloat16
        rec.case("layer_norm", name, lambda x, over=over: F.layer_norm(x, over), [shape], options, dtype, grad)
        rec.case("rms_norm", name, lambda x, over=over: F.rms_norm(x, over, eps=1e-5), [shape], options, dtype, grad)
    # Bound of this one: an f32 mean near 1e3 is off by up to 6e-5, and so is each (x - mean) / 1.
    options = {"normalized_shape": [16], "eps": 1e-5, "atol": 2e-4}
    rec.case("layer_norm", "far", lambda x: F.layer_norm(x, [16]), [far], options, grad=False)
    rec.case("layer_norm", "no_bias", lambda x, w: F.layer_norm(x, w.shape, w), [(3, 8), (8,)],
             {"normalized_shape": [8], "eps": 1e-5})  # fmt: skip


def batch_norms(rec):
    """Inputs x, weight, bias, running mean, running variance; the updated statistics are outputs."""
    for name, shape, momentum, eps, dtype in [
        ("rows", (6, 3), 0.1, 1e-5, torch.float32),
        ("sequence", (4, 3, 5), 0.1, 1e-5, torch.float32),
        ("image", (2, 3, 4, 2), 0.3, 1e-3, torch.float32),
        ("f64", (4, 3, 2), 0.1, 1e-5, f64),
    ]:
        for training in [True, False]:

            def f(x, w, b, mean, var, training=training, momentum=momentum, eps=eps):
                new_mean, new_var = mean.clone(), var.clone()  # updated in place
                y = F.batch_norm(x, new_mean, new_var, w, b, training, momentum, eps)
                return {"output": y, "running_mean": new_mean, "running_var": new_var}

            tag = f"{name}_{'train' if training else 'eval'}"
            options = {"training": training, "momentum": momentum, "eps": eps}
            inputs = [shape, (3,), (3,), (3,), uniform(3, low=0.5, high=2)]
            rec.case("batch_norm", tag, f, inputs, options, dtype, fixed=[3, 4])
