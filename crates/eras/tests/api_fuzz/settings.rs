//! Settings that would spoil a training run without a word are refused where they are given.

use super::attempt;
use eras::nn::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, BceWithLogits, CosineEmbedding,
    CrossEntropy, Dropout, Ftrl, GaussianNll, Init, Lamb, Lbfgs, Lion, MultiMargin, Muon, Nadam,
    Optimizer, PoissonNll, Radam, RmsProp, Rprop, Schedule, Sgd, SigmoidFocal, SoftmaxFocal,
    TripletMargin, Tversky,
};
use eras::{Reduction, Rng, Tensor};

const NAN: f64 = f64::NAN;

/// Calls `f` with the setting, for what it does.
macro_rules! calls {
    ($($call:expr;)*) => { [$((stringify!($call), (|| { let _made = $call; }) as fn()),)*] };
}

fn x() -> Tensor {
    Tensor::ones([2, 4])
}

fn grads() -> eras::Gradients {
    x().requires_grad().sum(..).backward()
}

#[test]
fn what_is_out_of_range_or_no_number_is_refused_with_its_value() {
    let calls = calls! {
        x().clamp(NAN, 1.0);
        x().clamp(2.0, 1.0);
        x().hardtanh(NAN, 1.0);
        x().softshrink(-1.0);
        x().softplus(1.0, NAN);
        x().dropout(NAN, &Rng::new(0));
        x().dropout2d(1.5, &Rng::new(0));
        x().alpha_dropout(-0.1, &Rng::new(0));
        x().layer_norm([4], None, None, NAN);
        x().rms_norm([4], None, -1.0);
        x().group_norm(2, None, None, NAN);
        x().batch_norm(None, None, NAN);
        x().huber(&x(), NAN, Reduction::Mean);
        x().smooth_l1(&x(), -1.0, Reduction::Mean);
        CrossEntropy::new().label_smoothing(NAN).loss(&x(), &Tensor::from([0i64, 1]));
        BceWithLogits::new().weight(&Tensor::ones([3])).loss(&x(), &x());
        CosineEmbedding::new().margin(1.5);
        SigmoidFocal::new().alpha(-0.1);
        SigmoidFocal::new().alpha(NAN);
        SigmoidFocal::new().gamma(-1.0);
        SoftmaxFocal::new().gamma(NAN);
        PoissonNll::new().eps(-1e-8);
        GaussianNll::new().eps(NAN);
        MultiMargin::new().margin(f64::INFINITY);
        TripletMargin::new().margin(NAN);
        TripletMargin::new().p(-1.0);
        TripletMargin::new().eps(NAN);
        Tversky::new(-0.1, 0.5);
        Tversky::new(0.5, NAN);
        Tversky::dice().smooth(-1.0);
        Tversky::dice().axes([0, -2]).loss(&x(), &x());
        Dropout::new(NAN);
        Init::truncated_normal(0.0, NAN).draw([3], &mut Rng::new(0));
        Init::truncated_normal(f64::INFINITY, 1.0).draw([3], &mut Rng::new(0));
        Sgd::new(NAN);
        Sgd::new(-1.0);
        Sgd::new(f64::INFINITY);
        Sgd::new(0.1).set_lr(NAN);
        Sgd::new(0.1).momentum(NAN);
        Sgd::new(0.1).dampening(-1.0);
        Sgd::new(0.1).weight_decay(NAN);
        Sgd::new(0.1).clip_value(NAN);
        Sgd::new(0.1).clip_norm(-1.0);
        Sgd::new(0.1).group("*", |g| g.lr_scale(NAN));
        Sgd::new(0.1).group("*", |g| g.weight_decay(-1.0));
        Adam::new(0.1).betas(1.0, 0.9);
        Adam::new(0.1).betas(0.9, NAN);
        AdamW::new(0.1).eps(-1e-8);
        Adagrad::new(0.1).lr_decay(NAN);
        Adagrad::new(0.1).eps(NAN);
        Adagrad::new(0.1).initial_accumulator(-1.0);
        Adadelta::new(0.1).rho(1.5);
        Adadelta::new(0.1).eps(NAN);
        RmsProp::new(0.1).alpha(NAN);
        RmsProp::new(0.1).eps(-1.0);
        RmsProp::new(0.1).momentum(f64::INFINITY);
        Adamax::new(-1.0);
        Adamax::new(0.1).betas(1.0, 0.9);
        Adamax::new(0.1).eps(NAN);
        Nadam::new(0.1).betas(0.9, -0.1);
        Nadam::new(0.1).eps(-1.0);
        Nadam::new(0.1).momentum_decay(NAN);
        Radam::new(0.1).betas(0.9, 1.0);
        Radam::new(0.1).eps(f64::INFINITY);
        Lion::new(NAN);
        Lion::new(0.1).betas(NAN, 0.9);
        Lamb::new(0.1).betas(0.9, 2.0);
        Lamb::new(0.1).eps(-1.0);
        Rprop::new(0.1).etas(1.5, 1.2);
        Rprop::new(0.1).etas(0.5, 0.9);
        Rprop::new(0.1).step_sizes(-1.0, 1.0);
        Rprop::new(0.1).step_sizes(2.0, 1.0);
        Rprop::new(0.1).step_sizes(0.0, NAN);
        Ftrl::new(0.1).power(-0.5);
        Ftrl::new(0.1).l1(NAN);
        Ftrl::new(0.1).l2(-1.0);
        Ftrl::new(0.1).l2_shrinkage(NAN);
        Ftrl::new(0.1).beta(-1.0);
        Ftrl::new(0.1).initial_accumulator(-0.1);
        Adafactor::new(0.1).beta2_decay(0.5);
        Adafactor::new(0.1).eps(Some(-1.0), 0.0);
        Adafactor::new(0.1).eps(None, NAN);
        Adafactor::new(0.1).d(0.5);
        Muon::new(0.1).momentum(1.0);
        Muon::new(0.1).ns_steps(100);
        Muon::new(0.1).ns_coefficients((1.0, NAN, 0.0));
        Muon::new(0.1).eps(-1.0);
        Muon::new(0.1).others_lr(NAN);
        Lbfgs::new(NAN);
        Lbfgs::new(0.1).set_lr(-1.0);
        Lbfgs::new(0.1).tolerance_grad(NAN);
        Lbfgs::new(0.1).tolerance_change(-1.0);
        Schedule::step(0, 0.1);
        Schedule::step(3, NAN);
        Schedule::exponential(-0.5);
        Schedule::cosine(3, NAN);
        Schedule::linear(3, -1.0, 0.0);
        Schedule::linear(3, 1.0, f64::INFINITY);
        Schedule::polynomial(3, -1.0);
        Schedule::inverse_time(0, 1.0);
        Schedule::inverse_time(3, -1.0);
        Schedule::inverse_sqrt(0);
        Schedule::cosine_restarts(0, 1);
        Schedule::cosine_restarts(3, 0);
        Schedule::cyclic(0, 0.1);
        Schedule::cyclic(3, NAN);
        Schedule::product([Schedule::Constant(NAN)]).factor(0);
        eras::nn::clip_by_value(&mut grads(), NAN);
        eras::nn::clip_by_global_norm(&mut grads(), -1.0);
    };
    for (text, call) in calls {
        let refusal = attempt(call)
            .err()
            .unwrap_or_else(|| panic!("{text} passes"));
        assert_eq!(refusal.complaint(text), None, "{text}: {refusal:?}");
    }
}
