"""PyTorch's nn.Transformer in f64: what it makes of vectors, forward and backward.

    python testdata/models/transformer.py        # writes transformer.safetensors beside this file

As in vision.py nothing is stored that `numbers` makes of a name and a shape: weights (by the names that Eras gives them),
source and target, and the weights `dy` of the output. Of the output and of each gradient three numbers are stored: its norm,
its product with `numbers(NAME + "/probe")`, and its first element.

`base`   d_model 512, 8 heads, 6 + 6 layers, 2048 hidden units, norms behind the sums; source and target (10, 32, 512)
`first`  d_model 48, 4 heads, 2 + 3 layers, 80 hidden units, norms before what is added; source (3, 7, 48), of which the
         first 7, 4 and 1 places are no padding, and target (3, 5, 48)

`NET.y`, `NET.dsource`, `NET.dtarget`, `NET.grad.PARAMETER`   of `sum(y * dy)`
"""

from pathlib import Path

import torch
from hashed import numbers
from safetensors.torch import save_file
from torch import nn


def ours(name):
    """What Eras calls a parameter."""
    return name.replace("in_proj_weight", "qkv.weight").replace("in_proj_bias", "qkv.bias").replace("out_proj", "out")


def fill(net):
    """As in vision.py, but matrices within Glorot's bound for as many outputs as inputs: the sums stay small."""
    with torch.no_grad():
        for name, x in net.named_parameters():
            u = numbers(ours(name), tuple(x.shape))
            if x.dim() > 1:
                x.copy_(u * (3 / x.shape[1]) ** 0.5)
            elif "norm" in name and name.endswith("weight"):
                x.copy_(1 + u / 2)
            else:
                x.copy_(u / 10)


def case(name, net, source, target, lengths=None):
    fill(net)
    x = numbers(f"{name}/source", source).requires_grad_()
    y = numbers(f"{name}/target", target).requires_grad_()
    padding = None
    if lengths is not None:
        padding = torch.arange(source[1])[None] >= torch.tensor(lengths)[:, None]
    causal = torch.ones(target[1], target[1], dtype=torch.bool).triu(1)
    out = net(x, y, tgt_mask=causal, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    (out * numbers(f"{name}/dy", tuple(out.shape))).sum().backward()
    tensors = {"y": out.detach(), "dsource": x.grad, "dtarget": y.grad}
    tensors |= {f"grad.{ours(parameter)}": w.grad for parameter, w in net.named_parameters()}
    return {f"{name}.{key}": told(key, x) for key, x in tensors.items()}


def told(key, x):
    probe = (x * numbers(f"{key}/probe", tuple(x.shape))).sum()
    return torch.stack([x.norm(), probe, x.flatten()[0]])


def main():
    torch.set_default_dtype(torch.float64)
    base = nn.Transformer(dropout=0, batch_first=True)
    first = nn.Transformer(48, 4, 2, 3, 80, dropout=0, batch_first=True, norm_first=True)
    all = case("base", base, (10, 32, 512), (10, 32, 512))
    all |= case("first", first, (3, 7, 48), (3, 5, 48), [7, 4, 1])
    save_file(all, Path(__file__).with_suffix(".safetensors"), {"torch": torch.__version__})


if __name__ == "__main__":
    main()
