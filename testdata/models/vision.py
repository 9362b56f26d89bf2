"""Whole networks for pictures, of PyTorch's layers and in f64: what they make of a few pictures, forward and backward.

    python testdata/models/vision.py        # writes vision.safetensors beside this file

Weights, pictures and the weights of the outputs are not stored: `numbers` makes them of a name and a shape, and so do the
tests. Of each gradient two numbers are stored, its norm and its product with `numbers(NAME + "/probe")`:

`NET.y`, `NET.dx`, `NET.grad.PARAMETER`   of `sum(y * dy)` at the pictures `x`; batch norm as in training, no dropout
`NET.evaluated`                           the outputs in evaluation, after that step's running statistics
`NET.shape`                               of the pictures
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from hashed import numbers
from safetensors.torch import save_file
from torch import nn


def fill(net):
    """He's bound for filters and matrices, 0.5 to 1.5 for scales and variances, -0.1 to 0.1 for the rest."""
    for name, x in net.state_dict().items():
        if not x.is_floating_point():
            continue
        u = numbers(name, tuple(x.shape))
        if x.dim() > 1:
            x.copy_(u * (6 / x[0].numel()) ** 0.5)
        elif name.endswith((".weight", ".running_var")):
            x.copy_(1 + u / 2)
        else:
            x.copy_(u / 10)


class Cnn(nn.Module):
    """Keras' mnist_cnn."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(64 * 12 * 12, 128), nn.Linear(128, 10)

    def forward(self, x):
        h = F.max_pool2d(self.conv2(self.conv1(x).relu()).relu(), 2)
        return self.fc2(self.fc1(h.flatten(1)).relu())


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c3 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.c5, self.f6, self.output = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        h = F.max_pool2d(self.c3(F.max_pool2d(self.c1(x).relu(), 2)).relu(), 2)
        return self.output(self.f6(self.c5(h.flatten(1)).relu()).relu())


class AlexNet(nn.Module):
    """Half the width, for 32x32."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 48, 5, padding=2), nn.Conv2d(48, 128, 5, padding=2)
        self.conv3, self.conv4 = nn.Conv2d(128, 192, 3, padding=1), nn.Conv2d(192, 192, 3, padding=1)
        self.conv5 = nn.Conv2d(192, 128, 3, padding=1)
        self.fc1, self.fc2, self.fc3 = nn.Linear(128 * 9, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 10)

    def forward(self, x):
        h = F.max_pool2d(self.conv1(x).relu(), 3, 2)
        h = F.max_pool2d(self.conv2(h).relu(), 3, 2)
        h = self.conv5(self.conv4(self.conv3(h).relu()).relu()).relu()
        h = F.max_pool2d(h, 3, 2).flatten(1)
        return self.fc3(self.fc2(self.fc1(h).relu()).relu())


class Vgg(nn.Module):
    """Configuration A with batch norm, for 32x32."""

    def __init__(self):
        super().__init__()
        layers, c_in = [], 3
        for c_out in [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]:
            if c_out == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
                c_in = c_out
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride, project):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.more, self.downsample = c_out - c_in, None
        if project and self.more:
            self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        h = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.downsample:
            x = self.downsample(x)
        elif self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.more))
        return (h + x).relu()


class ResNet(nn.Module):
    def __init__(self, widths, blocks, large=False, project=True):
        super().__init__()
        c_in = widths[0]
        self.conv1 = nn.Conv2d(3, c_in, 7, 2, 3, bias=False) if large else nn.Conv2d(3, c_in, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.pool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.stages = len(widths)
        for i, c_out in enumerate(widths):
            stage = [Block(c_in, c_out, 1 + (i > 0), project)]
            stage += [Block(c_out, c_out, 1, project) for _ in range(blocks - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
            c_in = c_out
        self.fc = nn.Linear(c_in, 10)

    def forward(self, x):
        h = self.pool(self.bn1(self.conv1(x)).relu())
        for i in range(self.stages):
            h = getattr(self, f"layer{i + 1}")(h)
        return self.fc(h.mean((2, 3)))


# (name, network, pictures)
NETS = [
    ("lenet", LeNet, (2, 1, 28, 28)),
    ("cnn", Cnn, (2, 1, 28, 28)),
    ("alexnet", AlexNet, (2, 3, 32, 32)),
    ("vgg11", Vgg, (2, 3, 32, 32)),
    ("resnet20", lambda: ResNet([16, 32, 64], 3, project=False), (2, 3, 32, 32)),
    # An odd size: every second pixel of 15 are 8.
    ("resnet20_odd", lambda: ResNet([16, 32, 64], 3, project=False), (3, 3, 15, 17)),
    ("resnet18_small", lambda: ResNet([64, 128, 256, 512], 2), (2, 3, 32, 32)),
    ("resnet18_large", lambda: ResNet([64, 128, 256, 512], 2, large=True), (2, 3, 64, 64)),
]


out = {}
for name, make, shape in NETS:
    net = make().double()
    fill(net)
    x = numbers("x", shape).requires_grad_()
    y = net(x)
    inputs = {"dx": x} | {f"grad.{key}": p for key, p in net.named_parameters()}
    grads = torch.autograd.grad(y, list(inputs.values()), numbers("dy", tuple(y.shape)))
    for (key, p), g in zip(inputs.items(), grads):
        probe = numbers(f"{key.removeprefix('grad.')}/probe", tuple(p.shape))
        out[f"{name}.{key}"] = torch.stack([g.norm(), (g * probe).sum()])
    out[f"{name}.y"] = y.detach()
    with torch.no_grad():
        out[f"{name}.evaluated"] = net.eval()(x)
    out[f"{name}.shape"] = torch.tensor(shape)
save_file(out, Path(__file__).with_suffix(".safetensors"), {"torch": torch.__version__})
