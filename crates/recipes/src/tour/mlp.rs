//! 1989: layers read handwriting, as long as it stays where it was.

use super::{Drawing, Figure, Stop, View, Visit};
use crate::promise::Unit;
use crate::recipe::Era;
use crate::tour::sight::{SIDE, within};
use eras_data::{Batch, Dataset, Images, Loader};
use eras_models::deep_learning::Mlp;
use eras_nn::{Adam, Mode, Optimizer, cross_entropy};
use eras_report::{Chart, Series, format, sparkline};
use eras_tensor::{Result, Rng, Tensor, no_grad};
use std::time::Instant;

pub(super) static STOP: Stop = Stop {
    name: "mlp",
    title: "Layers read handwriting",
    era: Era::DeepLearning,
    year: 1989,
    idea: "With enough hidden units one layer can come as near as you like to any function (Cybenko; Hornik, Stinchcombe and \
           White). So give 784 pixels to layers of hundreds of units, teach them by back-propagation, and let them read.",
    next: "Convolution (LeCun 1989): look at small neighbourhoods, with the same weights everywhere.",
    recipe: "mlp",
    story: include_str!("../../stories/mlp.md"),
    visit,
};

const HIDDEN: [usize; 2] = [512, 512];
const BATCH: usize = 128;
/// Digits that are shown with what the network says of them.
const SHOWN: usize = 4;
const WIDTH: usize = 18;
/// Characters of a curve.
const CURVE: usize = 40;
/// By how many pixels digits are moved.
const MOVED: usize = 6;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let mnist = visit.digits()?;
    let test = mnist
        .test
        .batch(&(0..mnist.test.len()).collect::<Vec<_>>())?;
    let mut model = Mlp::new(SIDE * SIDE, &HIDDEN, 10, 0.0, &mut Rng::new(visit.seed()));
    let start = Instant::now();
    let steps = learn(visit, &mut model, &mnist.train, &test)?;
    let seconds = start.elapsed().as_secs_f64();

    let (said, right) = said(&model, &test.x, &test.y);
    let accuracy = visit.measured("accuracy", right, Unit::Share);
    let views = |rows: &[usize]| {
        let view =
            |&row: &usize| View::digit(says(said[row]), &test.x.select(0, row).to_vec(), WIDTH);
        rows.iter().map(view).collect::<Vec<View>>()
    };
    visit.show(views(&(0..SHOWN).collect::<Vec<_>>()));
    visit.say(format!(
        "One look at each of {} digits ({} steps, {}): {} of {} others are read right.",
        format::count(mnist.train.len() as u64),
        format::count(steps),
        format::seconds(seconds),
        format::percent(accuracy),
        format::count(mnist.test.len() as u64),
    ));

    // The mistakes that it was surest of.
    let labels = mnist.test.labels();
    let mut wrong: Vec<usize> = (0..labels.len())
        .filter(|&row| said[row].0 as i64 != labels[row])
        .collect();
    wrong.sort_by(|a, b| said[*b].1.total_cmp(&said[*a].1));
    visit.counted("mistakes", wrong.len());
    let worst = &wrong[..SHOWN.min(wrong.len())];
    if !worst.is_empty() {
        let truth: Vec<String> = worst.iter().map(|&row| labels[row].to_string()).collect();
        visit.show(views(worst));
        visit.say(format!(
            "Its surest mistakes; they are {}.",
            truth.join(", ")
        ));
    }
    moved(visit, &model, &test)
}

