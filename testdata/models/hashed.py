"""Numbers that need not be stored: a function of a name and a place, which the tests repeat."""

import numpy
import torch


def numbers(name, shape):
    """Uniform in [-1, 1): splitmix64 of the index, from the FNV-1a hash of the name on; multiples of 2^-23."""
    mask, start = (1 << 64) - 1, 0xCBF29CE484222325
    for byte in name.encode():
        start = (start ^ byte) * 0x100000001B3 & mask
    with numpy.errstate(over="ignore"):
        z = numpy.arange(1, numpy.prod(shape, dtype=numpy.int64) + 1, dtype=numpy.uint64)
        z = z * numpy.uint64(0x9E3779B97F4A7C15) + numpy.uint64(start)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return torch.from_numpy((z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1).reshape(shape)
