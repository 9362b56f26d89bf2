"""The networks of the workloads on PyTorch, from its own layers, as its users write them."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def cnn():
    """3x3x32, 3x3x64, max pool 2, 128, 10 on (1, 28, 28)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


class BasicBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x))


def resnet18():
    """The form for CIFAR: a 3x3 stem, four stages of two blocks, 64 to 512 channels, on (3, 32, 32)."""
    layers, c_in = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for c_out, stride in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        layers += [BasicBlock(c_in, c_out, stride), BasicBlock(c_out, c_out, 1)]
        c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mobilenet():
    """MobileNet's thirteen depthwise separable layers, 32 to 1,024 channels, in a form for (3, 32, 32): three halve."""
    layers, c_in = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True)], 32
    separable = [(64, 1), (128, 1), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for c_out, stride in separable:
        layers += [nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in, bias=False), nn.BatchNorm2d(c_in), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
        c_in = c_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10))


def generator():
    """100 numbers to (1, 28, 28)."""
    return nn.Sequential(
        nn.Linear(100, 128 * 7 * 7), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def discriminator():
    """(1, 28, 28) to one logit."""
    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(128 * 7 * 7, 1),
    )  # fmt: skip


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions after group norm and SiLU; what the time says, if there is one, is added between them."""

    def __init__(self, c_in, c_out, time=None):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, c_in), nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(time, c_out) if time else None
        self.norm2, self.conv2 = nn.GroupNorm(8, c_out), nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else None

    def forward(self, x, t=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None:
            h = h + self.time(t)[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + (self.shortcut(x) if self.shortcut else x)


class Level(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class Time(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base, self.fc1, self.fc2 = base, nn.Linear(base, 4 * base), nn.Linear(4 * base, 4 * base)

    def forward(self, t):
        half = self.base // 2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(half, dtype=t.dtype) / half)
        angles = t[:, None] * frequencies
        return F.silu(self.fc2(F.silu(self.fc1(torch.cat([angles.sin(), angles.cos()], 1)))))


class UNet(nn.Module):
    """`levels` times down and up again, each with twice the channels; with a time if asked for."""

    def __init__(self, c_in=1, c_out=1, base=64, levels=2, timed=True):
        super().__init__()
        time = 4 * base if timed else None
        width = [base << i for i in range(levels + 1)]
        self.time = Time(base) if timed else None
        self.stem = nn.Conv2d(c_in, base, 3, padding=1)
        self.down = nn.ModuleList(
            Level(block=ResidualBlock(width[max(i - 1, 0)], width[i], time), shrink=nn.Conv2d(width[i], width[i], 3, 2, 1))
            for i in range(levels)
        )
        self.middle = ResidualBlock(width[-2], width[-1], time)
        self.up = nn.ModuleList(
            Level(grow=nn.ConvTranspose2d(2 * width[i], width[i], 2, 2), block=ResidualBlock(2 * width[i], width[i], time))
            for i in reversed(range(levels))
        )
        self.norm, self.head = nn.GroupNorm(8, base), nn.Conv2d(base, c_out, 3, padding=1)

    def forward(self, x, t=None):
        t = self.time(t) if self.time else None
        h, skips = self.stem(x), []
        for level in self.down:
            skips.append(level.block(h, t))
            h = level.shrink(skips[-1])
        h = self.middle(h, t)
        for level in self.up:
            h = level.block(torch.cat([level.grow(h), skips.pop()], 1), t)
        return self.head(F.silu(self.norm(h)))


class Attention(nn.Module):
    """Queries, keys and values of one projection, as nanoGPT has it."""

    def __init__(self, width, heads, causal=True):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, cache=None):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, c // self.heads).transpose(1, 2) for part in self.qkv(x).split(c, 2))
        if cache is not None:
            k, v = cache.push(k, v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal and t > 1)
        return self.out(y.transpose(1, 2).reshape(b, t, c))


class Kept:
    """Keys and values of the tokens before, in memory that exists; the last is written to the same place each time."""

    def __init__(self, heads, rows, width):
        self.k, self.v = torch.randn(2, 1, heads, rows, width)

    def push(self, k, v):
        self.k[:, :, -1:], self.v[:, :, -1:] = k, v
        return self.k, self.v


class GptBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.units = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )  # fmt: skip

    def forward(self, x, cache=None):
        x = x + self.attention(self.norm1(x), cache)
        return x + self.units(self.norm2(x))


class Gpt(nn.Module):
    """GPT-2: learned positions, norms before, an output that reads the table of tokens."""

    def __init__(self, vocab, context, width, layers, heads):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(GptBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for table in (self.tokens, self.positions):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, tokens, start=0, caches=None):
        x = self.tokens(tokens) + self.positions(torch.arange(start, start + tokens.shape[1]))
        for i, block in enumerate(self.blocks):
            x = block(x, caches[i] if caches else None)
        return F.linear(self.norm(x), self.tokens.weight)


class EncoderBlock(nn.Module):
    """As in BERT: norms come after."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = Attention(width, heads, causal=False)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.units = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.units(x))
