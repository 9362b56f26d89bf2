"""Writes the reference values that the tests of Eras read: `*.safetensors` and `initializers.json` beside this file.

    bench/peers/install.sh
    bench/peers/.venv/bin/python testdata/make.py            # everything, a few seconds
    bench/peers/.venv/bin/python testdata/make.py losses     # one family

The format is described in README.md. Every case draws its inputs from a generator seeded with its own name, so that
a new case leaves the others as they are.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"  # Keras' optimizers are a reference too; which backend computes them is no matter
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"

import torch

from cases import (
    attention, binary, bleu, conv, elementwise, images, indexing, initializers, layers, losses, matmul, metrics, norms, optimizers, reductions, schedules, trainings
)  # fmt: skip

FAMILIES = [
    elementwise, binary, bleu, reductions, matmul, attention, conv, images, norms, layers, indexing, losses, metrics, optimizers, schedules, trainings, initializers
]  # fmt: skip


def main():
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    for family in FAMILIES:
        if not wanted or family.__name__.split(".")[-1] in wanted:
            family.write()


if __name__ == "__main__":
    main()
