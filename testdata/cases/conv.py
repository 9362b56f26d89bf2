"""Convolution and transposed convolution in one, two and three axes of space."""

import torch
import torch.nn.functional as F

from . import Recorder

CONV = [F.conv1d, F.conv2d, F.conv3d]
TRANSPOSE = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d]

# (name, x, weight, options)
SAMPLES = [
    ("sequence", (2, 3, 7), (4, 3, 3), {}),
    ("image", (2, 3, 6, 5), (4, 3, 3, 2), {}),
    ("volume", (1, 2, 4, 5, 3), (3, 2, 2, 3, 2), {}),
    ("one", (2, 3, 4, 4), (5, 3, 1, 1), {}),
    ("stride", (2, 3, 9, 8), (4, 3, 3, 3), {"stride": [2, 3]}),
    ("padding", (2, 3, 6, 5), (4, 3, 3, 3), {"padding": [1, 2]}),
    ("same", (2, 3, 6, 5), (4, 3, 4, 3), {"padding": "same"}),
    ("same_dilated", (2, 3, 9), (4, 3, 3), {"padding": "same", "dilation": [2]}),
    ("dilation", (2, 3, 9, 9), (4, 3, 3, 2), {"dilation": [2, 3], "padding": [2, 1]}),
    ("groups", (2, 6, 5, 6), (4, 3, 3, 3), {"groups": 2, "padding": [1, 1]}),
    ("depthwise", (2, 5, 7, 6), (10, 1, 3, 3), {"groups": 5, "stride": [2, 1]}),
    ("odd", (3, 17, 9, 11), (19, 17, 3, 3), {"padding": [1, 1]}),
    ("volume_stride", (2, 2, 5, 6, 6), (4, 1, 3, 3, 2), {"groups": 2, "stride": [2, 1, 2], "padding": [1, 0, 1]}),
]
TRANSPOSED = [
    ("sequence", (2, 3, 5), (3, 4, 3), {}),
    ("image", (2, 3, 4, 5), (3, 4, 3, 2), {}),
    ("volume", (1, 2, 3, 2, 3), (2, 3, 2, 3, 2), {}),
    ("dcgan", (2, 6, 4, 4), (6, 3, 4, 4), {"stride": [2, 2], "padding": [1, 1]}),
    ("output_padding", (2, 3, 4, 3), (3, 2, 3, 3), {"stride": [2, 3], "padding": [1, 0], "output_padding": [1, 2]}),
    ("dilation", (2, 3, 4, 3), (3, 2, 3, 2), {"dilation": [2, 3], "output_padding": [1, 0]}),
    ("groups", (2, 6, 4, 3), (6, 2, 3, 3), {"groups": 3, "stride": [2, 2]}),
    ("odd", (3, 19, 5, 7), (19, 17, 3, 3), {"padding": [1, 1]}),
    ("volume_stride", (1, 4, 2, 3, 2), (4, 2, 3, 2, 2), {"groups": 2, "stride": [2, 1, 2], "padding": [1, 0, 0]}),
]


def write():
    rec = Recorder("conv")
    for op, functions, samples in [("conv", CONV, SAMPLES), ("conv_transpose", TRANSPOSE, TRANSPOSED)]:
        for name, x, w, options in samples:
            f = lambda x, w, b, f=functions[len(x) - 3], options=options: f(x, w, b, **options)
            out = w[0] if op == "conv" else w[1] * options.get("groups", 1)
            # Sums of up to 297 products in f32: with u = 2^-24 each step rounds a partial sum of about √i by u/√3 of it,
            # together u/√3 · 297/√2 = 7e-6; five times that among some thousand results.
            bound = {"atol": 4e-5} if name == "odd" else {}
            rec.case(op, name, f, [x, w, (out,)], options | bound)
        name, x, w, options = samples[3]
        f = lambda x, w, f=functions[len(x) - 3], options=options: f(x, w, **options)
        rec.case(op, f"{name}_no_bias", f, [x, w], options)
        rec.case(op, f"{name}_f64", f, [x, w], options, torch.float64)
        rec.case(op, f"{name}_bfloat16", f, [x, w], options, torch.bfloat16, grad=False)
        relu = lambda x, w, b, f=functions[len(samples[1][1]) - 3]: torch.relu(f(x, w, b))
        _, x, w, _ = samples[1]
        rec.case(op, "relu", relu, [x, w, (4,)], {"activation": "relu"})
    rec.write()
