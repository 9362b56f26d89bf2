"""Functions of one tensor, element by element: torch's unary functions and activations."""

import torch
import torch.nn.functional as F

from . import Recorder, uniform

INF, NAN = float("inf"), float("nan")

# Large, tiny, signed zero; and what is not a finite number.
EXTREME = [0.0, -0.0, 1e-30, -1e-30, 1e-10, -1e-10, 20.0, -20.0, 85.0, -85.0, 1e4, -1e4, 1e10, -1e10]
NOT_FINITE = [INF, -INF, NAN]

# Where Python's name of the function is not the one that users know.
NAMES = {"_threshold": "threshold", "log_sigmoid": "logsigmoid"}

REAL = [
    (F.relu, {}), (F.relu6, {}), (F.leaky_relu, {}), (F.leaky_relu, {"negative_slope": 0.3}), (F.elu, {}),
    (F.elu, {"alpha": 0.7}), (F.celu, {}), (F.celu, {"alpha": 2.0}), (F.selu, {}), (F.gelu, {"approximate": "none"}),
    (F.gelu, {"approximate": "tanh"}), (F.silu, {}), (F.mish, {}), (F.softplus, {}),
    (F.softplus, {"beta": 2.0, "threshold": 5.0}), (F.softsign, {}), (F.softshrink, {}), (F.softshrink, {"lambd": 0.2}),
    (F.hardshrink, {}), (F.hardshrink, {"lambd": 0.2}), (F.tanhshrink, {}), (F.hardtanh, {}),
    (F.hardtanh, {"min_val": -2.0, "max_val": 0.5}), (F.hardsigmoid, {}), (F.hardswish, {}), (torch.sigmoid, {}),
    (F.logsigmoid, {}), (torch.tanh, {}), (F.threshold, {"threshold": 0.1, "value": -3.0}), (torch.exp, {}),
    (torch.expm1, {}), (torch.exp2, {}), (torch.square, {}), (torch.abs, {}), (torch.sign, {}), (torch.neg, {}),
    (torch.floor, {}), (torch.ceil, {}), (torch.round, {}), (torch.trunc, {}), (torch.frac, {}), (torch.sin, {}),
    (torch.cos, {}), (torch.tan, {}), (torch.atan, {}), (torch.sinh, {}), (torch.cosh, {}), (torch.asinh, {}),
    (torch.erf, {}), (torch.erfc, {}), (torch.clamp, {"min": -0.5, "max": 1.0}), (torch.reciprocal, {}),
]  # fmt: skip

# Functions that are defined on a part of the line: (function, low, high, extreme values inside).
PART = [
    (torch.log, 1e-3, 5, [1e-30, 1e-10, 1.0, 1e10, 1e30]),
    (torch.log2, 1e-3, 5, [1e-30, 1e-10, 1.0, 8.0, 1e10, 1e30]),
    (torch.log10, 1e-3, 5, [1e-30, 1e-10, 1.0, 1e10, 1e30]),
    (torch.log1p, -0.99, 5, [0.0, -0.0, 1e-30, -1e-30, 1e-10, -1e-10, 1e10, 1e30]),
    (torch.sqrt, 1e-3, 5, [0.0, 1e-30, 1e-10, 1.0, 1e10, 1e30]),
    (torch.rsqrt, 1e-3, 5, [0.0, 1e-20, 1e-10, 1.0, 1e10, 1e30]),
    (torch.asin, -0.99, 0.99, [0.0, -0.0, 1e-30, -1e-10, 1.0, -1.0]),
    (torch.acos, -0.99, 0.99, [0.0, -0.0, 1e-30, -1e-10, 1.0, -1.0]),
    (torch.acosh, 1.01, 6, [1.0, 2.0, 1e10]),
    (torch.atanh, -0.99, 0.99, [0.0, -0.0, 1e-30, -1e-10]),
]


def write():
    rec = Recorder("elementwise")
    seen = {}
    for f, options in REAL:
        op = NAMES.get(f.__name__, f.__name__)
        variant = seen[op] = seen.get(op, -1) + 1
        mark = str(variant) if variant else ""
        g = lambda x, f=f, options=options: f(x, **options)
        wide = lambda gen: 2 * torch.randn(37, generator=gen, dtype=torch.float64)
        rec.case(op, f"plain{mark}", g, [wide], options)
        rec.case(op, f"f64{mark}", g, [(13,)], options, torch.float64)
        rec.case(op, f"extreme{mark}", g, [torch.tensor(EXTREME, dtype=torch.float64)], options)
        rec.case(op, f"not_finite{mark}", g, [torch.tensor(NOT_FINITE, dtype=torch.float64)], options, grad=False)
    for f, low, high, extreme in PART:
        op = f.__name__
        outside = torch.tensor([*NOT_FINITE, -0.0, low - 3, -1e30], dtype=torch.float64)
        rec.case(op, "plain", f, [uniform(37, low=low, high=high)])
        rec.case(op, "f64", f, [uniform(13, low=low, high=high)], dtype=torch.float64)
        rec.case(op, "extreme", f, [torch.tensor(extreme, dtype=torch.float64)])
        rec.case(op, "not_finite", f, [outside], grad=False)
    ties = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], dtype=torch.float64)
    for f in [torch.round, torch.floor, torch.ceil, torch.trunc, torch.frac]:
        rec.case(f.__name__, "halves", f, [ties], grad=False)
    for op, f in HALF_PRECISION.items():
        for dtype in [torch.bfloat16, torch.float16]:
            rec.case(op, str(dtype).split(".")[1], f, [(19,)], dtype=dtype, grad=False)
    rec.case("prelu", "one", F.prelu, [(3, 4, 5), torch.tensor([0.25], dtype=torch.float64)])
    rec.case("prelu", "channels", F.prelu, [(3, 4, 5), uniform(4)])
    rec.case("prelu", "f64", F.prelu, [(3, 4), uniform(4)], dtype=torch.float64)
    for dim in [0, 1, -1]:
        rec.case("glu", f"dim{dim}", lambda x, dim=dim: F.glu(x, dim), [(4, 6, 2)], {"dim": dim})
    for name, dtype in [("f32", torch.float32), ("f64", torch.float64)]:
        rec.case("swiglu", name, lambda gate, up: F.silu(gate) * up, [(4, 7), (4, 7)], dtype=dtype)
    rec.write()


HALF_PRECISION = {"exp": torch.exp, "tanh": torch.tanh, "gelu": F.gelu, "sigmoid": torch.sigmoid, "silu": F.silu}
