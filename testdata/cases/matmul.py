"""Products: matmul with broadcast batches, einsum, linear."""

import torch
import torch.nn.functional as F

from . import Recorder

MATMUL = {
    "matrix": [(4, 5), (5, 3)],
    "vector_vector": [(5,), (5,)],
    "matrix_vector": [(4, 5), (5,)],
    "vector_matrix": [(5,), (5, 3)],
    "batch": [(2, 4, 5), (2, 5, 3)],
    "batch_matrix": [(2, 4, 5), (5, 3)],
    "matrix_batch": [(4, 5), (2, 5, 3)],
    "batch_vector": [(2, 4, 5), (5,)],
    "vector_batch": [(5,), (2, 5, 3)],
    "broadcast": [(3, 1, 4, 5), (2, 5, 3)],
    "broadcast_both": [(2, 1, 1, 4, 5), (1, 3, 2, 5, 3)],
    "one": [(1, 1), (1, 1)],
    "empty_sum": [(3, 0), (0, 2)],
    "odd": [(17, 33), (33, 19)],
}

EINSUM = {
    "ij,jk->ik": [(3, 4), (4, 5)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "ij,kj->ik": [(3, 4), (5, 4)],
    "ij->ji": [(3, 4)],
    "ij->": [(3, 4)],
    "ij->i": [(3, 4)],
    "ii->i": [(4, 4)],
    "ii": [(4, 4)],
    "i,j->ij": [(3,), (4,)],
    "i,i->": [(5,), (5,)],
    "ij,ij->ij": [(3, 4), (3, 4)],
    "bthd,bshd->bhts": [(2, 3, 2, 4), (2, 5, 2, 4)],
    "bhts,bshd->bthd": [(2, 2, 3, 5), (2, 5, 2, 4)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "bn,anm,bm->ba": [(2, 3), (5, 3, 4), (2, 4)],
    "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)],
    "ij,jk": [(3, 4), (4, 5)],
    "ba": [(2, 3)],
}


def write():
    rec = Recorder("matmul")
    for name, shapes in MATMUL.items():
        rec.case("matmul", name, torch.matmul, shapes)
    for name in ["matrix", "broadcast", "vector_batch"]:
        rec.case("matmul", f"{name}_f64", torch.matmul, MATMUL[name], dtype=torch.float64)
    for dtype in [torch.bfloat16, torch.float16]:
        rec.case("matmul", str(dtype).split(".")[1], torch.matmul, MATMUL["odd"], dtype=dtype, grad=False)
    transposed = lambda x, y: torch.matmul(x.transpose(0, 1), y.transpose(0, 1))
    rec.case("matmul", "transposed", transposed, [(5, 4), (3, 5)], {"transpose": [True, True]})
    for equation, shapes in EINSUM.items():
        f = lambda *xs, equation=equation: torch.einsum(equation, *xs)
        name = equation.replace(",", "_").replace("->", "_to_").replace("...", "dots")
        rec.case("einsum", name, f, shapes, {"equation": equation})
    rec.case("einsum", "f64", lambda x, y: torch.einsum("bij,bjk->bik", x, y), [(2, 3, 4), (2, 4, 5)],
             {"equation": "bij,bjk->bik"}, torch.float64)  # fmt: skip
    # Weight (out, in), as PyTorch keeps it.
    rec.case("linear", "bias", F.linear, [(6, 5), (3, 5), (3,)])
    rec.case("linear", "no_bias", F.linear, [(6, 5), (3, 5)])
    rec.case("linear", "vector", F.linear, [(5,), (3, 5), (3,)])
    rec.case("linear", "batch", F.linear, [(2, 4, 5), (3, 5), (3,)])
    rec.case("linear", "f64", F.linear, [(2, 4, 5), (3, 5), (3,)], dtype=torch.float64)
    for name, activation in [("relu", F.relu), ("gelu", F.gelu), ("tanh", torch.tanh)]:
        f = lambda x, w, b, activation=activation: activation(F.linear(x, w, b))
        rec.case("linear", name, f, [(6, 5), (3, 5), (3,)], {"activation": name})
    for name in ["none", "tanh"]:
        f = lambda x, w, b, name=name: F.linear(F.gelu(x, approximate=name), w, b)
        rec.case("gelu_linear", name, f, [(6, 5), (3, 5), (3,)], {"approximate": name})
    rec.write()
