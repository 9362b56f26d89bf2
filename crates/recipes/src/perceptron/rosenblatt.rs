//! The perceptron and ADALINE: a boundary that moves, Novikoff's bound, the wall of XOR, ten classes of digits, and least
//! squares (Rosenblatt 1958; Widrow & Hoff 1960; Novikoff 1962; Minsky & Papert 1969).

use crate::drawing;
use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Fingerprints};
use crate::settings::{self, to_table};
use eras_data::{Batch, Dataset, Images, Mnist, Search};
use eras_models::perceptron::{self as unit, Adaline, AveragedPerceptron, Perceptron};
use eras_report::{Picture, Section, Shown, Table, format};
use eras_tensor::{Error, Result, Rng, Tensor};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// `eras train perceptron`.
#[derive(Debug)]
pub struct PerceptronRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Passes over the digits.
    epochs: usize,
    /// Random separable problems on which Novikoff's bound is tried.
    problems: usize,
    /// Of all random problems.
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 3,
            problems: 1000,
            seed: 0,
        }
    }
}

impl Recipe for PerceptronRecipe {
    fn card(&self) -> Card {
        Card {
            name: "perceptron",
            title: "The perceptron and ADALINE: learning a line",
            era: Era::Perceptron,
            paper: "Rosenblatt 1958, The perceptron; Widrow & Hoff 1960, Adaptive switching circuits",
            data: "MNIST (embedded), and random problems",
            promise: "no more mistakes than Novikoff's bound on 1,000 problems; XOR cycles; digits at least 87% in 3 epochs; \
                      ADALINE within 0.1% of least squares",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let promise = |name, unit, bound| Promise { name, unit, bound };
        vec![
            promise("test_accuracy", Unit::Share, Bound::AtLeast(0.87)),
            promise("problems_within_bound", Unit::Share, Bound::AtLeast(1.0)),
            promise("xor_cycles", Unit::Share, Bound::AtLeast(1.0)),
            promise("adaline_error", Unit::Plain, Bound::AtMost(1e-3)),
        ]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        for (key, value) in [("epochs", settings.epochs), ("problems", settings.problems)] {
            if value == 0 {
                let message = format!("setting `{key}` is 0; it wants at least 1");
                return Err(Error::usage(message));
            }
        }
        let search = Search::given(config.data.as_deref());
        let digits = Mnist::find(&search)?;
        Ok(Box::new(Experiment {
            settings,
            train: digits.train.flat(),
            test: digits.test.flat(),
        }))
    }
}

struct Experiment {
    settings: Settings,
    train: Images,
    test: Images,
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints::of(&self.train, &self.test)
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        let rng = &mut Rng::new(self.settings.seed);
        let say = |text: &str| (job.say)(text);
        say("a boundary that moves ..");
        let moving = moving(rng);
        say("random separable problems ..");
        let (novikoff, within) = novikoff(self.settings.problems, rng);
        let (xor, cycles) = xor();
        say("ten classes of digits ..");
        let (digits, accuracy) = self.digits()?;
        let (adaline, error) = adaline(rng)?;
        let findings = Findings {
            measured: vec![
                Measured::new("test_accuracy", accuracy, Unit::Share),
                Measured::new("problems_within_bound", within, Unit::Share),
                Measured::new("xor_cycles", f64::from(u8::from(cycles)), Unit::Share),
                Measured::new("adaline_error", error, Unit::Plain),
            ],
            sections: vec![moving, novikoff, xor, digits, adaline],
        };
        let story = include_str!("../../stories/perceptron.md");
        experiment::finish(&PerceptronRecipe, story, job.run, findings, start)
    }
}

/// Samples with a separator between them: none is nearer to it than a random gap.
pub(crate) struct Problem {
    pub(crate) x: Tensor,
    pub(crate) y: Tensor,
    separator: Perceptron,
}

