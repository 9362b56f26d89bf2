//! Optimizers and schedules.

use super::{Entry, Random, entries};
use eras::nn::optim::{Elementwise, MuonScale, Rule, global_norm};
use eras::nn::{
    self, Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Anneal, Fading, Ftrl, Lamb, Lbfgs,
    Lion, Muon, Nadam, Optimizer, Param, Radam, RmsProp, Rprop, Schedule, Sgd,
};
use eras::{Dtype, Tensor};

pub(crate) const OPTIMIZERS: &[Entry] = entries! {
    Sgd: |r| {
        let sgd = Sgd::new(r.part()).momentum(r.part()).dampening(r.part()).nesterov(r.flag());
        trained(r, sgd)
    };
    Adam: |r| {
        let adam = Adam::new(r.part()).betas(r.part(), r.part()).eps(r.part()).amsgrad(r.flag());
        trained(r, adam)
    };
    AdamW: |r| {
        let adamw = AdamW::new(r.part()).betas(r.part(), r.part());
        trained(r, adamw)
    };
    Adagrad: |r| {
        let adagrad = Adagrad::new(r.part()).lr_decay(r.part()).eps(r.part()).initial_accumulator(r.part());
        trained(r, adagrad)
    };
    Adadelta: |r| {
        let adadelta = if r.flag() { Adadelta::keras() } else { Adadelta::new(r.part()) };
        let adadelta = adadelta.rho(r.part()).eps(r.part());
        trained(r, adadelta)
    };
    RmsProp: |r| {
        let rmsprop = RmsProp::new(r.part()).alpha(r.part()).eps(r.part()).momentum(r.part());
        let rmsprop = rmsprop.centered(r.flag());
        trained(r, rmsprop)
    };
    Adamax: |r| {
        let adamax = Adamax::new(r.part()).betas(r.part(), r.part()).eps(r.part());
        trained(r, adamax)
    };
    Nadam: |r| {
        let nadam = Nadam::new(r.part()).betas(r.part(), r.part()).eps(r.part()).momentum_decay(r.part());
        let nadam = nadam.decoupled_weight_decay(r.flag());
        trained(r, nadam)
    };
    Radam: |r| {
        let radam = Radam::new(r.part()).betas(r.part(), r.part()).eps(r.part());
        let radam = radam.decoupled_weight_decay(r.flag());
        trained(r, radam)
    };
    Lion: |r| {
        let lion = Lion::new(r.part()).betas(r.part(), r.part());
        trained(r, lion)
    };
    Lamb: |r| {
        let lamb = Lamb::new(r.part()).betas(r.part(), r.part()).eps(r.part());
        trained(r, lamb)
    };
    Rprop: |r| {
        let rprop = Rprop::new(r.part()).etas(r.part(), r.part() + 1.0);
        let rprop = if r.flag() { rprop.step_sizes(r.part(), r.part()) } else { rprop };
        trained(r, rprop)
    };
    Ftrl: |r| {
        let ftrl = Ftrl::new(r.part()).power(r.part()).l1(r.part()).l2(r.part()).l2_shrinkage(r.part());
        let ftrl = ftrl.beta(r.part()).initial_accumulator(r.part());
        trained(r, ftrl)
    };
    Adafactor: |r| {
        let moment = if r.flag() { Some(r.part()) } else { None };
        let adafactor = Adafactor::new(r.part()).beta2_decay(-r.part()).eps(moment, r.part());
        let adafactor = adafactor.d(r.part() + 1.0);
        trained(r, adafactor)
    };
    Muon: |r| {
        let steps = if r.once_in(9) { r.size() } else { r.below(7) };
        let muon = Muon::new(r.part()).momentum(r.part()).nesterov(r.flag()).ns_steps(steps);
        let muon = if r.flag() { muon.ns_coefficients((r.part(), r.part(), r.part())) } else { muon };
        let scale = r.pick(&[MuonScale::Original, MuonScale::MatchRmsAdamw, MuonScale::SpectralUnclamped]);
        let muon = muon.eps(r.part()).scale(scale).others_lr(r.part());
        trained(r, muon)
    };
    Lbfgs: |r| {
        let lbfgs = Lbfgs::new(r.part()).tolerance_grad(r.part()).tolerance_change(r.part());
        let lbfgs = lbfgs.history_size(r.size()).strong_wolfe(r.flag());
        let mut lbfgs = match r.below(3) {
            0 => lbfgs.max_iter(r.size()).max_eval(r.below(6)),
            1 => lbfgs.max_iter(r.size()).tolerance_grad(f64::INFINITY),
            _ => lbfgs.max_iter(r.below(5)),
        };
        let mut w = Param::new(&r.floats());
        for _ in 0..2 {
            let which = r.pick(&[0, 0, 0, 1, 2]);
            let loss = |w: &Param| match which {
                0 => (&**w * &**w).sum(..),
                1 => w.tanh(),
                _ => w.detach().sum(..),
            };
            let before = lbfgs.step(&mut w, loss);
            assert!(before >= 0.0 || before.is_nan() || which > 0);
            lbfgs.set_lr(r.part());
            if r.once_in(4) {
                w = Param::new(&r.floats());
                w.freeze(r.once_in(4));
            }
        }
        w.detach()
    };
    clip: |r| {
        let x = r.floats();
        let mut grads = x.tanh().sum(..).backward();
        if r.flag() {
            nn::clip_by_value(&mut grads, r.number());
        } else {
            nn::clip_by_global_norm(&mut grads, r.number());
        }
        assert!(global_norm(&grads) >= 0.0 || !x.is_empty());
        grads.iter().cloned().collect::<Vec<_>>()
    };

    Schedule: |r| {
        let schedule = schedule(r);
        let schedule = match r.below(4) {
            0 => schedule.warm_up(r.size() as u64),
            1 => Schedule::product([schedule, self::schedule(r)]),
            2 => Schedule::piecewise([(0, schedule), (r.size() as u64, self::schedule(r))]),
            _ => schedule,
        };
        let again = schedule.to_string().parse::<Schedule>();
        assert!(again.is_ok() || !again.unwrap_err().to_string().is_empty());
        let factor = schedule.factor(r.size() as u64);
        assert!(factor >= 0.0, "{schedule} falls to {factor}");
        Tensor::from(factor)
    };
};

