"""What moves elements without computing: by index, by mask, by place."""

import torch
import torch.nn.functional as F

from . import Recorder, integers, permutation

f64 = torch.float64


def write():
    rec = Recorder("indexing")
    by_index(rec)
    by_place(rec)
    rec.write()


def by_index(rec):
    twice = torch.tensor([2, 0, 2, 4, 1])  # a row that is taken twice gets both gradients
    for dim, size in [(0, 5), (1, 6), (-1, 5)]:
        f = lambda x, i, dim=dim: torch.index_select(x, dim, i)
        rec.case("index_select", f"dim{dim}", f, [(5, 6, 5), twice], {"dim": dim})
        f = lambda x, i, dim=dim: torch.gather(x, dim, i)
        shape = [3, 4, 3]
        rec.case("gather", f"dim{dim}", f, [(5, 6, 5), integers(*shape, below=5)], {"dim": dim})
        f = lambda x, i, y, dim=dim: torch.scatter_add(x, dim, i, y)
        rec.case("scatter_add", f"dim{dim}", f, [(5, 6, 5), integers(*shape, below=5), (3, 4, 3)], {"dim": dim})
        f = lambda x, i, y, dim=dim: torch.index_add(x, dim, i, y)
        rows = [5, 6, 5]
        rows[dim] = 5
        rec.case("index_add", f"dim{dim}", f, [(5, 6, 5), twice, tuple(rows)], {"dim": dim})
    rec.case("scatter", "dim1", lambda x, i, y: torch.scatter(x, 1, i, y), [(4, 6), permutation(4, 6, dim=1), (4, 6)],
             {"dim": 1})  # fmt: skip
    rec.case("gather", "f64", lambda x, i: torch.gather(x, 1, i), [(3, 4), integers(3, 2, below=4)], {"dim": 1}, f64)
    rec.case("scatter_add", "f64", lambda x, i, y: torch.scatter_add(x, 1, i, y),
             [(3, 4), integers(3, 6, below=4), (3, 6)], {"dim": 1}, f64)  # fmt: skip
    # Input 0 are the tokens, input 1 the table (V, D).
    rec.case("embedding", "plain", F.embedding, [integers(2, 5, below=7), (7, 3)])
    rec.case("embedding", "vector", F.embedding, [integers(6, below=7), (7, 3)])
    rec.case("embedding", "f64", F.embedding, [integers(2, 5, below=7), (7, 3)], dtype=f64)
    padded = lambda i, w: F.embedding(i, w, padding_idx=1)
    rec.case("embedding", "padding", padded, [torch.tensor([[1, 2, 1], [0, 1, 3]]), (4, 3)], {"padding_idx": 1})
    mask = lambda g: (torch.rand(4, 1, generator=g) < 0.5).to(torch.uint8)
    f = lambda x, m: x.masked_fill(m.bool(), -2.5)
    rec.case("masked_fill", "broadcast", f, [(2, 4, 3), mask], {"value": -2.5})
    rec.case("one_hot", "plain", lambda i: F.one_hot(i, 6), [integers(2, 5, below=6)], {"num_classes": 6}, grad=False)


def by_place(rec):
    for pads in [[1, 2], [0, 1, 2, 0], [1, 1, 0, 2, 3, 0], [-1, 2]]:
        for mode in ["constant", "reflect", "replicate", "circular"]:
            small = mode == "constant" or (min(pads) >= 0 and len(pads) == 2)
            if not small:
                continue
            value = {"value": 1.5} if mode == "constant" else {}
            f = lambda x, pads=pads, mode=mode, value=value: F.pad(x, pads, mode, **value)
            name = mode + "_" + "_".join(str(p) for p in pads)
            # Pads are pairs (before, after) from the last axis forward.
            rec.case("pad", name, f, [(2, 3, 4)], {"pad": pads, "mode": mode, **value})
    for dims in [[0], [1], [0, 2], [-1]]:
        name = "_".join(str(d) for d in dims)
        rec.case("flip", f"dim{name}", lambda x, dims=dims: torch.flip(x, dims), [(2, 3, 4)], {"dims": dims})
    for shifts, dims in [([1], [0]), ([-2], [1]), ([5], [2]), ([1, 2], [0, 2])]:
        f = lambda x, shifts=shifts, dims=dims: torch.roll(x, shifts, dims)
        name = "_".join(str(s) for s in shifts) + "_dim" + "_".join(str(d) for d in dims)
        rec.case("roll", name, f, [(2, 3, 4)], {"shifts": shifts, "dims": dims})
    for op, f in [("tril", torch.tril), ("triu", torch.triu)]:
        for diagonal in [-1, 0, 2]:
            g = lambda x, f=f, diagonal=diagonal: f(x, diagonal)
            rec.case(op, f"diagonal{diagonal}", g, [(2, 4, 5)], {"diagonal": diagonal})
    for dim in [0, 1, -1]:
        shapes = [[2, 3, 4] for _ in range(3)]
        shapes[1][dim], shapes[2][dim] = 5, 1
        f = lambda *xs, dim=dim: torch.cat(xs, dim)
        rec.case("concat", f"dim{dim}", f, [tuple(s) for s in shapes], {"dim": dim})
        rec.case("stack", f"dim{dim}", lambda *xs, dim=dim: torch.stack(xs, dim), [(2, 3), (2, 3)], {"dim": dim})
    for repeats in [[2, 1, 3], [2, 1, 1, 2]]:
        f = lambda x, repeats=repeats: x.repeat(repeats)
        rec.case("repeat", "_".join(str(r) for r in repeats), f, [(2, 3, 2)], {"repeats": repeats})