impl Problem {
    /// `n` samples of `d` inputs.
    fn separable(d: usize, n: usize, rng: &mut Rng) -> Self {
        let gap = 0.02 + 0.3 * rng.uniform();
        let mut normal = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<_>>();
        let (weight, bias) = (normal(d), normal(1)[0]);
        let length = (weight.iter().map(|w| w * w).sum::<f32>() + bias * bias).sqrt();
        let separator = Perceptron::with(weight, bias);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        while y.len() < n {
            let sample = normal(d);
            let margin = separator.score(&sample) / length;
            if f64::from(margin.abs()) > gap {
                x.extend(sample);
                y.push(if margin > 0.0 { 1_i64 } else { -1 });
            }
        }
        Self {
            x: Tensor::from_slice(&x, [n, d]),
            y: Tensor::from(y),
            separator,
        }
    }

    /// 60 points in the plane that a line can separate, the unit after each mistake (the first has made none), and how it
    /// ended. Of some problems it is the one that takes most mistakes: the others are over before there is anything to see.
    pub(crate) fn hardest(rng: &mut Rng) -> (Self, Vec<Perceptron>, unit::Outcome) {
        let tries = (0..20).map(|_| {
            let problem = Self::separable(2, 60, rng);
            let (units, outcome) = followed(&problem.x, &problem.y);
            (problem, units, outcome)
        });
        let hardest = tries.max_by_key(|(_, units, _)| units.len());
        hardest.expect("twenty problems")
    }

    /// Novikoff's bound on the mistakes. What was `learned` separates too; the better of both margins bounds more closely.
    pub(crate) fn bound(&self, learned: &Perceptron) -> f64 {
        let separators = [learned, &self.separator];
        let bounds = separators.map(|unit| unit.margins(&self.x, &self.y).most_mistakes());
        bounds.into_iter().flatten().fold(f64::INFINITY, f64::min)
    }
}

/// A unit of two inputs after each of its mistakes, the first before any; and how its training ended.
pub(crate) fn followed(x: &Tensor, y: &Tensor) -> (Vec<Perceptron>, unit::Outcome) {
    let mut units = vec![Perceptron::new(2)];
    let outcome = Perceptron::new(2).fit(x, y, PASSES, |mistake| {
        units.push(mistake.after.clone());
    });
    (units, outcome)
}

/// The most passes over a problem; a separable one needs fewer.
const PASSES: usize = 100_000;

fn moving(rng: &mut Rng) -> Section {
    /// Moments that are shown, the first and the last among them.
    const SHOWN: usize = 8;
    let (problem, boundaries, outcome) = Problem::hardest(rng);
    let last = boundaries.len() - 1;
    let shown = SHOWN.min(boundaries.len());
    let moments = (0..shown).map(|i| i * last / (shown - 1).max(1));
    let picture = |mistakes: usize| Shown {
        picture: plane(&problem.x, &problem.y, &boundaries[mistakes]),
        caption: format!("after {mistakes}"),
        detail: if mistakes == 1 { "mistake" } else { "mistakes" }.to_owned(),
    };
    Section::new("A boundary that moves")
        .note("Each mistake moves it; when none is left, it rests")
        .text(format!(
            "60 points that a line can separate. {}",
            told(outcome)
        ))
        .pictures(moments.map(picture).collect())
}

