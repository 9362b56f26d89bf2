"""Losses. Input 0 are the predictions, input 1 the targets."""

import jax
import keras
import torch
import torch.nn.functional as F

from . import Recorder, integers, uniform

f64 = torch.float64
REDUCTIONS = ["mean", "sum", "none"]


def probabilities(*shape):
    return lambda g: torch.softmax(torch.randn(shape, generator=g, dtype=f64), 1)


def log_probabilities(*shape):
    return lambda g: torch.log_softmax(torch.randn(shape, generator=g, dtype=f64), 1)


def signs(*shape):
    return lambda g: 2.0 * torch.randint(2, shape, generator=g).to(f64) - 1


def counts(*shape):
    return lambda g: torch.randint(5, shape, generator=g).to(f64)


class Keras(torch.autograd.Function):
    """A loss of Keras as a function of torch tensors; `f` takes targets and predictions, as all do there."""

    @staticmethod
    def forward(ctx, f, x, t):
        y, ctx.back = jax.vjp(lambda x, t: f(t, x), x.detach().numpy(), t.detach().numpy())
        return torch.tensor(jax.device_get(y))

    @staticmethod
    def backward(ctx, dy):
        dx, dt = ctx.back(dy.numpy())
        dt = None if dt.dtype == jax.dtypes.float0 else torch.tensor(jax.device_get(dt))
        return None, torch.tensor(jax.device_get(dx)), dt


def each(f):
    """Keras takes the mean over the last axis: given one of length 1, it takes none."""
    return lambda x, t: Keras.apply(f, x[..., None], t[..., None])


def reduce(y, reduction):
    return {"mean": torch.mean, "sum": torch.sum, "none": lambda y: y}[reduction](y)


def write():
    rec = Recorder("losses")
    cross_entropies(rec)
    regressions(rec)
    binary(rec)
    kl(rec)
    relative(rec)
    likelihoods(rec)
    margins(rec)
    cosines(rec)
    focal(rec)
    overlap(rec)
    triplets(rec)
    ctc(rec)
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
    # Of the logits of an affine map; input 2 is the target, input 3 the bias.
    for reduction in REDUCTIONS:
        options = {"reduction": reduction, "label_smoothing": 0.1}
        f = lambda x, w, t, b=None, o=options: F.cross_entropy(F.linear(x, w, b), t, **o)
        rec.case("linear_cross_entropy", reduction, f, [(6, 4), (5, 4), ignored], options)
        rec.case("linear_cross_entropy", f"{reduction}_bias", f, [(6, 4), (5, 4), ignored, (5,)], options)


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


def record(rec, op, case, f, inputs, options=None, fixed=()):
    """`f(*inputs)` is the loss of each element. A case without a name of its own gets one for each reduction, and one in f64."""
    options = options or {}
    for reduction in ["none"] if case else REDUCTIONS:
        g = lambda *x, r=reduction: reduce(f(*x), r)
        rec.case(op, case or reduction, g, inputs, {**options, "reduction": reduction}, fixed=fixed)
    if not case:
        rec.case(op, "f64", f, inputs, {**options, "reduction": "none"}, f64, fixed=fixed)


def relative(rec):
    record(rec, "log_cosh", "", each(keras.losses.log_cosh), [(4, 6), (4, 6)])
    mape = each(keras.losses.mean_absolute_percentage_error)
    record(rec, "mape", "", mape, [(4, 6), uniform(4, 6, low=0.3, high=2)])
    msle = each(keras.losses.mean_squared_logarithmic_error)
    # Some predictions are negative, and cut off.
    record(rec, "msle", "", msle, [(4, 6), uniform(4, 6, low=0.1, high=3)])


