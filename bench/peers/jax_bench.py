"""The workloads of `eras bench` on JAX, compiled by `jit`: one JSON line.

    bench/peers/.venv/bin/python bench/peers/jax_bench.py --workload mlp --threads 2 --seconds 5
"""

import os
import sys

from common import COLUMNS, ELEMENTS, ROWS, arguments, batch, measure

NAMES = ["mlp", "softmax", "layer_norm", "adam", "matmul_512", "matmul_1024", "matmul_2048"]

args = arguments(NAMES)
# XLA takes as many threads as the process has cores: there is no other dial.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import optax


def mlp():
    """Forward, backward and one step of Adadelta on a batch of 128, in one compiled function that updates in place."""
    keys = jax.random.split(jax.random.key(0), 3)
    sizes = [(784, 512), (512, 512), (512, 10)]
    params = [(jax.random.uniform(k, s, minval=-1, maxval=1) / s[0] ** 0.5, jnp.zeros(s[1])) for k, s in zip(keys, sizes)]
    optimizer = optax.adadelta(1.0, rho=0.95, eps=1e-7)
    x, y = map(jnp.asarray, batch())

    def loss(params, x, y):
        for w, b in params[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = params[-1]
        return optax.softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

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


WORKLOADS = {"mlp": mlp, "softmax": softmax, "layer_norm": layer_norm, "adam": adam}

if __name__ == "__main__":
    if args.workload.startswith("matmul_"):
        matmul(int(args.workload.removeprefix("matmul_")))
    else:
        WORKLOADS[args.workload]()