/// The share of random problems whose mistakes keep within the bound.
fn novikoff(problems: usize, rng: &mut Rng) -> (Section, f64) {
    let mut within = 0;
    // Problems by the share of the bound that they came to, in tenths.
    let mut tenths = [0u64; 10];
    let mut closest = 0.0_f64;
    for _ in 0..problems {
        let problem = Problem::separable(1 + rng.below(20), 2 + rng.below(99), rng);
        let mut unit = Perceptron::new(problem.x.shape()[1]);
        let outcome = unit.fit(&problem.x, &problem.y, PASSES, |_| ());
        let bound = problem.bound(&unit);
        if let unit::Outcome::Converged { mistakes, .. } = outcome {
            let share = mistakes as f64 / bound;
            within += usize::from(share <= 1.0);
            tenths[((share * 10.0) as usize).min(9)] += 1;
            closest = closest.max(share);
        }
    }
    let mut table = Table::new(["mistakes, as a share of the bound", "problems"]);
    for (tenth, count) in tenths.iter().enumerate() {
        let range = format!("{} to {}%", tenth * 10, tenth * 10 + 10);
        table = table.row([range, format::count(*count)]);
    }
    let section = Section::new("Novikoff's bound")
        .note("Mistakes ≤ (R/γ)²")
        .text(format!(
            "{} random problems of 1 to 20 inputs that a plane can separate. The closest came to {} of its bound.",
            format::count(problems as u64),
            format::percent(closest)
        ))
        .table(table);
    (section, within as f64 / problems as f64)
}

/// Whether XOR cycles, as it must.
fn xor() -> (Section, bool) {
    let (x, y) = exclusive_or();
    let (boundaries, outcome) = followed(&x, &y);
    let picture = |(mistakes, boundary): (usize, &Perceptron)| Shown {
        picture: plane(&x, &y, boundary),
        caption: format!("after {mistakes}"),
        detail: format!("w {:?}, b {}", boundary.weight(), boundary.bias()),
    };
    let section = Section::new("The wall: XOR")
        .note("Which of two is on, but not both")
        .text(
            "No line has (0, 1) and (1, 0) on one side and (0, 0) and (1, 1) on the other: the middle of both pairs is the \
             same point. The weights cannot grow without bound, and they are whole numbers; so they must come back to \
             where they were, and then all repeats for ever.",
        )
        .text(told(outcome))
        .pictures(boundaries.iter().enumerate().take(10).map(picture).collect());
    (section, matches!(outcome, unit::Outcome::Cycles { .. }))
}

/// Its four cases, with the answers -1 and 1.
pub(crate) fn exclusive_or() -> (Tensor, Tensor) {
    let x = Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    (x, Tensor::from([-1i64, 1, 1, -1]))
}

fn told(outcome: unit::Outcome) -> String {
    match outcome {
        unit::Outcome::Converged { passes, mistakes } => {
            format!("The rule made {mistakes} mistakes; pass {passes} was without one.")
        }
        unit::Outcome::Cycles {
            passes,
            period,
            mistakes,
        } => format!(
            "Passes until the weights were again what they had been: {passes}. Passes of such a round: {period}, with \
             {mistakes} mistakes each time."
        ),
        unit::Outcome::GaveUp { passes, .. } => {
            format!("It neither rested nor repeated itself in {passes} passes.")
        }
    }
}

impl Experiment {
    /// The test accuracy of ten perceptrons with averaged weights.
    fn digits(&self) -> Result<(Section, f64)> {
        let all = |set: &Images| set.batch(&(0..set.len()).collect::<Vec<_>>());
        let (train, test): (Batch, Batch) = (all(&self.train)?, all(&self.test)?);
        let classes = self.train.classes().len();
        let mut model = AveragedPerceptron::new(train.x.shape()[1], classes);
        let mut table = Table::new(["epoch", "mistakes", "test accuracy", "seconds"]);
        let mut accuracy = f64::NAN;
        for epoch in 1..=self.settings.epochs {
            let start = Instant::now();
            let mistakes = model.pass(&train.x, &train.y);
            let seconds = start.elapsed().as_secs_f64();
            accuracy = model.accuracy(&test.x, &test.y);
            table = table.row([
                epoch.to_string(),
                format::count(mistakes as u64),
                format::percent(accuracy),
                format!("{seconds:.2}"),
            ]);
        }
        let weights = model.average();
        let [_, height, width] = self.train.shape();
        let picture = |class: usize| Shown {
            picture: drawing::signed(&weights.select(0, class).to_vec(), [height, width]),
            caption: self.train.classes()[class].clone(),
            detail: String::new(),
        };
        let section = Section::new("Ten classes of digits")
            .note("Averaged weights (Freund & Schapire 1999)")
            .table(table)
            .text("The weights of each class: light pixels speak for it, dark ones against it.")
            .pictures((0..classes).map(picture).collect());
        Ok((section, accuracy))
    }
}