def likelihoods(rec):
    for options in [{}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True, "eps": 1e-3}]:
        f = lambda x, t, o=options: F.poisson_nll_loss(x, t, reduction="none", **o)
        x = (4, 6) if options.get("log_input", True) else uniform(4, 6, low=0.1, high=4)
        case = "_".join(options)
        record(rec, "poisson_nll", case, f, [x, counts(4, 6)], options, fixed=[1])
    for options in [{}, {"full": True}, {"eps": 0.5}]:
        f = lambda x, t, v, o=options: F.gaussian_nll_loss(x, t, v, reduction="none", **o)
        inputs = [(4, 6), (4, 6), uniform(4, 6, low=0.1, high=2)]
        record(rec, "gaussian_nll", "_".join(options), f, inputs, options)
    f = lambda x, t, v: F.gaussian_nll_loss(x, t, v, reduction="none")
    record(rec, "gaussian_nll", "one", f, [(4, 6), (4, 6), uniform(4, 1, low=0.1, high=2)])
    f = lambda x, t: F.binary_cross_entropy(x, t, reduction="none")
    inside = uniform(4, 3, low=0.02, high=0.98)
    record(rec, "bce", "", f, [inside, uniform(4, 3)])
    f = lambda x, t, w: F.binary_cross_entropy(x, t, w, reduction="none")
    record(rec, "bce", "weight", f, [inside, uniform(4, 3), uniform(3, low=0.5, high=3)], fixed=[2])
    edges = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-30], dtype=f64)
    answers = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0], dtype=f64)
    rec.case("bce", "edges", F.binary_cross_entropy, [edges, answers], {"reduction": "mean"}, fixed=[1])
    for reduction in REDUCTIONS:
        options = {"reduction": reduction, "ignore_index": 2}
        g = lambda x, t, w, o=options: F.nll_loss(x, t, w, **o)
        inputs = [log_probabilities(6, 5), torch.tensor([1, 2, 4, 0, 2, 3]), uniform(5, low=0.2, high=2)]
        rec.case("nll", reduction, g, inputs, options, fixed=[2])


def margins(rec):
    for op, f in [("hinge", keras.losses.hinge), ("squared_hinge", keras.losses.squared_hinge)]:
        record(rec, op, "", each(f), [(4, 6), signs(4, 6)], fixed=[1])
        zeros = lambda g: torch.randint(2, (4, 6), generator=g).to(f64)
        record(rec, op, "zeros", each(f), [(4, 6), zeros], fixed=[1])
    for case, options in [("", {"p": 1, "margin": 1.0}), ("squared", {"p": 2, "margin": 0.7})]:
        f = lambda x, t, o=options: F.multi_margin_loss(x, t, reduction="none", **o)
        record(rec, "multi_margin", case, f, [(6, 5), integers(6, below=5)], options)
        f = lambda x, t, w, o=options: F.multi_margin_loss(x, t, weight=w, reduction="none", **o)
        inputs = [(6, 5), integers(6, below=5), uniform(5, low=0.2, high=2)]
        record(rec, "multi_margin", f"{case}weight", f, inputs, options, fixed=[2])


def cosines(rec):
    for dim in [0, 1, -1]:
        f = lambda a, b, d=dim: F.cosine_similarity(a, b, d)
        rec.case("cosine_similarity", f"axis{dim}", f, [(3, 4, 5), (3, 4, 5)], {"dim": dim})
    rec.case("cosine_similarity", "broadcast", f, [(3, 4, 5), (4, 1)], {"dim": -1})
    rec.case("cosine_similarity", "f64", f, [(4, 5), (4, 5)], {"dim": -1}, f64)
    keras_cosine = lambda x, t: Keras.apply(keras.losses.cosine_similarity, x, t)
    record(rec, "cosine_loss", "", keras_cosine, [(4, 6), (4, 6)])
    for case, margin in [("", 0.0), ("margin", 0.3)]:
        f = lambda a, b, y, m=margin: F.cosine_embedding_loss(a, b, y, m, reduction="none")
        inputs = [(8, 5), (8, 5), signs(8)]
        record(rec, "cosine_embedding", case, f, inputs, {"margin": margin}, fixed=[2])


