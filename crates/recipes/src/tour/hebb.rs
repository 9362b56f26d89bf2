//! 1949: connections grow from use; without end, or into the direction in which digits vary most.

use super::{Drawing, Figure, Stop, View, Visit};
use crate::first_light::hebb::followed;
use crate::promise::Unit;
use crate::recipe::Era;
use crate::tour::sight::{SIDE, within};
use eras_data::{Dataset, Images};
use eras_models::first_light::{Hebbian, Rule, centered, principal_components};
use eras_nn::Schedule;
use eras_report::{Chart, Curve, Scale, Series, curves, format};
use eras_tensor::{Dtype, Result, Tensor};

pub(super) static STOP: Stop = Stop {
    name: "hebb",
    title: "Connections grow from use",
    era: Era::FirstLight,
    year: 1949,
    idea: "When one cell again and again helps to make another fire, the connection between them grows. Donald Hebb's sentence \
           became a rule: each weight grows by the product of what stands at its two ends. Nobody says what is right.",
    next: "Rosenblatt (1958): learn from mistakes.",
    recipe: "hebb",
    story: include_str!("../../stories/hebb.md"),
    visit,
};

/// Digits that are learned from, and those of a step.
const DIGITS: usize = 10_000;
const BATCH: usize = 200;
/// The rate of the first step, and of the last.
const LR: [f64; 2] = [0.1, 0.001];
const EPOCHS: usize = 4;
/// By how many steps Hebb's weights are followed.
const RUNAWAY: usize = 100;
/// The two classes that are hardest to tell apart.
const PAIR: [i64; 2] = [4, 9];

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    let digits = &visit.digits()?.train;
    let x = centered(&digits.batch(&(0..DIGITS).collect::<Vec<_>>())?.x); // (N, 784)
    runaway(visit, &x);

    let unit = oja(visit, &x)?;
    visit.doing("computing the first principal component ..")?;
    let (variances, exact) = principal_components(&x, 1);
    let cosine = visit.measured("oja_cosine", unit.cosines(&exact)[0], Unit::Plain);
    let total = x.sqr().mean(0).sum(..).item();
    let share = visit.measured("variance_share", variances[0] / total, Unit::Share);
    // A component has no sign: it is shown with that of what was learned.
    let sign = (&unit.weight * &exact).sum(..).item().signum();
    let first = Hebbian::new(SIDE * SIDE, 1, Rule::Oja, &mut visit.rng());
    visit.show(vec![
        View::weights("before", &first.weight.to_vec(), WIDTH),
        View::weights("learned by Oja's rule", &unit.weight.to_vec(), WIDTH),
        View::weights("exact", &(exact * sign).to_vec(), WIDTH),
    ]);
    visit.key("weights above 0 are shades, those below 0 strokes");
    visit.say(format!(
        "With Oja's little forgetting (1982) the length stays at 1, and the unit turns to the direction in which {} digits vary \
         most: the first principal component, {} of all variance. The cosine with the exact one is {cosine:.4}.",
        format::count(DIGITS as u64),
        format::percent(share),
    ));

    let right = visit.measured("pair_right", best_threshold(&unit, digits, &x), Unit::Share);
    let [a, b] = PAIR;
    Ok(format!(
        "The rule learns what is frequent, wanted or not. Asked to tell {a} from {b}, the unit is right in {} of all cases by \
         the best threshold there is; guessing is right in about half.",
        format::percent(right)
    ))
}

/// Characters of a picture of weights.
const WIDTH: usize = 24;

/// How Hebb's weights grow, and Oja's do not.
fn runaway(visit: &mut Visit<'_>, x: &Tensor) {
    let follow = |rule| {
        let unit = Hebbian::new(SIDE * SIDE, 1, rule, &mut visit.rng());
        followed(unit, x, BATCH, RUNAWAY, LR[0]).0
    };
    let (hebb, oja) = (follow(Rule::Hebb), follow(Rule::Oja));
    let logs = |lengths: &[(f64, f64)]| lengths.iter().map(|l| l.1.log10()).collect::<Vec<_>>();
    let length = |log: f64| format::significant(10f64.powf(log));
    let curve = |name, values| Curve {
        name,
        values,
        format: length,
    };
    let (hebb_logs, oja_logs) = (logs(&hebb), logs(&oja));
    let text = curves(&[curve("Hebb", &hebb_logs), curve("Oja", &oja_logs)], CURVE);
    let last = visit.measured("hebb_length", hebb[RUNAWAY].1, Unit::Plain);
    let kept = visit.measured("oja_length", oja[RUNAWAY].1, Unit::Plain);
    let chart = Chart::new("The length of a unit's weights")
        .x_label("step")
        .y_label("length")
        .y_scale(Scale::Log)
        .series(Series::new("Hebb's rule", hebb))
        .series(Series::new("Oja's rule", oja));
    visit.show(vec![View::new(
        format!("the length of the weights in {RUNAWAY} steps, each curve on a scale of its own"),
        Drawing::lines(text.lines()),
        Figure::Chart(chart),
    )]);
    visit.say(format!(
        "Hebb's rule alone runs away: after {RUNAWAY} steps its weights are {} long, by Oja's rule {}.",
        format::significant(last),
        format::significant(kept)
    ));
}

