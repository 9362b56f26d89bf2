#!/usr/bin/env python3
"""Alternates `eras bench` and its peers in one run and prints the table of ratios in Markdown.

    cargo build --release && cargo build --release --manifest-path bench/peers/rust/Cargo.toml && bench/peers/install.sh
    bench/peers/run.py                                     # every workload, five rounds, two threads
    bench/peers/run.py --workloads mlp --rounds 9 --only torch,jax --out table.md

Each round runs every program once, in an order that turns by one from round to round, each for `--seconds` after a
warm-up. A row shows the median over the rounds of each program's median and of its best, and the ratio of the medians:
how many times the time of Eras. Programs that are not built are left out, and the foot of the table says so.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = HERE / ".venv/bin/python"
RUST = HERE / "rust/target/release"

# Burn has two devices for the CPU, `flex` and `ndarray`; which one is faster depends on the machine.
PROGRAMS = ["eras", "torch", "jax", "burn", "burn-ndarray", "candle"]

# Name of the workload here: how `eras bench --only` calls it, and the peers that have it.
WORKLOADS = {
    "mlp": ("mlp", ["torch", "jax", "burn", "burn-ndarray", "candle"]),
    "cnn": ("cnn", ["torch", "jax", "burn", "burn-ndarray", "candle"]),
    "resnet18": ("resnet18", ["torch"]),
    "mobilenet": ("mobilenet", ["torch"]),
    "dcgan": ("dcgan", ["torch"]),
    "unet": ("unet", ["torch"]),
    "gpt_char": ("gpt_char", ["torch"]),
    "gpt_baby": ("gpt_baby", ["torch"]),
    "gpt2": ("gpt2", ["torch"]),
    "gpt2_token": ("gpt2_token", ["torch"]),
    "bert_base": ("bert_base", ["torch"]),
    "bert_base_one": ("bert_base_one", ["torch"]),
    "matmul_512": ("matmul_512", ["torch", "jax"]),
    "matmul_1024": ("matmul_1024", ["torch", "jax"]),
    "matmul_2048": ("matmul_2048", ["torch", "jax"]),
    "matmul_512_bf16": ("matmul_512_bf16", ["torch"]),
    "matmul_1024_bf16": ("matmul_1024_bf16", ["torch"]),
    "matmul_2048_bf16": ("matmul_2048_bf16", ["torch"]),
    "attention": ("attention", ["torch"]),
    "attention_backward": ("attention_backward", ["torch"]),
    "transformer": ("transformer", ["torch"]),
    "softmax": ("softmax", ["torch", "jax"]),
    "layer_norm": ("layer_norm", ["torch", "jax"]),
    "adam": ("adam", ["torch", "jax"]),
}


def main():
    args = arguments()
    rows, missing = [], set()
    for workload in args.workloads:
        ours, peers = WORKLOADS[workload]
        programs = [p for p in ["eras", *peers] if p in args.only]
        missing |= {p for p in programs if not command(p, workload, ours, args)[0].exists()}
        programs = [p for p in programs if p not in missing]
        results = alternate(programs, workload, ours, args)
        rows += table_rows(workload, results)
    text = "\n".join([*head(args), *rows, *foot(missing)]) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


def arguments():
    split = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", type=split, default=list(WORKLOADS), help="names, separated by commas")
    parser.add_argument("--only", type=split, default=PROGRAMS, help=f"of {', '.join(PROGRAMS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--eras", type=Path, default=ROOT / "target/release/eras", help="the binary to measure")
    parser.add_argument("--out", type=Path, help="a file for the table, too")
    args = parser.parse_args()
    for name in args.workloads:
        if name not in WORKLOADS:
            parser.error(f"no workload {name}: there are {', '.join(WORKLOADS)}")
    return args


def command(program, workload, ours, args):
    """The words of the command line; the first is a path."""
    how = ["--threads", str(args.threads), "--seconds", str(args.seconds)]
    if program == "eras":
        return [args.eras, "bench", "--only", ours, *how, "--format", "json"]
    how += ["--workload", workload]
    if program in ("torch", "jax"):
        return [PYTHON, HERE / f"{program}_bench.py", *how]
    if program == "burn-ndarray":
        return [RUST / "burn", "--device", "ndarray", *how]
    return [RUST / program, *how]


def alternate(programs, workload, ours, args):
    """Runs the programs in turn: a dict from the program to the lines that it printed."""
    results = {p: [] for p in programs}
    for i in range(args.rounds):
        first = i % max(len(programs), 1)
        for program in programs[first:] + programs[:first]:
            line = once(command(program, workload, ours, args), ours if program == "eras" else workload)
            print(f"{workload} round {i + 1} {program}: {line['median_ms']} ms", file=sys.stderr)
            results[program].append(line)
    return results


def once(words, workload):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))} failed:\n{done.stderr}")
    for text in done.stdout.splitlines():
        line = json.loads(text) if text.startswith("{") else {}
        if line.get("workload") == workload:
            return line
    sys.exit(f"{' '.join(map(str, words))} printed no line for {workload}:\n{done.stdout}")


def table_rows(workload, results):
    median = lambda program, key: statistics.median(line[key] for line in results[program])
    ours = median("eras", "median_ms") if results.get("eras") else None
    for program in results:
        time = median(program, "median_ms")
        ratio = f"{time / ours:.2f}" if ours else "-"
        yield (f"| `{workload}` | {program} | {time:.3f} | {median(program, 'best_ms'):.3f} "
               f"| {median(program, 'rss_mb'):.0f} | {ratio} |")  # fmt: skip


def head(args):
    return [
        f"{datetime.date.today()}, {machine()}, {args.threads} threads. {versions()}.",
        f"Medians over {args.rounds} alternating rounds of {args.seconds:g} s each.",
        "",
        "| workload | program | median ms | best ms | peak MB | times Eras |",
        "| --- | --- | --- | --- | --- | --- |",
    ]


def foot(missing):
    return ["", f"Not built, so not measured: {', '.join(sorted(missing))}."] if missing else []


def machine():
    """Kind, SIMD features and cores: never a name of the host."""
    model, flags = platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        text = Path("/proc/cpuinfo").read_text()
        found = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, re.MULTILINE))
        wanted = ["avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile"]
        flags = " with " + ", ".join(f for f in wanted if f in found.get("flags", "").split())
        model = found.get("model name", model)
    return f"{model}{flags}, {os.cpu_count()} cores"


def versions():
    text = "rustc " + subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1]
    lock = HERE / "rust/Cargo.lock"
    if lock.exists():
        crates = dict(re.findall(r'name = "(burn|candle-core)"\nversion = "([^"]*)"', lock.read_text()))
        text += "".join(f", {name} {version}" for name, version in crates.items())
    if PYTHON.exists():
        ask = "import sys, importlib.metadata as m; print(', '.join(['Python ' + sys.version.split()[0]] + " \
              "[n + ' ' + m.version(n) for n in ['torch', 'jax', 'keras']]))"  # fmt: skip
        text += ", " + subprocess.run([PYTHON, "-c", ask], capture_output=True, text=True).stdout.strip()
    return text


if __name__ == "__main__":
    main()