def focal(rec):
    def sigmoid_focal(x, t, alpha, gamma):
        """The definition in the paper's section 3, which torchvision follows too."""
        p = torch.sigmoid(x)
        p_t = p * t + (1 - p) * (1 - t)
        ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        alpha_t = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
        return alpha_t * (1 - p_t) ** gamma * ce

    for case, alpha, gamma in [("", 0.25, 2.0), ("plain", None, 1.5)]:
        f = lambda x, t, a=alpha, c=gamma: sigmoid_focal(x, t, a, c)
        options = {"alpha": alpha, "gamma": gamma}
        record(rec, "sigmoid_focal", case, f, [(4, 3), uniform(4, 3)], options)
        f = lambda t, x, c=gamma: keras.losses.categorical_focal_crossentropy(
            jax.nn.one_hot(t, 5, dtype=x.dtype), x, alpha=0.25, gamma=c, from_logits=True
        )
        g = lambda x, t, f=f: Keras.apply(f, x, t)
        options = {"alpha": 0.25, "gamma": gamma}
        record(rec, "softmax_focal", case, g, [(6, 5), integers(6, below=5)], options)


def overlap(rec):
    masks = lambda g: torch.randint(2, (2, 1, 4, 5), generator=g).to(f64)
    for axes in [None, [1, 2, 3]]:
        case = "" if axes is None else "each"
        axis = axes and tuple(axes)
        f = lambda t, x, a=axis: keras.losses.dice(t, x, axis=a)
        g = lambda x, t, f=f: Keras.apply(f, x, t)
        record(rec, "dice", case, g, [uniform(2, 1, 4, 5), masks], {"dim": axes})
        f = lambda t, x, a=axis: keras.losses.tversky(t, x, alpha=0.3, beta=0.7, axis=a)
        g = lambda x, t, f=f: Keras.apply(f, x, t)
        options = {"dim": axes, "alpha": 0.3, "beta": 0.7}
        record(rec, "tversky", case, g, [uniform(2, 1, 4, 5), masks], options)


def triplets(rec):
    for options in [{}, {"swap": True}, {"margin": 0.3, "p": 1.0}, {"margin": 2.0, "p": 3.0, "swap": True, "eps": 1e-3}]:
        f = lambda a, p, n, o=options: F.triplet_margin_loss(a, p, n, reduction="none", **o)
        record(rec, "triplet_margin", "_".join(options), f, [(6, 4), (6, 4), (6, 4)], options)


def ctc(rec):
    """Input 0 are logits: PyTorch's gradient is that behind `log_softmax`. Then targets and both lengths."""
    targets = torch.tensor([[1, 2, 2, 4], [3, 3, 3, 1], [4, 1, 0, 0], [2, 0, 0, 0]])
    lengths = torch.tensor([4, 3, 2, 0])
    last = targets.sub(1).clamp(min=0)
    inputs = torch.tensor([12, 9, 2, 5])
    # The third says two labels in a step: impossible.
    short = torch.tensor([12, 9, 1, 5])
    for case, t, steps, o in [
        ("first", targets, inputs, {"blank": 0}),
        ("last", last, inputs, {"blank": 4}),
        ("short", targets, short, {"blank": 0, "zero_infinity": True}),
    ]:
        for reduction in REDUCTIONS if case == "first" else ["mean"]:
            options = {**o, "reduction": reduction}
            f = lambda x, t, i, l, o=options: F.ctc_loss(F.log_softmax(x, 2), t, i, l, **o)
            rec.case("ctc", f"{case}_{reduction}", f, [(12, 4, 5), t, steps, lengths], options)
        f = lambda x, t, i, l, o=o: F.ctc_loss(F.log_softmax(x, 2), t, i, l, reduction="none", **o)
        rec.case("ctc", f"{case}_f64", f, [(12, 4, 5), t, steps, lengths], {**o, "reduction": "none"}, f64)
    f = lambda x, t, i, l: F.ctc_loss(F.log_softmax(x, 2), t, i, l)
    sentence = lambda g: torch.randint(1, 12, (2, 20), generator=g)
    full = [(60, 2, 12), sentence, torch.tensor([60, 55]), torch.tensor([20, 17])]
    rec.case("ctc", "long", f, full, {"blank": 0, "reduction": "mean"})
