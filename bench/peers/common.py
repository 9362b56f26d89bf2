"""What the Python peers share: arguments, the clock, the line they print."""

import argparse
import json
import resource
import time


def arguments(workloads):
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=workloads, default="mlp")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args()


def measure(args, step, flop=None):
    """Runs `step` for a fifth of the time to warm up, then for the whole of it, and prints the line of results."""
    start = time.perf_counter()
    step()
    while time.perf_counter() - start < args.seconds / 5:
        step()
    start, times = time.perf_counter(), []
    while time.perf_counter() - start < args.seconds or len(times) < 10:
        began = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - began))
    times.sort()
    median = times[len(times) // 2]
    line = {
        "workload": args.workload,
        "median_ms": round(median, 4),
        "best_ms": round(times[0], 4),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
        "threads": args.threads,
        "steps": len(times),
    }
    if flop is not None:
        line["gflops"] = round(flop / median / 1e6, 1)
    print(json.dumps(line))


# Rows and columns of softmax and layer norm; elements of the Adam step: 64 MiB in all, in no cache.
ROWS, COLUMNS, ELEMENTS = 16384, 1024, 4_194_304


def batch():
    """A batch of noise and labels, the same every time: `x (128, 784)` in [0, 1), `y (128)` in 0..10."""
    import numpy

    rng = numpy.random.default_rng(0)
    return rng.random((128, 784), dtype=numpy.float32), rng.integers(0, 10, 128)


def pictures(count, channels, side):
    """Noise in [0, 1) as pictures `(count, channels, side, side)`, and labels in 0..10, the same every time."""
    import numpy

    rng = numpy.random.default_rng(0)
    return rng.random((count, channels, side, side), dtype=numpy.float32), rng.integers(0, 10, count)
