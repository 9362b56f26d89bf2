"""The workloads of `eras bench` on JAX, compiled by `jit`: one JSON line.

    bench/peers/.venv/bin/python bench/peers/jax_bench.py --workload mlp --threads 2 --seconds 5
"""

import math
import os
import sys

from common import COLUMNS, ELEMENTS, ROWS, arguments, batch, measure, pictures

NAMES = ["mlp", "cnn", "softmax", "layer_norm", "adam", "matmul_512", "matmul_1024", "matmul_2048"]

args = arguments(NAMES)
# XLA takes as many threads as the process has cores: there is no other dial.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import optax


def mlp():
    keys = jax.random.split(jax.random.key(0), 3)
    sizes = [(784, 512), (512, 512), (512, 10)]
    params = [(jax.random.uniform(k, s, minval=-1, maxval=1) / s[0] ** 0.5, jnp.zeros(s[1])) for k, s in zip(keys, sizes)]

    def logits(params, x):
        for w, b in params[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = params[-1]
        return x @ w + b

    classify(logits, params, *batch())


def cnn():
    """3x3x32, 3x3x64, max pool 2, 128, 10; pictures with their channels last, XLA's preference on a processor."""
    keys = jax.random.split(jax.random.key(0), 4)
    sizes = [(3, 3, 1, 32), (3, 3, 32, 64), (64 * 12 * 12, 128), (128, 10)]
    uniform = lambda k, s: jax.random.uniform(k, s, minval=-1, maxval=1) / math.prod(s[:-1]) ** 0.5
    params = [(uniform(k, s), jnp.zeros(s[-1])) for k, s in zip(keys, sizes)]
    x, y = pictures(128, 1, 28)

    def logits(params, x):
        for w, b in params[:2]:
            x = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + b)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        (w, b), (w2, b2) = params[2:]
        return jax.nn.relu(x.reshape(len(x), -1) @ w + b) @ w2 + b2

    classify(logits, params, x.transpose(0, 2, 3, 1), y)


def classify(logits, params, x, y):
    """Steps of Adadelta on one batch, in one compiled function that updates in place."""
    optimizer = optax.adadelta(1.0, rho=0.95, eps=1e-7)
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss(params, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y).mean()

    def update(params, state, x, y):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    update = jax.jit(update, donate_argnums=(0, 1))
    carry = [params, optimizer.init(params)]

    def step():
        *carry[:], value = update(*carry, x, y)
        jax.block_until_ready(carry)
        return value

    first = step().item()
    measure(args, step)
    print(f"loss {first:.4f}, in the end {step().item():.4f}", file=sys.stderr)


def matmul(n):
    a, b = jax.random.normal(jax.random.key(0), (2, n, n))
    f = jax.jit(jnp.matmul)
    measure(args, lambda: f(a, b).block_until_ready(), 2 * n**3)


def softmax():
    x = jax.random.normal(jax.random.key(0), (ROWS, COLUMNS))
    f = jax.jit(lambda x: jax.nn.softmax(x, 1))
    measure(args, lambda: f(x).block_until_ready())


def layer_norm():
    x = jax.random.normal(jax.random.key(0), (ROWS, COLUMNS))
    weight, bias = jax.random.uniform(jax.random.key(1), (2, COLUMNS))

    def norm(x, weight, bias):
        x = x - x.mean(1, keepdims=True)
        return x * jax.lax.rsqrt((x * x).mean(1, keepdims=True) + 1e-5) * weight + bias

    f = jax.jit(norm)
    measure(args, lambda: f(x, weight, bias).block_until_ready())


def adam():
    w, g = jax.random.normal(jax.random.key(0), (2, ELEMENTS))
    optimizer = optax.adam(1e-3)

    def update(w, state, g):
        updates, state = optimizer.update(g, state, w)
        return optax.apply_updates(w, updates), state

    update = jax.jit(update, donate_argnums=(0, 1))
    carry = [w, optimizer.init(w)]

    def step():
        carry[:] = update(*carry, g)
        jax.block_until_ready(carry)

    measure(args, step)


WORKLOADS = {"mlp": mlp, "cnn": cnn, "softmax": softmax, "layer_norm": layer_norm, "adam": adam}

if __name__ == "__main__":
    if args.workload.startswith("matmul_"):
        matmul(int(args.workload.removeprefix("matmul_")))
    else:
        WORKLOADS[args.workload]()