/// Characters of a curve.
const CURVE: usize = 44;

/// A unit that has learned by Oja's rule.
fn oja(visit: &mut Visit<'_>, x: &Tensor) -> Result<Hebbian> {
    let rng = &mut visit.rng();
    let mut unit = Hebbian::new(SIDE * SIDE, 1, Rule::Oja, rng);
    let steps = DIGITS / BATCH * EPOCHS;
    let schedule = Schedule::cosine(steps as u64, LR[1] / LR[0]);
    let mut order: Vec<i64> = (0..DIGITS as i64).collect();
    let mut step = 0_u64;
    for _ in 0..EPOCHS {
        rng.shuffle(&mut order);
        for rows in order.chunks_exact(BATCH) {
            let lr = LR[0] * schedule.factor(step);
            unit.step(&x.index_select(0, &Tensor::from(rows)), lr);
            step += 1;
            if step <= 15 || step.is_multiple_of(10) {
                visit.play(|| {
                    let drawing = Drawing::signed(&within(&unit.weight.to_vec()), WIDTH);
                    vec![(format!("Oja's unit after step {step} of {steps}"), drawing)]
                })?;
            }
        }
    }
    Ok(unit)
}

/// The share of the pair's digits that are told apart by what the unit says, at the best threshold, either way round.
fn best_threshold(unit: &Hebbian, digits: &Images, x: &Tensor) -> f64 {
    let said = unit.forward(x).to_dtype(Dtype::F64).to_vec::<f64>();
    let pair = said.into_iter().zip(digits.labels());
    let mut said: Vec<(f64, i64)> = pair
        .filter(|(_, label)| PAIR.contains(label))
        .map(|(said, label)| (said, *label))
        .collect();
    said.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = said.len();
    // Of a threshold below all, those are right that are of the second class.
    let mut right = said.iter().filter(|(_, label)| *label == PAIR[1]).count();
    let mut best = right.max(n - right);
    for (_, label) in said {
        if label == PAIR[0] {
            right += 1;
        } else {
            right -= 1;
        }
        best = best.max(right).max(n - right);
    }
    best as f64 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_tensor::Rng;

    #[test]
    fn the_best_threshold_is_found_either_way_round() {
        // What the unit says is the first of four pixels.
        let mut unit = Hebbian::new(4, 1, Rule::Oja, &mut Rng::new(0));
        unit.weight = Tensor::from([[1.0f32, 0.0, 0.0, 0.0]]);
        let told = |said: &[f32], labels: &[i64]| {
            let x: Vec<f32> = said.iter().flat_map(|s| [*s, 7.0, 7.0, 7.0]).collect();
            let classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
            let pixels = vec![0; 4 * labels.len()];
            let digits = Images::new(pixels, [1, 2, 2], labels.to_vec(), &classes).unwrap();
            best_threshold(&unit, &digits, &Tensor::from_slice(&x, [said.len(), 4]))
        };
        assert!((told(&[1.0, 2.0, 3.0, 4.0], &[4, 4, 9, 9]) - 1.0).abs() < 1e-12);
        assert!((told(&[1.0, 2.0, 3.0, 4.0], &[9, 9, 4, 4]) - 1.0).abs() < 1e-12);
        // Digits of other classes do not count; of four one stands on the wrong side.
        let said = [1.0, 2.0, 3.0, 4.0, 9.0];
        assert!((told(&said, &[4, 9, 4, 9, 0]) - 0.75).abs() < 1e-12);
        // All of one class: a threshold beside all is always right.
        assert!((told(&[1.0, 2.0], &[9, 9]) - 1.0).abs() < 1e-12);
    }
}
