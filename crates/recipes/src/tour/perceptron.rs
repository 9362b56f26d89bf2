//! 1958: a line is learned from mistakes; XOR is no line.

use super::visit::count;
use super::{Drawing, Stop, View, Visit};
use crate::perceptron::rosenblatt::{Problem, exclusive_or, followed};
use crate::promise::Unit;
use crate::recipe::Era;
use eras_data::{Dataset, Images};
use eras_models::perceptron::{Outcome, Perceptron};
use eras_report::format;
use eras_tensor::{Result, Tensor};

pub(super) static STOP: Stop = Stop {
    name: "perceptron",
    title: "The perceptron learns a line",
    era: Era::Perceptron,
    year: 1958,
    idea: "Frank Rosenblatt gave the neuron a teacher and a rule: where its answer is wrong, move the weights toward the sample, \
           or away from it. Where it is right, leave them alone.",
    next: "Units between input and output, that find features of their own; a rule to teach them became known in 1986. But \
           first, a better way to listen to errors: ADALINE (1960).",
    recipe: "perceptron",
    story: include_str!("../../stories/perceptron.md"),
    visit,
};

/// Characters of a picture, and of the smaller ones of XOR.
const WIDTH: usize = 24;
const SMALL: usize = 18;
/// Frames of a training that one can look on.
const FRAMES: usize = 25;
/// Passes over the digits.
const PASSES: usize = 3;

fn visit(visit: &mut Visit<'_>) -> Result<String> {
    line(visit)?;
    digits(visit)?;
    xor(visit)
}

/// Points that a line can separate.
fn line(visit: &mut Visit<'_>) -> Result<()> {
    let (problem, units, outcome) = Problem::hardest(&mut visit.rng());
    let points = Points::new(&problem.x, &problem.y);
    let last = units.len() - 1;
    for frame in 0..=FRAMES {
        let mistakes = frame * last / FRAMES;
        visit.play(|| {
            let drawing = points.drawing(&units[mistakes], WIDTH);
            vec![(after(mistakes), drawing)]
        })?;
    }
    let moments = [1, last / 2, last].map(|mistakes| {
        View::plane(after(mistakes), &points.x, &points.labels, WIDTH, |place| {
            units[mistakes].score(&place)
        })
    });
    visit.show(moments.to_vec());
    visit.key("x and o are the two classes, capitals are on the wrong side of the line");
    let mistakes = visit.counted("mistakes", last);
    let bound = visit.measured("bound", problem.bound(&units[last]), Unit::Plain);
    let rest = match outcome {
        Outcome::Converged { passes, .. } => {
            format!(
                "Then all {} points were right (pass {passes}).",
                points.labels.len()
            )
        }
        other => format!("It did not come to rest: {other:?}."),
    };
    visit.say(format!(
        "{} moved the line. {rest} Novikoff proved in 1962 that it always \
         ends if there is such a line: for these points after {} mistakes at most.",
        count(mistakes, "mistake"),
        format::count(bound.floor() as u64)
    ));
    Ok(())
}

/// Two digits that are told apart.
fn digits(visit: &mut Visit<'_>) -> Result<()> {
    const PAIR: [i64; 2] = [4, 9];
    let mnist = visit.digits()?;
    let (x, y) = pair(&mnist.train, PAIR)?;
    let mut unit = Perceptron::new(x.shape()[1]);
    let mut mistakes = 0;
    unit.fit(&x, &y, PASSES, |_| mistakes += 1);
    let (test_x, test_y) = pair(&mnist.test, PAIR)?;
    let wrong = unit.margins(&test_x, &test_y).wrong as f64;
    let right = 1.0 - wrong / test_y.len() as f64;
    let right = visit.measured("accuracy", right, Unit::Share);
    visit.counted("digit_mistakes", mistakes);
    let [one, other] = PAIR;
    let first = |class: i64| {
        let labels = mnist.test.labels().iter();
        let row = labels.zip(0..).find(|(label, _)| **label == class);
        let pixels = mnist.test.pixels(row.map_or(0, |(_, row)| row)).iter();
        let pixels: Vec<f32> = pixels.map(|byte| f32::from(*byte) / 255.0).collect();
        View::digit(format!("a {class}"), &pixels, WIDTH)
    };
    visit.show(vec![
        first(one),
        first(other),
        View::weights("the weights", unit.weight(), WIDTH),
    ]);
    visit.key(format!("shades speak for a {one}, strokes for a {other}"));
    visit.say(format!(
        "The same rule on {} written digits, {PASSES} passes: {} of {} others are read right.",
        format::count(y.len() as u64),
        format::percent(right),
        format::count(test_y.len() as u64),
    ));
    Ok(())
}

/// The digits of two classes with the answers 1 and -1.
fn pair(set: &Images, [yes, no]: [i64; 2]) -> Result<(Tensor, Tensor)> {
    let labels = set.labels().iter().enumerate();
    let rows = labels.filter(|(_, label)| [yes, no].contains(label));
    let (rows, labels): (Vec<usize>, Vec<i64>) = rows.unzip();
    let signs: Vec<i64> = labels
        .into_iter()
        .map(|label| if label == yes { 1 } else { -1 })
        .collect();
    Ok((set.batch(&rows)?.x, Tensor::from(signs)))
}

/// What no line can separate.
fn xor(visit: &mut Visit<'_>) -> Result<String> {
    let (x, y) = exclusive_or();
    let x = x * 2.0 - 1.0; // off is -1: all lines of the round go through the picture
    let (units, outcome) = followed(&x, &y);
    let points = Points::new(&x, &y);
    for (mistakes, unit) in units.iter().enumerate().take(FRAMES) {
        visit.play(|| {
            vec![(
                format!("XOR, {}", after(mistakes)),
                points.drawing(unit, WIDTH),
            )]
        })?;
    }
    let Outcome::Cycles {
        passes,
        period,
        mistakes: round,
    } = outcome
    else {
        return Ok(format!("XOR, which is no line, ended as {outcome:?}."));
    };
    // Of the last round, which ends where it began.
    let last = units.len() - 1;
    let moments = (1..=4).map(|part| last - round + part * round / 4);
    let views = moments.map(|mistakes| {
        View::plane(after(mistakes), &points.x, &points.labels, SMALL, |place| {
            units[mistakes].score(&place)
        })
    });
    visit.show(views.collect());
    visit.counted("xor_mistakes", last);
    visit.counted("xor_passes", passes);
    visit.counted("xor_period", period);
    let same = if units[last] == units[last - round] {
        "exactly what they had been"
    } else {
        "NOT what they had been"
    };
    Ok(format!(
        "XOR: is one of two on, but not both? After pass {passes} the weights were {same} {} before, in spite of {}: so all repeats \
         for ever. Proof that no line will ever do: both pairs of like points have the same middle, and it would have to lie on \
         both sides. Minsky and Papert (1969) proved how much else is out of reach.",
        count(period, "pass"),
        count(round, "mistake"),
    ))
}

/// Points as they are drawn.
struct Points {
    x: Vec<f32>,
    labels: Vec<bool>,
}

impl Points {
    fn new(x: &Tensor, y: &Tensor) -> Self {
        Self {
            x: x.to_vec(),
            labels: y.to_vec::<i64>().iter().map(|y| *y > 0).collect(),
        }
    }

    fn drawing(&self, unit: &Perceptron, columns: usize) -> Drawing {
        Drawing::plane(&self.x, &self.labels, columns, |place| unit.score(&place))
    }
}

fn after(mistakes: usize) -> String {
    format!("after {}", count(mistakes, "mistake"))
}
