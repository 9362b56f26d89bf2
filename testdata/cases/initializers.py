"""Initializers: no numbers to repeat, as every library draws its own, but the distribution, checked here by drawing.

`initializers.json` lists `{"name", "shape", "layout", "distribution", "bound" | "std", ...}`. `layout` says how `shape`
is meant: PyTorch's `(out, in, *space)` or Keras' `(*space, in, out)`. A uniform distribution is U(-bound, bound). A
normal one has mean 0 and standard deviation `std`; a truncated one is cut at two standard deviations of the normal
distribution it is cut from, `std_before`, and `std` is what is left after the cut.
"""

import json
import math

import keras
import numpy
import torch
from torch import nn

from . import FOLDER

# Standard deviation of a standard normal distribution cut at ±2.
CUT = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
SHAPES = [(512, 784), (64, 32, 3, 3)]


def torch_entries():
    relu = math.sqrt(2)
    tanh = 5 / 3
    leaky = math.sqrt(2 / (1 + 5))
    rules = [
        ("xavier_uniform", nn.init.xavier_uniform_, {}, lambda i, o: math.sqrt(6 / (i + o)), None),
        ("xavier_uniform", nn.init.xavier_uniform_, {"gain": tanh}, lambda i, o: tanh * math.sqrt(6 / (i + o)), None),
        ("xavier_normal", nn.init.xavier_normal_, {}, None, lambda i, o: math.sqrt(2 / (i + o))),
        ("kaiming_uniform", nn.init.kaiming_uniform_, {"nonlinearity": "relu"}, lambda i, o: relu * math.sqrt(3 / i), None),
        ("kaiming_uniform", nn.init.kaiming_uniform_, {"mode": "fan_out", "nonlinearity": "relu"},
         lambda i, o: relu * math.sqrt(3 / o), None),
        ("kaiming_uniform", nn.init.kaiming_uniform_, {"a": math.sqrt(5), "nonlinearity": "leaky_relu"},
         lambda i, o: leaky * math.sqrt(3 / i), None),
        ("kaiming_normal", nn.init.kaiming_normal_, {"nonlinearity": "relu"}, None, lambda i, o: relu / math.sqrt(i)),
        ("kaiming_normal", nn.init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "relu"}, None,
         lambda i, o: relu / math.sqrt(o)),
    ]  # fmt: skip
    for shape in SHAPES:
        for name, f, options, bound, std in rules:
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
            torch.manual_seed(0)
            drawn = f(torch.empty(shape, dtype=torch.float64), **options).numpy()
            entry = {"library": "torch", "name": name, "shape": shape, "layout": "(out, in, *space)", "options": options,
                     "fan_in": fan_in, "fan_out": fan_out}  # fmt: skip
            yield checked(entry, drawn, bound and bound(fan_in, fan_out), std and std(fan_in, fan_out))


def torch_layers():
    torch.manual_seed(0)
    linear = nn.Linear(784, 2048, dtype=torch.float64)
    conv = nn.Conv2d(32, 1024, 3, dtype=torch.float64)
    embedding = nn.Embedding(3000, 64, dtype=torch.float64)
    for name, layer, fan in [("Linear", linear, 784), ("Conv2d", conv, 32 * 9)]:
        for part in ["weight", "bias"]:
            drawn = getattr(layer, part).detach().numpy()
            entry = {"library": "torch", "name": f"{name}.{part}", "shape": drawn.shape, "layout": "(out, in, *space)",
                     "options": {}, "fan_in": fan}  # fmt: skip
            yield checked(entry, drawn, 1 / math.sqrt(fan), None)
    entry = {"library": "torch", "name": "Embedding.weight", "shape": (3000, 64), "layout": "(V, D)", "options": {}}
    yield checked(entry, embedding.weight.detach().numpy(), None, 1.0)


def keras_entries():
    rules = [
        ("glorot", lambda i, o: (i + o) / 2, 1), ("he", lambda i, o: i, 2), ("lecun", lambda i, o: i, 1),
    ]  # fmt: skip
    for shape in [(784, 512), (3, 3, 32, 64)]:
        space = math.prod(shape[:-2])
        fan_in, fan_out = shape[-2] * space, shape[-1] * space
        for family, fan, scale in rules:
            for kind in ["uniform", "normal"]:
                name = f"{family}_{kind}"
                drawn = numpy.array(keras.initializers.get({"class_name": name, "config": {"seed": 0}})(shape, "float64"))
                entry = {"library": "keras", "name": name, "shape": shape, "layout": "(*space, in, out)", "options": {},
                         "fan_in": fan_in, "fan_out": fan_out}  # fmt: skip
                variance = scale / fan(fan_in, fan_out)
                if kind == "uniform":
                    yield checked(entry, drawn, math.sqrt(3 * variance), None)
                else:
                    entry["std_before"] = math.sqrt(variance) / CUT
                    yield checked(entry, drawn, None, math.sqrt(variance))
    entry = {"library": "keras", "name": "embedding_default", "shape": (3000, 64), "layout": "(V, D)", "options": {}}
    drawn = numpy.array(keras.initializers.RandomUniform(seed=0)((3000, 64), "float64"))
    yield checked(entry, drawn, 0.05, None)


def checked(entry, drawn, bound, std):
    """The entry with its bound or standard deviation, after a look at what the library really draws."""
    n = drawn.size
    assert abs(drawn.mean()) < 5 * drawn.std() / math.sqrt(n), entry
    if bound is not None:
        top = numpy.abs(drawn).max() / bound
        assert 1 - 10 / n < top <= 1 + 1e-7, (entry, top)
        return {**entry, "distribution": "uniform", "bound": bound, "std": bound / math.sqrt(3)}
    assert abs(drawn.std() / std - 1) < 5 / math.sqrt(2 * n), (entry, drawn.std(), std)
    if "std_before" in entry:
        assert numpy.abs(drawn).max() <= 2 * entry["std_before"] * (1 + 1e-6), entry
        return {**entry, "distribution": "truncated_normal", "std": std}
    return {**entry, "distribution": "normal", "std": std}


def write():
    entries = [*torch_entries(), *torch_layers(), *keras_entries()]
    versions = {"torch": torch.__version__.split("+")[0], "keras": keras.__version__}
    body = ",\n".join("  " + json.dumps(e) for e in entries)
    path = FOLDER / "initializers.json"
    path.write_text(f'{{"versions": {json.dumps(versions)}, "entries": [\n{body}\n]}}\n')
    print(f"{path.name}: {len(entries)} entries, {path.stat().st_size / 1e3:.0f} kB")