/// ADALINE beside exact least squares and the perceptron: its relative error.
fn adaline(rng: &mut Rng) -> Result<(Section, f64)> {
    let (x, y) = clouds(400, rng);
    let exact = unit::least_squares(&x, &y)?;
    let mut learned = Adaline::new(2);
    learned.fit(&x, &y, 1000, falling_rate, rng);
    let error = learned.relative_error(&exact);

    // The perceptron on the same points never rests: its mistakes at the end of each of the last passes.
    let (narrow, signs) = (
        x.to_dtype(eras_tensor::Dtype::F32),
        y.to_dtype(eras_tensor::Dtype::I64),
    );
    let mut perceptron = Perceptron::new(2);
    let mut wrong = Vec::new();
    for _ in 0..100 {
        perceptron.fit(&narrow, &signs, 1, |_| ());
        wrong.push(perceptron.margins(&narrow, &signs).wrong);
    }
    let mean = wrong.iter().sum::<usize>() as f64 / wrong.len() as f64;
    let numbers = |unit: &Adaline| {
        let mut numbers: Vec<String> = unit.weight().iter().map(|w| format!("{w:.5}")).collect();
        numbers.push(format!("{:.5}", unit.bias()));
        numbers
    };
    let row = |name: &str, unit: &Adaline| {
        let mut cells = vec![name.to_owned()];
        cells.extend(numbers(unit));
        cells.push(unit.wrong(&x, &y).to_string());
        cells
    };
    let table = Table::new(["", "w1", "w2", "b", "wrong of 400"])
        .row(row("ADALINE, a sample at a time", &learned))
        .row(row("least squares, exact", &exact))
        .row([
            "perceptron, mean of 100 passes",
            "",
            "",
            "",
            &format!("{mean:.1}"),
        ]);
    let section = Section::new("ADALINE")
        .note("The delta rule goes to the least squares")
        .text(format!(
            "Two clouds that overlap: no line is without mistakes. ADALINE settles (relative error {}), the perceptron \
             wanders.",
            format::significant(error)
        ))
        .table(table);
    Ok((section, error))
}

/// Two clouds of points in the plane, of the classes 1 and -1 in turn, that overlap: no line is without mistakes.
pub(crate) fn clouds(count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
    let label = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let x: Vec<f64> = (0..count)
        .flat_map(|i| [rng.normal() + label(i), rng.normal()])
        .collect();
    let y: Vec<f64> = (0..count).map(label).collect();
    (Tensor::from_slice(&x, [count, 2]), Tensor::from(y))
}

/// ADALINE's rate at step `t`.
pub(crate) fn falling_rate(t: usize) -> f64 {
    0.05 / (1.0 + t as f64 / 500.0)
}

/// The points, and the side that `unit` gives to each place.
fn plane(x: &Tensor, y: &Tensor, unit: &Perceptron) -> Picture {
    let labels: Vec<bool> = y.to_vec::<i64>().iter().map(|y| *y > 0).collect();
    drawing::plane(&x.to_vec::<f32>(), &labels, |place| unit.score(&place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_do_nothing_are_refused() {
        let mut config = Config::new("perceptron", PerceptronRecipe.defaults(), 1);
        config.settings.insert("problems".into(), 0.into());
        let error = PerceptronRecipe.prepare(&config).err().expect("refused");
        assert_eq!(
            error.to_string(),
            "setting `problems` is 0; it wants at least 1"
        );
    }

    #[test]
    fn small_experiments_keep_their_promises() {
        let rng = &mut Rng::new(1);
        assert!((novikoff(20, rng).1 - 1.0).abs() < 1e-12);
        assert!(xor().1);
        assert!(adaline(rng).unwrap().1 < 1e-3);
    }
}
