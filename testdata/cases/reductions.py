"""Reductions over sets of axes, running sums, sorting."""

import torch

from . import Recorder

# Axes of a (3, 4, 5) tensor; None means all of them.
AXES = [None, [0], [1], [-1], [0, 2], [1, 2], [0, 1, 2]]

FUNCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    "amax": torch.amax,
    "amin": torch.amin,
    "logsumexp": torch.logsumexp,
}


def mark(dims, keepdim):
    axes = "all" if dims is None else "_".join(str(d) for d in dims)
    return f"dim{axes}" + ("_keep" if keepdim else "")


def over_axes(rec, op, f, options, tag=""):
    for dims in AXES:
        for keepdim in [False, True]:
            axes = list(range(3)) if dims is None else dims
            g = lambda x, axes=axes, keepdim=keepdim: f(x, axes, keepdim)
            rec.case(op, tag + mark(dims, keepdim), g, [(3, 4, 5)], {"dim": dims, "keepdim": keepdim, **options})
    g = lambda x: f(x, [1], False)
    rec.case(op, tag + "f64", g, [(3, 4, 5)], {"dim": [1], "keepdim": False, **options}, torch.float64)


def write():
    rec = Recorder("reductions")
    for op, f in FUNCTIONS.items():
        over_axes(rec, op, lambda x, axes, keepdim, f=f: f(x, axes, keepdim), {})
    for correction in [0, 1]:
        for op, f in [("var", torch.var), ("std", torch.std)]:
            g = lambda x, axes, keepdim, f=f, c=correction: f(x, axes, correction=c, keepdim=keepdim)
            over_axes(rec, op, g, {"correction": correction}, f"correction{correction}_")
    for p in [1, 2, "inf"]:
        g = lambda x, axes, keepdim, p=p: torch.linalg.vector_norm(x, float(p), axes, keepdim)
        over_axes(rec, "norm", g, {"p": p}, f"p{p}_")
    large = lambda g: 1e3 * torch.randn(3, 4, generator=g, dtype=torch.float64)
    infinite = torch.tensor([[float("-inf"), 0.0], [float("-inf"), float("-inf")]], dtype=torch.float64)
    rec.case("logsumexp", "large", lambda x: torch.logsumexp(x, 1), [large], {"dim": [1], "keepdim": False})
    rec.case("logsumexp", "infinite", lambda x: torch.logsumexp(x, 1), [infinite], {"dim": [1], "keepdim": False}, grad=False)
    # A mean far from zero: the naive formula E[x²] - E[x]² would lose every digit here.
    far = lambda g: 1e4 + torch.randn(64, generator=g, dtype=torch.float64)
    rec.case("var", "far", lambda x: torch.var(x, [0]), [far], {"dim": [0], "keepdim": False, "correction": 1}, grad=False)
    # Equal maxima share the gradient evenly.
    ties = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], dtype=torch.float64)
    rec.case("amax", "ties", lambda x: torch.amax(x, 1), [ties], {"dim": [1], "keepdim": False})
    rec.case("amin", "ties", lambda x: torch.amin(x, 1), [ties], {"dim": [1], "keepdim": False})
    for op, f in [("sum", torch.sum), ("mean", torch.mean)]:
        options = {"dim": [0], "keepdim": False}
        rec.case(op, "empty", lambda x, f=f: f(x, 0), [(0, 3)], options, grad=False)
        rec.case(op, "long", lambda x, f=f: f(x, 0), [(4099,)], options, grad=False)
        rec.case(op, "bfloat16", lambda x, f=f: f(x, 1), [(5, 33)], {**options, "dim": [1]}, torch.bfloat16, False)

    zeros = torch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 3.0]], dtype=torch.float64)
    for dim in [0, 1, 2]:
        options = {"dim": dim, "keepdim": False}
        for op, f in [("prod", torch.prod), ("cumsum", torch.cumsum)]:
            rec.case(op, f"dim{dim}", lambda x, f=f, dim=dim: f(x, dim), [(3, 4, 5)], options)
            rec.case(op, f"f64_dim{dim}", lambda x, f=f, dim=dim: f(x, dim), [(3, 4, 5)], options, torch.float64)
        for op, f in [("argmax", torch.argmax), ("argmin", torch.argmin)]:
            rec.case(op, f"dim{dim}", lambda x, f=f, dim=dim: f(x, dim), [(3, 4, 5)], options, grad=False)
    rec.case("prod", "zeros", lambda x: torch.prod(x, 1), [zeros], {"dim": 1, "keepdim": False})
    for op, f in [("argmax", torch.argmax), ("argmin", torch.argmin)]:
        rec.case(op, "dimall", lambda x, f=f: f(x), [(3, 4, 5)], {"dim": None, "keepdim": False}, grad=False)
        nan = torch.tensor([[1.0, float("nan"), 3.0], [5.0, 2.0, float("nan")]], dtype=torch.float64)
        rec.case(op, "nan", lambda x, f=f: f(x, 1), [nan], {"dim": 1, "keepdim": False}, grad=False)

    for dim in [0, -1]:
        for descending in [False, True]:
            def sort(x):
                values, indices = torch.sort(x, dim=dim, descending=descending, stable=True)
                return {"output": values, "indices": indices}

            name = f"dim{dim}_{'descending' if descending else 'ascending'}"
            rec.case("sort", name, sort, [(4, 7)], {"dim": dim, "descending": descending, "stable": True})

            def topk(x):
                values, indices = torch.topk(x, 3, dim=dim, largest=descending)
                return {"output": values, "indices": indices}

            name = f"dim{dim}_{'largest' if descending else 'smallest'}"
            rec.case("topk", name, topk, [(4, 7)], {"k": 3, "dim": dim, "largest": descending})

    def stable(x):
        values, indices = torch.sort(x, stable=True)
        return {"output": values, "indices": indices}

    equal = torch.tensor([2.0, 1.0, 2.0, 0.0, 1.0, 2.0, float("nan"), float("-inf")], dtype=torch.float64)
    rec.case("sort", "ties", stable, [equal], {"dim": 0, "descending": False, "stable": True}, grad=False)
    rec.write()
