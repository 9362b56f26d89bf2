"""The evidence bound of a small variational autoencoder (12-7-3-7-12, rectified units) and its gradients, in f64.

`vae/weights/NAME` are the weights under our names; `vae/x` `(5, 12)` holds pixels from 0 to 1 and `vae/noise` `(5, 3)` the
standard normal numbers of which codes are made. `vae/reconstruction` and `vae/divergence` `(5)` are the parts of the bound
of each picture; `vae/grads/NAME` are the gradients of the mean of their sum."""

import json

import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from . import Recorder, generator

PIXELS, HIDDEN, LATENT, BATCH = 12, 7, 3, 5


def write():
    rec = Recorder("generative")
    g = generator("vae")
    layer = lambda a, b: nn.Linear(a, b, dtype=torch.float64)
    encoder = nn.Sequential(layer(PIXELS, HIDDEN), nn.ReLU(), layer(HIDDEN, 2 * LATENT))
    decoder = nn.Sequential(layer(LATENT, HIDDEN), nn.ReLU(), layer(HIDDEN, PIXELS))
    named = {}
    for part, net in [("encoder", encoder), ("decoder", decoder)]:
        for ours, theirs in [("hidden.0", 0), ("output", 2)]:
            for name, p in net[theirs].named_parameters():
                p.data.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64) / 2)
                named[f"{part}.{ours}.{name}"] = p
    x = torch.rand((BATCH, PIXELS), generator=g, dtype=torch.float64)
    x[0] = (x[0] > 0.5).double()
    noise = torch.randn((BATCH, LATENT), generator=g, dtype=torch.float64)
    mean, log_var = encoder(x).chunk(2, dim=1)
    q = Normal(mean, (log_var / 2).exp())
    p = Bernoulli(logits=decoder(mean + noise * q.stddev), validate_args=False)
    reconstruction = -p.log_prob(x).sum(1)
    divergence = kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
    (reconstruction + divergence).mean().backward()
    for name, p in named.items():
        rec.put(f"vae/weights/{name}", p)
        rec.put(f"vae/grads/{name}", p.grad)
    for name, value in [("x", x), ("noise", noise), ("reconstruction", reconstruction), ("divergence", divergence)]:
        rec.put(f"vae/{name}", value)
    rec.options["vae"] = json.dumps({"pixels": PIXELS, "hidden": [HIDDEN], "latent": LATENT})
    rec.write()
