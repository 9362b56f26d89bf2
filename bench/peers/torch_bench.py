"""The workloads of `eras bench` on PyTorch: one JSON line.

    bench/peers/.venv/bin/python bench/peers/torch_bench.py --workload mlp --threads 2 --seconds 5
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

import torch_models
from common import COLUMNS, ELEMENTS, ROWS, arguments, batch, measure, pictures


def mlp(args):
    """Forward, backward and one step of Adadelta on a batch of 128; without `foreach` it takes as long."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    classify(args, model, adadelta(model), batch())


def adadelta(model):
    return torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-7, foreach=True)


def classify(args, model, optimizer, data):
    x, y = map(torch.from_numpy, data)
    train(args, optimizer, lambda: F.cross_entropy(model(x), y))


def train(args, optimizer, compute_loss):
    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = compute_loss()
        loss.backward()
        optimizer.step()
        return loss

    measure_training(args, step)


def measure_training(args, step):
    first = step().item()
    measure(args, step)
    print(f"loss {first:.4f}, in the end {step().item():.4f}", file=sys.stderr)


def cnn(args):
    model = torch_models.cnn()
    classify(args, model, adadelta(model), pictures(128, 1, 28))


def resnet18(args):
    model = torch_models.resnet18()
    classify(args, model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, foreach=True), pictures(32, 3, 32))


def mobilenet(args):
    model = torch_models.mobilenet()
    classify(args, model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, foreach=True), pictures(32, 3, 32))


def unet(args):
    """Finds the noise in noisy pictures, as a diffusion model learns to; fused Adam."""
    model = torch_models.UNet()
    x, noise, t = torch.randn(32, 1, 28, 28), torch.randn(32, 1, 28, 28), torch.arange(32) * 31.0
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, fused=True)
    train(args, optimizer, lambda: F.mse_loss(model(x, t), noise))


def transformer(args):
    """The base model, 6 + 6 layers, source and target (10, 32, 512); fused Adam."""
    model = nn.Transformer(dropout=0, batch_first=True)
    source, target, wanted = torch.randn(3, 10, 32, 512)
    causal = nn.Transformer.generate_square_subsequent_mask(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    train(args, optimizer, lambda: F.mse_loss(model(source, target, tgt_mask=causal, tgt_is_causal=True), wanted))


def dcgan(args):
    """A step of the discriminator, real and made pictures in batches of their own, and one of the generator."""
    generator, discriminator = torch_models.generator(), torch_models.discriminator()
    adam = lambda model: torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    of_generator, of_discriminator = adam(generator), adam(discriminator)
    real = torch.from_numpy(pictures(64, 1, 28)[0]) * 2 - 1
    yes, no = torch.ones(64, 1), torch.zeros(64, 1)
    judge = F.binary_cross_entropy_with_logits

    def step():
        made = generator(torch.randn(64, 100))
        of_discriminator.zero_grad(set_to_none=True)
        loss = judge(discriminator(real), yes) + judge(discriminator(made.detach()), no)
        loss.backward()
        of_discriminator.step()
        # The discriminator's gradients of this pass are not wanted, and not computed.
        discriminator.requires_grad_(False)
        of_generator.zero_grad(set_to_none=True)
        judge(discriminator(made), yes).backward()
        of_generator.step()
        discriminator.requires_grad_(True)
        return loss

    measure_training(args, step)


def gpt(vocab, context, width, layers, heads, batch):
    """A step of AdamW, fused."""

    def run(args):
        model = torch_models.Gpt(vocab, context, width, layers, heads)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
        x, y = torch.randint(vocab, (2, *batch))
        train(args, optimizer, lambda: F.cross_entropy(model(x).flatten(0, 1), y.flatten()))

    return run


def gpt2_token(args):
    """What comes after 256 tokens, of which caches keep all but the last."""
    model = torch_models.Gpt(50257, 1024, 768, 12, 12)
    caches = [torch_models.Kept(12, 256, 64) for _ in range(12)]
    token = torch.randint(50257, (1, 1))
    measure(args, lambda: model(token, 255, caches))


def bert(batch):
    """The encoder of BERT base reads."""

    def run(args):
        model = nn.Sequential(*(torch_models.EncoderBlock(768, 12) for _ in range(12)))
        x = torch.randn(*batch, 768)
        measure(args, lambda: model(x))

    return run


def matmul(n, dtype):
    def run(args):
        a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        out = torch.empty(n, n, dtype=dtype)
        measure(args, lambda: torch.matmul(a, b, out=out), 2 * n**3)

    return run


def softmax(args):
    x = torch.randn(ROWS, COLUMNS)
    measure(args, lambda: torch.softmax(x, 1))


def layer_norm(args):
    x, weight, bias = torch.randn(ROWS, COLUMNS), torch.rand(COLUMNS), torch.rand(COLUMNS)
    measure(args, lambda: F.layer_norm(x, (COLUMNS,), weight, bias))


def attention(args, backward=False):
    """Causal, 6 heads of 64 out of one projection of (16, 256)."""
    x = torch.randn(16, 256, 3 * 384, requires_grad=backward)
    dy = torch.randn(16, 256, 384)

    def forward():
        q, k, v = (part.view(16, 256, 6, 64).transpose(1, 2) for part in x.split(384, 2))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(16, 256, 384)

    with torch.set_grad_enabled(backward):
        measure(args, lambda: torch.autograd.grad(forward(), x, dy) if backward else forward())


def attention_backward(args):
    attention(args, backward=True)


def adam(args):
    """The fused step, PyTorch's fastest."""
    w = torch.randn(ELEMENTS, requires_grad=True)
    w.grad = torch.randn(ELEMENTS)
    optimizer = torch.optim.Adam([w], lr=1e-3, fused=True)
    measure(args, optimizer.step)


TRAININGS = {"mlp": mlp, "cnn": cnn, "resnet18": resnet18, "mobilenet": mobilenet, "dcgan": dcgan, "unet": unet}
TRAININGS |= {
    "gpt_char": gpt(65, 64, 128, 4, 4, (12, 64)),
    "gpt_baby": gpt(65, 256, 384, 6, 6, (16, 256)),
    "gpt2": gpt(50257, 1024, 768, 12, 12, (1, 512)),
    "transformer": transformer,
}
WORKLOADS = {**TRAININGS, "softmax": softmax, "layer_norm": layer_norm, "adam": adam}
WORKLOADS |= {"attention": attention, "attention_backward": attention_backward}
WORKLOADS |= {"gpt2_token": gpt2_token, "bert_base": bert((8, 128)), "bert_base_one": bert((1, 128))}
for n in [512, 1024, 2048]:
    WORKLOADS[f"matmul_{n}"] = matmul(n, torch.float32)
    WORKLOADS[f"matmul_{n}_bf16"] = matmul(n, torch.bfloat16)

if __name__ == "__main__":
    args = arguments(WORKLOADS)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    run = WORKLOADS[args.workload]
    if args.workload in TRAININGS:
        run(args)
    else:
        with torch.no_grad():
            run(args)
