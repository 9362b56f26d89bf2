//! 1960: the unit that follows the size of its error, and settles where the perceptron wanders.

use super::visit::count;
use super::{Drawing, Stop, View, Visit};
use crate::perceptron::rosenblatt::{clouds, exclusive_or, falling_rate};
use crate::promise::Unit;
use crate::recipe::Era;
use eras_models::perceptron::{Adaline, Perceptron, least_squares};
use eras_report::format;
use eras_tensor::{Dtype, Result, Tensor};

pub(super) static STOP: Stop = Stop {
    name: "adaline",
    title: "ADALINE listens to the size of its error",
    era: Era::Perceptron,
    year: 1960,
    idea: "Bernard Widrow and Ted Hoff let the weights follow how far off the sum is, and not only whether the answer is wrong. \
           This delta rule is the stochastic gradient descent of today.",
    next: "After 1969 few believed in networks. Hopfield (1982) came back to them from physics: connect the units in cycles, and \
           ask what comes to rest.",
    recipe: "perceptron",
    story: "",
    visit,
};

const POINTS: usize = 120;
const EPOCHS: usize = 200;
/// Passes of the perceptron over the same points, and of those the ones that are compared.
const PASSES: usize = 100;
const WIDTH: usize = 24;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let rng = &mut visit.rng();
    let (x, y) = clouds(POINTS, rng);
    let points = x.to_dtype(Dtype::F32).to_vec::<f32>();
    let labels: Vec<bool> = y.to_vec::<f64>().iter().map(|y| *y > 0.0).collect();

    let mut adaline = Adaline::new(2);
    let mut steps = 0;
    for epoch in 1..=EPOCHS {
        adaline.fit(&x, &y, 1, |step| falling_rate(steps + step), rng);
        steps += POINTS;
        if epoch <= 15 || epoch.is_multiple_of(20) {
            visit.play(|| {
                let score = |place| score(&adaline, place);
                let drawing = Drawing::plane(&points, &labels, WIDTH, score);
                vec![(format!("ADALINE after {}", count(epoch, "pass")), drawing)]
            })?;
        }
    }
    let exact = least_squares(&x, &y)?;
    let error = visit.measured(
        "relative_error",
        adaline.relative_error(&exact),
        Unit::Plain,
    );
    let wrong = visit.counted("wrong", adaline.wrong(&x, &y));

    // The perceptron on the same points never rests: where it stands after its best pass and after its worst.
    let (narrow, signs) = (x.to_dtype(Dtype::F32), y.to_dtype(Dtype::I64));
    let mut perceptron = Perceptron::new(2);
    let mut stands = Vec::new();
    for _ in 0..PASSES {
        perceptron.fit(&narrow, &signs, 1, |_| ());
        let wrong = perceptron.margins(&narrow, &signs).wrong;
        stands.push((wrong, perceptron.clone()));
    }
    let by_wrong = |stand: &&(usize, Perceptron)| stand.0;
    let best = stands.iter().min_by_key(by_wrong).expect("some passes");
    let worst = stands.iter().max_by_key(by_wrong).expect("some passes");
    visit.counted("perceptron_best_wrong", best.0);
    visit.counted("perceptron_worst_wrong", worst.0);
    let plane = |caption: String, score: &dyn Fn([f32; 2]) -> f32| {
        View::plane(caption, &points, &labels, WIDTH, score)
    };
    visit.show(vec![
        plane(format!("perceptron at best: {}", best.0), &|place| {
            best.1.score(&place)
        }),
        plane(format!("at worst: {}", worst.0), &|place| {
            worst.1.score(&place)
        }),
        plane(format!("ADALINE: {wrong}"), &|place| score(&adaline, place)),
    ]);
    visit.key("behind each name: how many points are on the wrong side");
    visit.say(format!(
        "Two clouds of {POINTS} points that overlap: no line is without mistakes. The perceptron wanders for ever, with {} to {} \
         wrong after each of {PASSES} passes. ADALINE settles, with {wrong} wrong, and its weights are within {} of the exact \
         least squares.",
        best.0,
        worst.0,
        format::percent(error),
    ));
    xor(visit)
}

/// What it makes of XOR.
fn xor(visit: &mut Visit<'_>) -> Result<String> {
    let (x, y) = exclusive_or();
    let [x, y] = [x, y].map(|t: Tensor| t.to_dtype(Dtype::F64));
    let mut unit = Adaline::new(2);
    unit.fit(&x, &y, 2000, falling_rate, &mut visit.rng());
    let cases = x.to_vec::<f64>();
    let said = cases.chunks_exact(2).map(|case| unit.score(case).abs());
    let loudest = visit.measured("xor_loudest", said.fold(0.0, f64::max), Unit::Plain);
    Ok(format!(
        "It is still one line. Asked for XOR, where 1 or -1 is wanted, it ends by saying nearly nothing to all four cases \
         ({loudest:.4} or less in size): one line has no better answer.",
    ))
}

fn score(unit: &Adaline, [x, y]: [f32; 2]) -> f32 {
    unit.score(&[f64::from(x), f64::from(y)]) as f32
}
