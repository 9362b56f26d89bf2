//! 1985: a net that dreams digits, and learns from its dreams.

use super::{Drawing, Stop, View, Visit};
use crate::promise::Unit;
use crate::recipe::Era;
use crate::tour::sight::{SIDE, within};
use eras_data::{Dataset, Images};
use eras_models::connectionism::Rbm;
use eras_nn::{Optimizer, Sgd};
use eras_report::format;
use eras_tensor::{Dtype, Result, Rng, Tensor, no_grad};
use std::time::Instant;

pub(super) static STOP: Stop = Stop {
    name: "rbm",
    title: "The Boltzmann machine dreams",
    era: Era::Connectionism,
    year: 1985,
    idea: "Warm Hopfield's net up, and its units are no longer sure: it dreams. Ackley, Hinton and Sejnowski taught one by its \
           dreams: what goes together in the world grows, what goes together in dreams shrinks. Without connections inside its \
           two groups of units (Smolensky 1986) a whole group is dreamt at once.",
    next: "Back-propagation (1986): where the answer is known no dreams are needed, for the error itself can be sent back \
           through the net.",
    recipe: "rbm",
    story: include_str!("../../stories/rbm.md"),
    visit,
};

const HIDDEN: usize = 256;
const EPOCHS: usize = 2;
/// Digits of a step, and dreams that go on beside it.
const BATCH: usize = 100;
/// Of the first step; it falls to 0 with the last.
const LR: f64 = 0.1;
/// Dreams that are shown, and the characters of each.
const SHOWN: usize = 4;
const WIDTH: usize = 18;
/// Test digits by which the machine is judged.
const JUDGED: usize = 1000;
/// Hidden units of the machine whose states are counted.
const COUNTED: usize = 12;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let mnist = visit.digits()?;
    let rng = &mut visit.rng();
    let test = bits(&mnist.test, &(0..JUDGED).collect::<Vec<_>>(), rng)?;
    let mut rbm = Rbm::new(SIDE * SIDE, HIDDEN, rng);
    let before = error(&rbm, &test);
    let noise = Tensor::uniform([BATCH, SIDE * SIDE], 0.0, 1.0, rng);
    let mut dreams = noise.lt(0.5).to_dtype(Dtype::F32);
    let early = seen(&rbm, &dreams);

    let mut order: Vec<usize> = (0..mnist.train.len()).collect();
    let steps = EPOCHS * (order.len() / BATCH);
    let (mut descent, mut step) = (Sgd::new(LR), 0);
    let (mut dreaming, start) = (0.0, Instant::now());
    for _ in 0..EPOCHS {
        rng.shuffle(&mut order);
        for batch in order.chunks_exact(BATCH) {
            let digits = bits(&mnist.train, batch, rng)?;
            let sleep = Instant::now();
            dreams = rbm.gibbs(&dreams, 1, rng);
            dreaming += sleep.elapsed().as_secs_f64();
            descent.set_lr(LR * (1.0 - f64::from(step) / steps as f64));
            let grads = rbm.contrast(&digits, &dreams).backward();
            descent.step(&mut rbm, &grads);
            step += 1;
            visit.live(|| {
                let seen = seen(&rbm, &dreams).into_iter();
                let small = |dream: Vec<f32>| Drawing::gray(&within(&dream), WIDTH);
                let mut frame: Vec<_> = seen.map(|d| (String::new(), small(d))).collect();
                frame[0].0 = format!("step {step} of {steps}");
                frame
            })?;
        }
    }
    let share = dreaming / start.elapsed().as_secs_f64();
    let after = visit.measured("pixels_wrong", error(&rbm, &test), Unit::Share);
    visit.measured("pixels_wrong_before", before, Unit::Share);
    let late = seen(&rbm, &dreams);
    let views = [("before", &early), ("after", &late)].map(|(caption, dreams)| {
        let dreams = dreams.iter();
        dreams.map(move |dream| View::digit(caption, dream, WIDTH))
    });
    visit.show(views.into_iter().flatten().collect());
    visit.say(format!(
        "{HIDDEN} hidden units, {} steps of {BATCH} digits; its dreams began as noise and went on by one step at a time. Of the \
         pixels of digits it has never seen, {} come back wrong through the hidden units; before it learned {}.",
        format::count(steps as u64),
        format::percent(after),
        format::percent(before),
    ));
    limit(visit, &test, share)
}

/// What counting all states of a machine of this size would take.
fn limit(visit: &mut Visit<'_>, v: &Tensor, share: f64) -> Result<String> {
    const YEAR: f64 = 365.25 * 86_400.0;
    visit.doing("counting the states of a small machine ..")?;
    let small = Rbm::new(SIDE * SIDE, COUNTED, &mut visit.rng());
    let start = Instant::now();
    small.log_likelihood(v)?;
    let seconds = start.elapsed().as_secs_f64();
    let years = seconds * 2f64.powi((HIDDEN - COUNTED) as i32) / YEAR;
    Ok(format!(
        "To learn it has to dream: {} of the time went into that, and no dream is as long as it should be. And how probable a \
         digit is can hardly be known: to count the {} states of {COUNTED} hidden units took {}; those of {HIDDEN} would take \
         {} years.",
        format::percent(share),
        format::count(1 << COUNTED),
        format::seconds(seconds),
        format::significant(years),
    ))
}

/// Digits as bits, each drawn with its pixel as probability. `(B, 784)`
fn bits(data: &Images, indices: &[usize], rng: &mut Rng) -> Result<Tensor> {
    let x = data.batch(indices)?.x;
    let coins = Tensor::uniform(x.shape(), 0.0, 1.0, rng);
    Ok(coins.lt(&x).to_dtype(Dtype::F32))
}

/// The first of `states (B, 784)`, as probabilities of pixels.
fn seen(rbm: &Rbm, states: &Tensor) -> Vec<Vec<f32>> {
    let seen = no_grad(|| rbm.reconstruct(&states.narrow(0, 0, SHOWN)));
    (0..SHOWN).map(|i| seen.select(0, i).to_vec()).collect()
}

/// The share of pixels of `v (B, 784)` that come back wrong.
fn error(rbm: &Rbm, v: &Tensor) -> f64 {
    let back = no_grad(|| rbm.reconstruct(v)).ge(0.5).to_dtype(Dtype::F32);
    (back - v).abs().mean(..).item()
}