/// One epoch; the number of steps.
fn learn(visit: &mut Visit<'_>, model: &mut Mlp, train: &Images, test: &Batch) -> Result<u64> {
    let seed = visit.seed();
    let mut adam = Adam::new(1e-3);
    let mut loader = Loader::new(train, BATCH).shuffle(seed);
    let (mut step, mut curve) = (0, Vec::new());
    let shown = test.x.narrow(0, 0, SHOWN);
    let steps = train.len().div_ceil(BATCH);
    while let Some(batch) = loader.next_batch()? {
        let output = model.forward(&batch.x, &Mode::train(seed, step));
        let loss = cross_entropy(&output, &batch.y);
        adam.step(model, &loss.backward());
        step += 1;
        let (_, right) = score(&output, &batch.y);
        curve.push(right);
        visit.live(|| {
            let (guesses, _) = said(model, &shown, &test.y.narrow(0, 0, SHOWN));
            let digits = guesses.iter().enumerate().map(|(i, guess)| {
                let pixels = within(&shown.select(0, i).to_vec());
                (says(*guess), Drawing::gray(&pixels, WIDTH))
            });
            let bars = sparkline(&curve, CURVE);
            let line = format!("{bars:CURVE$}  {}", format::percent(right));
            let name = format!("step {step} of {steps}: right in the batch");
            digits.chain([(name, Drawing::lines([line]))]).collect()
        })?;
    }
    Ok(step)
}

/// Nearly sure is not rounded to sure.
fn says((class, probability): (usize, f32)) -> String {
    let percent = 100.0 * probability;
    if percent > 99.0 {
        return format!("says {class}, >99% sure");
    }
    format!("says {class}, {percent:.0}% sure")
}

/// The class that each of `x (N, 784)` is taken for with its probability, and the share that is right.
fn said(model: &Mlp, x: &Tensor, y: &Tensor) -> (Vec<(usize, f32)>, f64) {
    score(&no_grad(|| model.forward(x, &Mode::eval())), y)
}

fn score(output: &Tensor, y: &Tensor) -> (Vec<(usize, f32)>, f64) {
    let p = output.detach().softmax(-1);
    let classes = p.argmax(-1).to_vec::<i64>();
    let most = p.amax(-1).to_vec::<f32>();
    let labels = y.to_vec::<i64>();
    let hits = classes.iter().zip(&labels).filter(|(a, b)| a == b).count();
    let said = classes.iter().map(|class| *class as usize).zip(most);
    (said.collect(), hits as f64 / labels.len() as f64)
}

/// What is left when the digits move to the right.
fn moved(visit: &mut Visit<'_>, model: &Mlp, test: &Batch) -> Result<String> {
    let n = test.y.len();
    let planes = test.x.reshape([n, SIDE, SIDE]);
    let mut shares = Vec::new();
    for by in 0..=MOVED {
        visit.go_on()?;
        let kept = planes.narrow(2, 0, SIDE - by);
        let x = Tensor::concat(&[Tensor::zeros([n, SIDE, by]), kept], 2);
        shares.push(said(model, &x.reshape([n, SIDE * SIDE]), &test.y).1);
    }
    let bars: Vec<(String, f64, String)> = shares
        .iter()
        .enumerate()
        .map(|(by, share)| (format!("by {by}"), *share, format::percent(*share)))
        .collect();
    let points = (0..).map(f64::from).zip(shares.iter().copied());
    let chart = Chart::new("Read right, by pixels that the digits have moved")
        .x_label("pixels to the right")
        .y_percent()
        .series(Series::new("test digits", points.collect()));
    visit.show(vec![View::new(
        "digits moved to the right by so many pixels, and the share read right",
        Drawing::bars(&bars, 40),
        Figure::Chart(chart),
    )]);
    let last = visit.measured("accuracy_moved", shares[MOVED], Unit::Share);
    Ok(format!(
        "It knows 784 numbers and not which of them are neighbours. The same digits {MOVED} pixels further to the right: {} are \
         read right. For the network that is another picture.",
        format::percent(last)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_sure_is_not_said_to_be_sure() {
        assert_eq!(says((7, 0.996)), "says 7, >99% sure");
        assert_eq!(says((0, 0.984)), "says 0, 98% sure");
    }

    #[test]
    fn the_most_likely_class_is_said_and_hits_are_counted() {
        let output = Tensor::from([[0.0f32, 3.0f32.ln(), 0.0], [5.0, 0.0, 0.0]]);
        let (said, share) = score(&output, &Tensor::from([1i64, 2]));
        assert_eq!((said[0].0, said[1].0, share), (1, 0, 0.5));
        assert!((said[0].1 - 0.6).abs() < 1e-6, "{said:?}");
    }
}
