"""The whole job on Keras: 784-512-512-10 on MNIST, batch 128, 12 epochs, Adadelta, validation after each epoch.

    ERAS_DATA=DIR bench/peers/.venv/bin/python bench/peers/keras_mlp.py               # lr 1.0, rho 0.95
    ERAS_DATA=DIR bench/peers/.venv/bin/python bench/peers/keras_mlp.py --defaults    # Keras' own: lr 0.001

Keras' example `mnist_mlp` without its dropout. Prints one JSON line: test accuracy, test loss, and the seconds from the
start of the program, imports included, to the end.
"""

import time

START = time.perf_counter()

import argparse
import gzip
import json
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--defaults", action="store_true", help="Adadelta as Keras has it: lr 0.001")
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--backend", choices=["jax", "torch"], default="jax")
args = parser.parse_args()
os.environ["KERAS_BACKEND"] = args.backend
os.environ["JAX_PLATFORMS"] = "cpu"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

import keras
import numpy
from keras import layers


def idx(name, header):
    path = Path(os.environ["ERAS_DATA"], "mnist", name)
    return numpy.frombuffer(gzip.decompress(path.read_bytes()), numpy.uint8, offset=header)


def mnist(part):
    images = idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype("float32") / 255
    return images, keras.utils.to_categorical(idx(f"{part}-labels-idx1-ubyte.gz", 8), 10)


keras.utils.set_random_seed(args.seed)
train, test = mnist("train"), mnist("t10k")
model = keras.Sequential(
    [
        layers.Input((784,)),
        layers.Dense(512, activation="relu"),
        layers.Dense(512, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
optimizer = keras.optimizers.Adadelta() if args.defaults else keras.optimizers.Adadelta(learning_rate=1.0, rho=0.95)
model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
began = time.perf_counter()
model.fit(*train, batch_size=128, epochs=args.epochs, verbose=0, validation_data=test)
fit = time.perf_counter() - began
loss, accuracy = model.evaluate(*test, batch_size=128, verbose=0)
line = {
    "job": "keras_mlp",
    "backend": args.backend,
    "lr": round(float(optimizer.learning_rate), 6),
    "epochs": args.epochs,
    "seed": args.seed,
    "test_accuracy": round(accuracy, 4),
    "test_loss": round(loss, 4),
    "fit_seconds": round(fit, 2),
    "seconds": round(time.perf_counter() - START, 2),
}
print(json.dumps(line))
sys.stdout.flush()
