"""Pooling, interpolation, pixel shuffle, fold and unfold."""

import torch
import torch.nn.functional as F

from . import Recorder

f64 = torch.float64
MAX = [F.max_pool1d, F.max_pool2d, F.max_pool3d]
AVG = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d]
ADAPTIVE_MAX = [F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d]
ADAPTIVE_AVG = [F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d]

# (name, x, options)
POOLS = [
    ("sequence", (2, 3, 9), {"kernel_size": [2]}),
    ("image", (2, 3, 6, 8), {"kernel_size": [2, 2]}),
    ("odd", (2, 3, 7, 9), {"kernel_size": [2, 2]}),
    ("volume", (2, 2, 4, 5, 6), {"kernel_size": [2, 1, 3]}),
    ("resnet", (2, 3, 11, 12), {"kernel_size": [3, 3], "stride": [2, 2], "padding": [1, 1]}),
    ("overlap", (2, 3, 7, 8), {"kernel_size": [3, 2], "stride": [1, 1]}),
    ("gaps", (2, 3, 9, 10), {"kernel_size": [2, 2], "stride": [3, 4]}),
    ("ceil", (2, 3, 9, 8), {"kernel_size": [2, 3], "stride": [2, 2], "padding": [1, 1], "ceil_mode": True}),
    ("ceil_far", (2, 3, 10, 7), {"kernel_size": [2, 2], "stride": [4, 3], "ceil_mode": True}),
    ("volume_padded", (1, 2, 5, 4, 6), {"kernel_size": [3, 3, 3], "stride": [2, 1, 2], "padding": [1, 1, 1]}),
]


def write():
    rec = Recorder("images")
    pools(rec)
    interpolations(rec)
    rearrangements(rec)
    rec.write()


def pools(rec):
    for name, x, options in POOLS:
        d = len(x) - 3
        rec.case("max_pool", name, lambda x, d=d, o=options: MAX[d](x, **o), [x], options)
        rec.case("avg_pool", name, lambda x, d=d, o=options: AVG[d](x, **o), [x], options)
    options = {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 1], "dilation": [2, 3]}
    rec.case("max_pool", "dilation", lambda x: F.max_pool2d(x, **options), [(2, 3, 9, 8)], options)
    # Few different numbers: the first of the largest gets the gradient.
    ties = lambda g: torch.randint(0, 3, (2, 3, 8, 8), generator=g).to(f64)
    for name, options in [("ties", POOLS[1][2]), ("ties_overlap", POOLS[4][2])]:
        rec.case("max_pool", name, lambda x, o=options: F.max_pool2d(x, **o), [ties], options)
    inf, nan = float("inf"), float("nan")
    odd = torch.tensor([[[-inf, -inf, nan, 1, inf, nan, nan, -inf, 2, inf]]], dtype=f64)
    rec.case("max_pool", "not_finite", lambda x: F.max_pool1d(x, 2), [odd], {"kernel_size": [2]})
    for name, x, options in [POOLS[7], POOLS[8], POOLS[9]]:
        d, options = len(x) - 3, options | {"count_include_pad": False}
        rec.case("avg_pool", f"{name}_counted", lambda x, d=d, o=options: AVG[d](x, **o), [x], options)
    for op, functions in [("adaptive_max_pool", ADAPTIVE_MAX), ("adaptive_avg_pool", ADAPTIVE_AVG)]:
        for x, bins in [
            ((2, 3, 7), [3]), ((2, 3, 7, 5), [3, 4]), ((2, 3, 6, 8), [3, 2]), ((2, 3, 5, 4), [1, 1]),
            ((2, 3, 3, 2), [5, 4]), ((1, 2, 5, 4, 7), [2, 3, 4]),
        ]:  # fmt: skip
            f = lambda x, f=functions[len(bins) - 1], bins=bins: f(x, bins)
            rec.case(op, "_".join(str(n) for n in [*x[2:], *bins]), f, [x], {"output_size": bins})
    for op, f in [("max_pool", F.max_pool2d), ("avg_pool", F.avg_pool2d)]:
        options = {"kernel_size": [2, 2]}
        rec.case(op, "f64", lambda x, f=f: f(x, 2), [(2, 3, 4, 5)], options, f64)
        rec.case(op, "bfloat16", lambda x, f=f: f(x, 2), [(2, 3, 4, 5)], options, torch.bfloat16, grad=False)


def interpolations(rec):
    for name, x, size in [
        ("sequence", (2, 3, 4), {"size": [9]}),
        ("twice", (2, 3, 4, 5), {"scale_factor": [2.0, 2.0]}),
        ("thrice", (2, 3, 3, 2), {"scale_factor": [3.0, 3.0]}),
        ("to", (2, 3, 4, 5), {"size": [7, 12]}),
        ("shorter", (2, 3, 9, 8), {"size": [4, 3]}),
        ("fraction", (2, 3, 5, 6), {"scale_factor": [1.7, 0.6]}),
        ("one", (2, 3, 1, 4), {"size": [3, 1]}),
        ("volume", (1, 2, 3, 2, 4), {"size": [5, 4, 6]}),
    ]:
        mode = ["linear", "bilinear", "trilinear"][len(x) - 3]
        for tag, how in [("nearest", {"mode": "nearest"})] + [
            (f"linear{corners}", {"mode": mode, "align_corners": corners}) for corners in [False, True]
        ]:
            f = lambda x, size=size, how=how: F.interpolate(x, **size, **how)
            rec.case("interpolate", f"{name}_{tag}", f, [x], size | how)
    options = {"scale_factor": [2.0, 2.0], "mode": "bilinear", "align_corners": False}
    rec.case("interpolate", "f64", lambda x: F.interpolate(x, **options), [(2, 3, 4, 5)], options, f64)


def rearrangements(rec):
    for r in [2, 3]:
        f = lambda x, r=r: F.pixel_shuffle(x, r)
        rec.case("pixel_shuffle", f"by{r}", f, [(2, 2 * r * r, 3, 2)], {"upscale_factor": r})
        f = lambda x, r=r: F.pixel_unshuffle(x, r)
        rec.case("pixel_unshuffle", f"by{r}", f, [(2, 2, 3 * r, 2 * r)], {"downscale_factor": r})
    for name, x, options in [
        ("plain", (2, 3, 5, 6), {"kernel_size": [2, 3]}),
        ("stride", (2, 2, 7, 6), {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 1]}),
        ("dilation", (1, 2, 7, 9), {"kernel_size": [3, 3], "dilation": [2, 3], "padding": [2, 0]}),
    ]:
        rec.case("unfold", name, lambda x, o=options: F.unfold(x, **o), [x], options)
        columns = tuple(F.unfold(torch.zeros(x), **options).shape)
        size = {"output_size": list(x[2:])}
        rec.case("fold", name, lambda x, o=size | options: F.fold(x, **o), [columns], size | options)
