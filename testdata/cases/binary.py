"""Functions of two tensors with broadcasting, and the choice between two by a mask."""

import torch

from . import Recorder, uniform

FUNCTIONS = [torch.add, torch.sub, torch.mul, torch.div, torch.maximum, torch.minimum, torch.atan2]
COMPARISONS = [torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge]

SHAPES = {
    "same": [(3, 5), (3, 5)],
    "scalar": [(2, 3), ()],
    "row": [(4, 3), (3,)],
    "column": [(4, 3), (4, 1)],
    "both": [(2, 1, 3), (4, 1)],
    "left": [(5,), (2, 1, 5)],
    "empty": [(0, 3), (3,)],
}

# What the corners of a function are made of.
CORNERS = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-30, 1e30, float("inf"), float("-inf"), float("nan")]


def write():
    rec = Recorder("binary")
    for f in FUNCTIONS:
        op = f.__name__
        for name, shapes in SHAPES.items():
            rec.case(op, name, f, shapes)
        rec.case(op, "f64", f, SHAPES["both"], dtype=torch.float64)
    for f in [torch.add, torch.mul, torch.div]:
        for dtype in [torch.bfloat16, torch.float16]:
            rec.case(f.__name__, str(dtype).split(".")[1], f, SHAPES["both"], dtype=dtype, grad=False)

    positive = uniform(3, 4, low=0.1, high=3)
    rec.case("pow", "tensor", torch.pow, [positive, (4,)])
    rec.case("pow", "tensor_f64", torch.pow, [positive, (4,)], dtype=torch.float64)
    for exponent in [0.0, 0.5, -0.5, 1.0, 2.0, 3.0, -1.0, -2.0, 2.7]:
        f = lambda x, exponent=exponent: torch.pow(x, exponent)
        rec.case("pow", f"exponent{exponent}", f, [uniform(11, low=0.1, high=3)], {"exponent": exponent})
    for exponent in [2.0, 3.0, -1.0]:
        f = lambda x, exponent=exponent: torch.pow(x, exponent)
        rec.case("pow", f"signed{exponent}", f, [(11,)], {"exponent": exponent})

    # The gradients of a quotient's remainder with respect to the divisor are minus the quotient, rounded.
    divisor = lambda g: torch.rand(3, 4, generator=g, dtype=torch.float64) * 2 + 0.3
    for f in [torch.remainder, torch.fmod]:
        op = f.__name__
        for sign, name in [(1, "positive"), (-1, "negative")]:
            wide = lambda g: 5 * torch.randn(3, 4, generator=g, dtype=torch.float64)
            rec.case(op, name, f, [wide, lambda g, sign=sign: sign * divisor(g)])
        rec.case(op, "f64", f, [(3, 4), divisor], dtype=torch.float64)
        exact = torch.tensor([-4.0, -3.5, -2.0, -0.5, 0.0, 0.5, 2.0, 3.5, 4.0], dtype=torch.float64)
        rec.case(op, "exact", f, [exact, torch.tensor(2.0, dtype=torch.float64)], grad=False)

    # PyTorch gives half of the gradient to each side of a tie.
    ties = [torch.tensor(x, dtype=torch.float64) for x in ([1.0, 2.0, 3.0], [1.0, 5.0, 0.0])]
    rec.case("maximum", "ties", torch.maximum, ties)
    rec.case("minimum", "ties", torch.minimum, ties)

    corners = torch.tensor(CORNERS, dtype=torch.float64)
    for f in [*FUNCTIONS, torch.pow, torch.remainder, torch.fmod]:
        rec.case(f.__name__, "corners", f, [corners[:, None], corners], grad=False)
    for f in COMPARISONS:
        as_u8 = lambda x, y, f=f: f(x, y).to(torch.uint8)
        rec.case(f.__name__, "corners", as_u8, [corners[:, None], corners], grad=False)
    mask = lambda g: (torch.rand(4, 1, generator=g) < 0.5).to(torch.uint8)
    rec.case("where", "broadcast", lambda c, x, y: torch.where(c.bool(), x, y), [mask, (3,), (2, 4, 3)])
    rec.case("lerp", "scalar", lambda x, y: torch.lerp(x, y, 0.3), [(3, 4), (4,)], {"weight": 0.3})
    rec.write()
