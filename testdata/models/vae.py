"""The evidence bound of a small variational autoencoder (12-7-3-7-12, rectified units) and its gradients, in f64.

    python testdata/models/vae.py        # writes vae.safetensors beside this file

`model.NAME` are the weights under our names; `x` `(5, 12)` are pixels from 0 to 1, and `noise` `(5, 3)` the standard normal
numbers of which codes are made. `reconstruction` and `divergence` `(5)` are the parts of the bound of each picture, by
torch.distributions; `grad.NAME` the gradients of the mean of their sum.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

PIXELS, HIDDEN, LATENT, BATCH = 12, 7, 3, 5

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT))
decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))
names = {}
for part, net in [("encoder", encoder), ("decoder", decoder)]:
    for ours, layer in [("hidden.0", net[0]), ("output", net[2])]:
        for name, p in layer.named_parameters():
            p.data = torch.randn(p.shape) / 2
            names[f"{part}.{ours}.{name}"] = p
x = torch.rand(BATCH, PIXELS)
x[0] = (x[0] > 0.5).double()
noise = torch.randn(BATCH, LATENT)
mean, log_var = encoder(x).chunk(2, dim=1)
q = Normal(mean, (log_var / 2).exp())
p = Bernoulli(logits=decoder(mean + noise * q.stddev), validate_args=False)
reconstruction = -p.log_prob(x).sum(1)
divergence = kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
(reconstruction + divergence).mean().backward()
out = {"x": x, "noise": noise, "reconstruction": reconstruction, "divergence": divergence}
for name, w in names.items():
    out |= {f"model.{name}": w, f"grad.{name}": w.grad}
save_file(
    {k: v.detach().contiguous() for k, v in out.items()},
    Path(__file__).parent / "vae.safetensors",
    {"torch": torch.__version__},
)
