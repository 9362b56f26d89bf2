"""Losses. Input 0 are the predictions, input 1 the targets."""

import torch
import torch.nn.functional as F

from . import Recorder, integers, uniform

f64 = torch.float64
REDUCTIONS = ["mean", "sum", "none"]


def probabilities(*shape):
    return lambda g: torch.softmax(torch.randn(shape, generator=g, dtype=f64), 1)


def log_probabilities(*shape):
    return lambda g: torch.log_softmax(torch.randn(shape, generator=g, dtype=f64), 1)


def write():
    rec = Recorder("losses")
    cross_entropies(rec)
    regressions(rec)
    binary(rec)
    kl(rec)
    rec.write()


def cross_entropies(rec):
    weight = uniform(5, low=0.2, high=2)
    ignored = torch.tensor([1, -100, 4, 0, -100, 2])
    for reduction in REDUCTIONS:
        for smoothing in [0.0, 0.1]:
            options = {"reduction": reduction, "label_smoothing": smoothing}
            f = lambda x, t, o=options: F.cross_entropy(x, t, **o)
            name = f"{reduction}_smooth{smoothing}"
            rec.case("cross_entropy", f"index_{name}", f, [(6, 5), integers(6, below=5)], options)
            rec.case("cross_entropy", f"soft_{name}", f, [(6, 5), probabilities(6, 5)], options)
            rec.case("cross_entropy", f"ignore_{name}", f, [(6, 5), ignored], {**options, "ignore_index": -100})
            # Input 2 are the weights of the classes.
            f = lambda x, t, w, o=options: F.cross_entropy(x, t, w, **o)
            options = {**options, "class_weights": True}
            for tag, target in [("index", integers(6, below=5)), ("ignore", ignored), ("soft", probabilities(6, 5))]:
                rec.case("cross_entropy", f"{tag}_weights_{name}", f, [(6, 5), target, weight], options, fixed=[2])
    large = lambda g: 50 * torch.randn(4, 5, generator=g, dtype=f64)
    mean = {"reduction": "mean"}
    rec.case("cross_entropy", "large", F.cross_entropy, [large, integers(4, below=5)], mean)
    rec.case("cross_entropy", "f64", F.cross_entropy, [(6, 5), integers(6, below=5)], mean, f64)
    rec.case("cross_entropy", "soft_f64", F.cross_entropy, [(6, 5), probabilities(6, 5)], mean, f64)
    # Classes on axis 1, as PyTorch has it for images and sequences.
    rec.case("cross_entropy", "sequence", F.cross_entropy, [(3, 5, 4), integers(3, 4, below=5)], mean)
    zero = {**mean, "ignore_index": 0}
    f = lambda x, t: F.cross_entropy(x, t, ignore_index=0)
    rec.case("cross_entropy", "ignore_zero", f, [(6, 5), torch.tensor([0, 1, 2, 0, 4, 3])], zero)


def regressions(rec):
    for op, f, variants in [
        ("mse", F.mse_loss, [{}]),
        ("l1", F.l1_loss, [{}]),
        ("huber", F.huber_loss, [{"delta": 1.0}, {"delta": 0.4}]),
        ("smooth_l1", F.smooth_l1_loss, [{"beta": 1.0}, {"beta": 0.4}]),
    ]:
        for i, variant in enumerate(variants):
            for reduction in REDUCTIONS:
                options = {**variant, "reduction": reduction}
                g = lambda x, y, f=f, o=options: f(x, y, **o)
                rec.case(op, reduction + (str(i) if i else ""), g, [(4, 6), (4, 6)], options)
        g = lambda x, y, f=f, o=variants[0]: f(x, y, **o)
        rec.case(op, "f64", g, [(4, 6), (4, 6)], {**variants[0], "reduction": "mean"}, f64)
        equal = torch.tensor([1.0, -2.0, 0.0, 3.0], dtype=f64)
        rec.case(op, "equal", g, [equal, equal], {**variants[0], "reduction": "mean"})


def binary(rec):
    f = F.binary_cross_entropy_with_logits
    large = torch.tensor([100.0, -100.0, 100.0, -100.0, 0.0, -0.0], dtype=f64)
    labels = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0], dtype=f64)
    for reduction in REDUCTIONS:
        options = {"reduction": reduction}
        g = lambda x, y, o=options: f(x, y, **o)
        rec.case("bce_with_logits", reduction, g, [(4, 3), uniform(4, 3)], options)
        # Input 2: the weights of the positive examples, by class.
        g = lambda x, y, w, o=options: f(x, y, pos_weight=w, **o)
        inputs = [(4, 3), uniform(4, 3), uniform(3, low=0.5, high=3)]
        rec.case("bce_with_logits", f"pos_weight_{reduction}", g, inputs, options, fixed=[2])
    rec.case("bce_with_logits", "large", f, [large, labels], {"reduction": "mean"})
    rec.case("bce_with_logits", "f64", f, [(4, 3), uniform(4, 3)], {"reduction": "mean"}, f64)


def kl(rec):
    for reduction in [*REDUCTIONS, "batchmean"]:
        for log_target in [False, True]:
            options = {"reduction": reduction, "log_target": log_target}
            target = log_probabilities(4, 5) if log_target else probabilities(4, 5)
            g = lambda x, y, o=options: F.kl_div(x, y, **o)
            name = reduction + ("_log_target" if log_target else "")
            rec.case("kl_div", name, g, [log_probabilities(4, 5), target], options)
    options = {"reduction": "batchmean", "log_target": False}
    g = lambda x, y: F.kl_div(x, y, **options)
    rec.case("kl_div", "f64", g, [log_probabilities(4, 5), probabilities(4, 5)], options, f64)
    zero = torch.tensor([[0.0, 0.5, 0.5]], dtype=f64)
    rec.case("kl_div", "zero_target", g, [log_probabilities(1, 3), zero], options, grad=False)