fn schedule(r: &mut Random) -> Schedule {
    let steps = r.size() as u64;
    match r.below(17) {
        0 => Schedule::constant(),
        1 => Schedule::step(steps, r.part()),
        2 => Schedule::exponential(r.part()),
        3 => Schedule::cosine(steps, r.part()),
        4 => Schedule::linear(steps, r.part(), r.part()),
        5 => Schedule::one_cycle(steps),
        6 => Schedule::polynomial(steps, r.part()),
        7 => Schedule::inverse_time(steps, r.part()),
        8 => Schedule::cosine_restarts(steps, r.size() as u64),
        9 => Schedule::cyclic(steps, r.part()),
        16 => Schedule::inverse_sqrt(steps),
        // Written down without their functions.
        10 => Schedule::Constant(r.part()),
        11 => Schedule::Step {
            every: steps,
            gamma: r.part(),
        },
        12 => Schedule::Polynomial {
            steps,
            power: r.part(),
            end: r.part(),
        },
        13 => Schedule::CosineRestarts {
            steps,
            growth: r.size() as u64,
            end: r.part(),
        },
        14 => Schedule::OneCycle {
            steps,
            rise: r.part(),
            div: r.part(),
            final_div: r.part(),
            shape: r.pick(&[Anneal::Cosine, Anneal::Linear]),
            three_phase: r.flag(),
        },
        _ => {
            let gamma = r.part();
            Schedule::Cyclic {
                up: steps,
                down: r.size() as u64,
                low: r.part(),
                fading: r.pick(&[Fading::Never, Fading::Halving, Fading::Exponential(gamma)]),
            }
        }
    }
}

/// With settings that every optimizer has.
fn common<R: Rule>(r: &mut Random, optimizer: Elementwise<R>) -> Elementwise<R> {
    let (decay, scale) = (r.part(), r.part());
    let optimizer = optimizer.maximize(r.flag()).weight_decay(r.part());
    match r.below(5) {
        0 => optimizer.clip_value(r.part()),
        1 => optimizer.clip_norm(r.part()),
        2 => optimizer.group("*", |group| group.weight_decay(decay).lr_scale(scale)),
        3 => optimizer.group("*", |group| group.as_vectors()),
        _ => optimizer,
    }
}

/// Two steps, one of them from a state that may belong to another.
fn trained<R: Rule>(r: &mut Random, optimizer: Elementwise<R>) -> Tensor {
    let mut optimizer = common(r, optimizer);
    let shapes: [&[usize]; 6] = [&[3], &[2, 3], &[3, 1, 2], &[0, 2], &[2, 0], &[]];
    let shape = r.pick(&shapes);
    let mut w = Param::new(&r.of(shape, Dtype::F32));
    for _ in 0..2 {
        let loss = (&*w * &*w).sum(..);
        optimizer.set_lr(r.part());
        optimizer.step(&mut w, &loss.backward());
        let mut state = optimizer.state();
        if r.once_in(4) && !state.is_empty() {
            let at = r.below(state.len());
            state[at].1 = r.twin(&w);
        }
        let loaded = optimizer.load_state(&state);
        assert!(loaded.is_ok() || !loaded.unwrap_err().to_string().is_empty());
    }
    assert!(optimizer.settings().len() + optimizer.states_per_weight() > 0);
    w.detach()
}
