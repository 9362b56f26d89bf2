"""The recorder of cases: draws inputs, computes outputs and gradients, writes one safetensors file."""

import json
import zlib
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent.parent

# (rtol, atol) within which PyTorch's own value in that dtype must lie of the stored one.
TOLERANCE = {
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float16: (1e-3, 1e-5),
}


def generator(name):
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def uniform(*shape, low=0.0, high=1.0):
    """A recipe for an input: drawn when the case is recorded, from the case's own generator."""
    return lambda g: low + (high - low) * torch.rand(shape, generator=g, dtype=torch.float64)


def integers(*shape, below):
    return lambda g: torch.randint(below, shape, generator=g)


def permutation(*shape, dim):
    """Indices that name every place of one axis once."""
    return lambda g: torch.rand(shape, generator=g).argsort(dim)


def draw(recipe, g):
    if isinstance(recipe, tuple):
        return torch.randn(recipe, generator=g, dtype=torch.float64)
    if callable(recipe):
        return recipe(g)
    return torch.as_tensor(recipe)


class Recorder:
    def __init__(self, family):
        self.path = FOLDER / f"{family}.safetensors"
        self.tensors, self.options = {}, {}

    def put(self, name, tensor):
        assert name not in self.tensors, f"{name} is recorded twice"
        self.tensors[name] = tensor.detach().clone().contiguous()

    def case(self, op, case, f, inputs, options=None, dtype=torch.float32, grad=True, fixed=()):
        """Records `f(*inputs)` as `op/case`.

        An input is a tensor, a shape (drawn from the standard normal distribution) or a recipe as above. `f` returns a
        tensor, the `output`, or a dict of named ones. With `grad`, the gradients of `sum(output * dy)` with respect to
        every floating-point input are recorded too, save the inputs numbered in `fixed`.

        The function is computed in f64 from inputs that are rounded to `dtype`, and the result is rounded once: the
        stored value is the exact one as nearly as `dtype` can hold it.
        """
        name = f"{op}/{case}"
        g = generator(name)
        xs = [draw(x, g) for x in inputs]
        xs = [x.to(dtype) if x.is_floating_point() else x for x in xs]
        wanted = [i for i, x in enumerate(xs) if grad and x.is_floating_point() and i not in fixed]
        out, dy, grads = evaluate(f, xs, wanted, torch.float64, lambda y: draw(tuple(y.shape), g).to(dtype))
        own, _, own_grads = evaluate(f, xs, wanted, dtype, lambda y: dy)
        for i, x in enumerate(xs):
            self.put(f"{name}/input{i}", x)
        for key, value in out.items():
            self.put(f"{name}/{key}", round_to(value, dtype))
            compare(f"{name}/{key}", own[key], round_to(value, dtype))
        if wanted:
            self.put(f"{name}/dy", dy)
            for i, dx in grads.items():
                self.put(f"{name}/grad{i}", round_to(dx, dtype))
                compare(f"{name}/grad{i}", own_grads[i], round_to(dx, dtype))
        self.options[name] = json.dumps(options or {})

    def write(self):
        versions = {"torch": torch.__version__.split("+")[0], "numpy": numpy.__version__}
        save(self.path, self.tensors, {**self.options, "versions": json.dumps(versions)})
        print(f"{self.path.name}: {len(self.options)} cases, {self.path.stat().st_size / 1e3:.0f} kB")


DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.int64: "I64",
    torch.uint8: "U8",
}  # fmt: skip


def save(path, tensors, metadata):
    """safetensors' own writer puts the metadata in an order of chance; this one writes the same bytes every time."""
    header, body = {"__metadata__": dict(sorted(metadata.items()))}, b""
    for name, x in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        data = x.flatten().view(torch.uint8).numpy().tobytes() if x.numel() else b""
        place = [len(body), len(body) + len(data)]
        header[name] = {"dtype": DTYPES[x.dtype], "shape": list(x.shape), "data_offsets": place}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    back = load_file(path)
    assert back.keys() == tensors.keys() and all(torch.equal(bits(back[k]), bits(x)) for k, x in tensors.items())


def bits(x):
    return x.flatten().view(torch.uint8) if x.numel() else x


def evaluate(f, xs, wanted, dtype, dy_for):
    """`f` in `dtype`, as (dict of outputs, dy, dict of gradients by the number of the input)."""
    xs = [x.to(dtype) if x.is_floating_point() else x for x in xs]
    xs = [x.clone().requires_grad_(i in wanted) for i, x in enumerate(xs)]
    out = f(*xs)
    out = out if isinstance(out, dict) else {"output": out}
    if not wanted:
        return out, None, {}
    dy = dy_for(out["output"])
    dxs = torch.autograd.grad(out["output"], [xs[i] for i in wanted], dy.to(dtype))
    return out, dy, dict(zip(wanted, dxs))


def round_to(x, dtype):
    return x.to(dtype) if x.is_floating_point() else x


def compare(name, own, stored):
    """Says where PyTorch's own value in the case's dtype is farther from the stored one than our tests may be."""
    if stored.is_floating_point():
        rtol, atol = TOLERANCE[stored.dtype]
        own, stored = own.detach().double(), stored.detach().double()
        if not torch.allclose(own, stored, rtol, atol, equal_nan=True):
            same = (own == stored) | (own.isnan() & stored.isnan())
            worst = torch.where(same, 0.0, (own - stored).abs() / (atol + rtol * stored.abs())).nan_to_num(1e30)
            i = worst.argmax()
            print(f"  PyTorch's own {name}: {own.flatten()[i]:.8g}, stored {stored.flatten()[i]:.8g}")
    elif not torch.equal(own, stored):
        print(f"  PyTorch's own {name} differs")
