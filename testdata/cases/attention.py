"""Scaled dot-product attention, and rotary positions."""

import torch
import torch.nn.functional as F

from . import Recorder, uniform

f64 = torch.float64


def seen(*shape, part=0.7):
    """Truth values as bytes; of each query one key is seen at least."""

    def draw(g):
        mask = torch.rand(shape, generator=g) < part
        mask[..., 0] = True
        return mask.to(torch.uint8)

    return draw


def write():
    rec = Recorder("attention")
    sdpa(rec)
    rotary(rec)
    rec.write()


def sdpa(rec):
    def case(name, shapes, options=None, dtype=torch.float32, grad=True, extra=(), **arguments):
        def f(q, k, v, *mask):
            mask = [m.bool() if m.dtype == torch.uint8 else m for m in mask]
            return F.scaled_dot_product_attention(q, k, v, *mask, **arguments)

        rec.case("attention", name, f, [*shapes, *extra], options or {}, dtype, grad)

    same = lambda b, h, t, d: [(b, h, t, d)] * 3
    case("plain", same(2, 3, 7, 8))
    case("one", same(1, 1, 1, 1))
    case("scale", same(2, 2, 5, 4), {"scale": 0.3}, scale=0.3)
    case("cross", [(2, 3, 5, 8), (2, 3, 9, 8), (2, 3, 9, 6)])
    case("causal", same(1, 2, 40, 8), {"causal": True}, is_causal=True)
    case("f64", same(1, 2, 35, 5), {"causal": True}, f64, is_causal=True)
    case("grouped", [(2, 6, 7, 8), (2, 2, 7, 8), (2, 2, 7, 8)], {"causal": True}, is_causal=True, enable_gqa=True)
    case("long", [(1, 1, 3, 4), (1, 1, 300, 4), (1, 1, 300, 4)])
    for dtype in [torch.bfloat16, torch.float16]:
        case(str(dtype).split(".")[1], same(1, 2, 9, 8), {"causal": True}, dtype, False, is_causal=True)
    case("mask", same(2, 3, 6, 4), extra=[seen(6, 6)])
    case("padding", same(2, 3, 6, 4), extra=[seen(2, 1, 1, 6)])
    case("mask_of_all", same(2, 3, 6, 4), extra=[seen(2, 3, 6, 6)])
    case("bias", same(2, 3, 6, 4), extra=[(3, 6, 6)])

    def cached(q, k, v):
        """Queries at the end of the keys."""
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
        return F.scaled_dot_product_attention(q, k, v, mask)

    rec.case("attention", "cached", cached, [(2, 2, 3, 8), (2, 2, 40, 8), (2, 2, 40, 8)], {"causal": True})

    def windowed(q, k, v):
        n = q.shape[2]
        mask = torch.ones(n, n, dtype=torch.bool).tril().triu(-3)
        return F.scaled_dot_product_attention(q, k, v, mask)

    rec.case("attention", "window", windowed, same(1, 2, 40, 8), {"causal": True, "window": 4})

    def alibi(q, k, v):
        t = q.shape[2]
        away = torch.arange(t).unsqueeze(1) - torch.arange(t)
        slopes = torch.tensor([2.0**-4, 2.0**-8], dtype=q.dtype).reshape(2, 1, 1)
        mask = (-slopes * away).masked_fill(away < 0, float("-inf"))
        return F.scaled_dot_product_attention(q, k, v, mask)

    rec.case("attention", "alibi", alibi, same(2, 2, 20, 8), {"causal": True, "alibi": True})


def rotary(rec):
    """As in Hugging Face's Llama (halves) and GPT-J (neighbours), written out."""

    def halves(x, cos, sin):
        n = 2 * cos.shape[-1]
        both = lambda angle: torch.cat([angle, angle], -1)
        a, b = x[..., : n // 2], x[..., n // 2 : n]
        turned = x[..., :n] * both(cos) + torch.cat([-b, a], -1) * both(sin)
        return torch.cat([turned, x[..., n:]], -1)

    def interleaved(x, cos, sin):
        n = 2 * cos.shape[-1]
        numbers = torch.view_as_complex(x[..., :n].reshape(*x.shape[:-1], n // 2, 2).contiguous())
        turned = torch.view_as_real(numbers * torch.complex(cos, sin)).flatten(-2)
        return torch.cat([turned, x[..., n:]], -1)

    for name, f in [("halves", halves), ("interleaved", interleaved)]:
        options = {"pairing": name}
        angles = [uniform(7, 4, low=-1, high=1)] * 2
        rec.case("rotary", name, f, [(2, 3, 7, 8), *angles], options, fixed=[1, 2])
        rec.case("rotary", f"{name}_part", f, [(2, 3, 7, 11), *angles], options, fixed=[1, 2])
        rec.case("rotary", f"{name}_f64", f, [(1, 2, 7, 8), *angles], options, f64, fixed=[1, 2])
