//! Hebb's rule on handwritten digits: how it runs away, how Oja's and Sanger's rules stay in bounds and find principal
//! components, and a memory made of outer products (Hebb 1949, Oja 1982, Sanger 1989).

use crate::experiment::{self, Findings};
use crate::promise::{Bound, Measured, Promise, Unit as Reading};
use crate::recipe::{Card, Era, Job, Outcome, Prepared, Recipe};
use crate::run::{Config, Fingerprints};
use crate::settings::{self, to_table};
use eras_data::{Dataset, Images, Mnist, Search};
use eras_models::first_light::{Associator, Hebbian, Rule, centered, principal_components};
use eras_nn::{Schedule, cosine_similarity};
use eras_report::{Chart, Picture, Scale, Section, Series, Shown, Table, format};
use eras_tensor::{Dtype, Error, Result, Rng, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// `eras train hebb`.
#[derive(Debug)]
pub struct HebbRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Of the first weights, the order of the digits and the directions that memories are stored under.
    seed: u64,
    /// The digits that are learned from: the first so many; 0 for all.
    samples: usize,
    /// Sanger's units.
    components: usize,
    batch_size: usize,
    /// How often Oja's unit goes through the digits, and Sanger's do.
    oja_epochs: usize,
    sanger_epochs: usize,
    /// The rate of the first step, from which it falls to that of the last along half a cosine.
    lr: f64,
    lr_end: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            samples: 0,
            components: 16,
            // Components 13 and 14 vary almost alike, and take many steps to tell apart: with batches of 500 the least cosine
            // of six seeds was 0.973, with these 0.9999.
            batch_size: 200,
            oja_epochs: 2,
            sanger_epochs: 40,
            lr: 0.1,
            lr_end: 0.001,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let positive = |rate: f64| rate.is_finite() && rate > 0.0;
        let components = format!("a number of units from 1 to {MAX_COMPONENTS}");
        let rules = [
            (
                (1..=MAX_COMPONENTS).contains(&self.components),
                "components",
                components.as_str(),
            ),
            (self.batch_size > 0, "batch_size", "at least one digit"),
            (self.oja_epochs > 0, "oja_epochs", "at least one epoch"),
            (
                self.sanger_epochs > 0,
                "sanger_epochs",
                "at least one epoch",
            ),
            (positive(self.lr), "lr", "a number above 0"),
            (
                positive(self.lr_end) && self.lr_end <= self.lr,
                "lr_end",
                "a number above 0 and at most `lr`",
            ),
        ];
        settings::want(&rules)
    }

    /// How many of `n` digits are learned from.
    fn samples_of(&self, n: usize) -> Result<usize> {
        if self.batch_size > n {
            return Err(Error::usage(format!(
                "setting `batch_size` is {}, but there are {n} digits",
                self.batch_size
            )));
        }
        let samples = if self.samples == 0 { n } else { self.samples };
        // Fewer digits than that fill no batch, or have not so many components.
        let least = self.batch_size.max(self.components + 1);
        if (least..=n).contains(&samples) {
            return Ok(samples);
        }
        Err(Error::usage(format!(
            "setting `samples` is {}, but wants 0 for all {n} digits, or from {least} of them (`batch_size` is {}, \
             `components` {})",
            self.samples, self.batch_size, self.components
        )))
    }
}

/// Pictures of more components than these would fill the page.
const MAX_COMPONENTS: usize = 64;
const SIDE: usize = 28;
/// By how many steps the length of Hebb's weights is followed: by then it has more digits than anybody reads.
const RUNAWAY: usize = 100;

impl Recipe for HebbRecipe {
    fn card(&self) -> Card {
        Card {
            name: "hebb",
            title: "Hebb's rule: learning without a teacher",
            era: Era::FirstLight,
            paper: "Hebb 1949, The Organization of Behavior; Oja 1982; Sanger 1989",
            data: "MNIST (embedded)",
            promise: "the principal components of 60,000 digits: the first by Oja's rule, cosine at least 0.99; 16 by \
                      Sanger's, at least 0.95 each",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        let least = |name, least| Promise {
            name,
            unit: Reading::Plain,
            bound: Bound::AtLeast(least),
        };
        vec![least("oja_cosine", 0.99), least("sanger_cosine", 0.95)]
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let settings: Settings = settings::read(&config.settings)?;
        settings.check()?;
        let digits = Mnist::find(&Search::given(config.data.as_deref()))?;
        let samples = settings.samples_of(digits.train.len())?;
        Ok(Box::new(Experiment {
            settings,
            samples,
            digits: digits.train,
        }))
    }
}

/// Settings that were checked, and the digits.
struct Experiment {
    settings: Settings,
    samples: usize,
    digits: Images,
}

impl Prepared for Experiment {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints {
            train: self.digits.fingerprint(),
            test: None,
        }
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        let start = Instant::now();
        let findings = self.findings(job.say, &job.stop)?;
        let story = include_str!("../../stories/hebb.md");
        experiment::finish(&HebbRecipe, story, job.run, findings, start)
    }
}

impl Experiment {
    fn findings(&self, say: &dyn Fn(&str), stop: &AtomicBool) -> Result<Findings> {
        let k = self.settings.components;
        let rows: Vec<usize> = (0..self.samples).collect();
        let x = centered(&self.digits.batch(&rows)?.x); // (N, 784)
        say("computing the exact principal components ..");
        let exact = Exact::of(&x, k);
        let runaway = self.runaway(&x, &exact);

        say("learning the first by Oja's rule ..");
        let mut oja = Vec::new();
        let first = exact.components.narrow(0, 0, 1);
        let unit = self.learn(&x, Rule::Oja, &exact, stop, &mut |step, unit| {
            oja.push((step as f64, unit.cosines(&first)[0]));
        })?;
        let oja_cosine = unit.cosines(&first)[0];

        say(&format!("learning {k} by Sanger's rule .."));
        let mut sanger = Vec::new();
        let in_epoch = self.samples / self.settings.batch_size;
        let units = self.learn(&x, Rule::Sanger, &exact, stop, &mut |step, units| {
            if step % in_epoch == 0 {
                sanger.push(units.cosines(&exact.components));
            }
        })?;
        let cosines = units.cosines(&exact.components);
        let number = |name, value| Measured::new(name, value, Reading::Plain);
        Ok(Findings {
            measured: vec![
                number("oja_cosine", oja_cosine),
                number("sanger_cosine", least(&cosines)),
            ],
            sections: vec![
                runaway,
                oja_section(oja, &unit, &exact, &x),
                sanger_section(&sanger, &units, &exact, &x),
                self.memory()?,
            ],
        })
    }

    /// Units that have learned from `x (N, 784)`: one by Oja's rule, or `components` by Sanger's. `watch` sees them
    /// before each step and after the last.
    fn learn(
        &self,
        x: &Tensor,
        rule: Rule,
        exact: &Exact,
        stop: &AtomicBool,
        watch: &mut dyn FnMut(usize, &Hebbian),
    ) -> Result<Hebbian> {
        let settings = &self.settings;
        let (k, epochs) = match rule {
            Rule::Sanger => (settings.components, settings.sanger_epochs),
            Rule::Hebb | Rule::Oja => (1, settings.oja_epochs),
        };
        let rng = &mut Rng::new(settings.seed);
        let mut units = Hebbian::new(SIDE * SIDE, k, rule, rng);
        let steps = (self.samples / settings.batch_size).saturating_mul(epochs);
        let schedule = Schedule::cosine(steps as u64, settings.lr_end / settings.lr);
        let mut order: Vec<i64> = (0..self.samples as i64).collect();
        let mut step = 0;
        watch(step, &units);
        for epoch in 1..=epochs {
            rng.shuffle(&mut order);
            for rows in order.chunks_exact(settings.batch_size) {
                let lr = settings.lr * schedule.factor(step as u64);
                units.step(&x.index_select(0, &Tensor::from(rows)), lr);
                step += 1;
                watch(step, &units);
            }
            if !length(&units.weight).is_finite() {
                return Err(Error::diverged(format!(
                    "the weights of {rule:?}'s rule are no numbers after epoch {epoch}: set `lr` well below {}, one over \
                     the digits' largest variance",
                    format::significant(1.0 / exact.variances[0])
                )));
            }
            if stop.load(Ordering::Relaxed) {
                let text = format!("stopped in {rule:?}'s rule after epoch {epoch}");
                return Err(Error::interrupted(text));
            }
        }
        Ok(units)
    }

    /// The length of a unit's weights by Hebb's rule and by Oja's, over the same steps.
    fn runaway(&self, x: &Tensor, exact: &Exact) -> Section {
        let Settings {
            seed,
            batch_size,
            lr,
            ..
        } = self.settings;
        let follow = |rule| {
            let unit = Hebbian::new(SIDE * SIDE, 1, rule, &mut Rng::new(seed));
            followed(unit, x, batch_size, RUNAWAY, lr)
        };
        let (hebb, unit) = follow(Rule::Hebb);
        let (oja, _) = follow(Rule::Oja);
        let last = hebb[RUNAWAY].1;
        let cosine = unit.cosines(&exact.components.narrow(0, 0, 1))[0];
        let chart = Chart::new("The length of a unit's weights")
            .x_label("step")
            .y_label("length")
            .y_scale(Scale::Log)
            .series(Series::new("Hebb's rule", hebb))
            .series(Series::new("Oja's rule", oja));
        Section::new("Hebb's rule runs away")
            .note("Each connection grows by the product of its two ends")
            .text(format!(
                "What a unit says makes its connections grow, and with them what it says next. Along the direction in which \
                 the digits vary most, each step multiplies its weights by about {}: after {RUNAWAY} steps they are {} long. \
                 Their direction is good (its cosine with the first principal component is {cosine:.4}); only their length \
                 knows no end. Oja's rule subtracts a little, in proportion to the square of what the unit says, and the \
                 length stays at 1.",
                format::significant(1.0 + lr * exact.variances[0]),
                format::significant(last),
            ))
            .chart(chart)
    }

    /// Ten digits, each with the digit that follows it, in two memories: stored under directions at right angles, and
    /// under the pictures themselves.
    fn memory(&self) -> Result<Section> {
        let classes = Mnist::CLASSES.len();
        let first = |class: usize| {
            let mut labels = self.digits.labels().iter();
            labels.position(|&label| label == class as i64)
        };
        let rows: Vec<usize> = (0..classes).filter_map(first).collect();
        let pictures = self.digits.batch(&rows)?.x; // (10, 784)
        let following: Vec<i64> = (0..classes as i64)
            .map(|class| (class + 1) % classes as i64)
            .collect();
        let wanted = pictures.index_select(0, &Tensor::from(following.as_slice()));
        let recalled = |keys: &Tensor| {
            let mut memory = Associator::new(keys.shape()[1], SIDE * SIDE);
            memory.store(keys, &wanted);
            let recalled = memory.recall(keys);
            let cosines: Vec<f64> = numbers(&cosine_similarity(&recalled, &wanted, -1));
            (recalled, cosines)
        };

        // The eigenvectors of a random matrix: at right angles, of length 1, and otherwise anything.
        let random = Tensor::randn([16, 16], &mut Rng::new(self.settings.seed));
        let (_, directions) = principal_components(&random, classes);
        let keys = &pictures / pictures.sqr().sum(-1).sqrt().unsqueeze(-1);
        let alike = numbers(&keys.matmul(&keys.t())); // (10, 10)
        let (exact, exact_cosines) = recalled(&directions);
        let (blurred, blurred_cosines) = recalled(&keys);

        let mut table = Table::new([
            "pair",
            "stored under a direction",
            "stored under the picture",
            "cosine of the picture with the nearest other",
        ]);
        let mut shown = Vec::new();
        for class in 0..classes {
            let row = &alike[class * classes..][..classes];
            let others = row.iter().enumerate().filter(|(other, _)| *other != class);
            let nearest = others.map(|(_, cosine)| *cosine).fold(0.0, f64::max);
            let caption = format!("{class} → {}", following[class]);
            table = table.row([
                caption.clone(),
                format!("{:.4}", exact_cosines[class]),
                format!("{:.4}", blurred_cosines[class]),
                format!("{nearest:.4}"),
            ]);
            let grey = |x: &Tensor| {
                let values = numbers(&x.select(0, class));
                let largest = largest(&values);
                picture(&values, |v| v / largest)
            };
            let grid = [&pictures, &wanted, &exact, &blurred].map(grey);
            shown.push(Shown {
                picture: Picture::grid(&grid, 2),
                caption,
                detail: String::new(),
            });
        }
        Ok(Section::new("A memory of outer products")
            .note("Ten digits, each with the one that follows it")
            .text(
                "A linear associator stores a pair by Hebb's rule, as the product of what is wanted with its key. It keeps all \
                 pairs in the same weights. Under keys at right angles, here directions drawn at random, each comes back as \
                 it was. Under the pictures themselves, which resemble each other, each brings the others with it in \
                 proportion to its cosine with theirs.",
            )
            .text(
                "In each picture, above: a digit and the one that follows; below: what came back under a direction, and \
                 what under the picture, scaled to white.",
            )
            .pictures(shown)
            .text("The cosine of what came back with what was wanted:")
            .table(table))
    }
}

/// Principal components as linear algebra finds them.
struct Exact {
    variances: Vec<f64>,
    /// `(K, 784)`
    components: Tensor,
    /// The variance of the digits in all directions.
    total: f64,
}

impl Exact {
    fn of(x: &Tensor, k: usize) -> Self {
        let (variances, components) = principal_components(x, k);
        let total = x.sqr().mean(0).sum(..).item();
        Self {
            variances,
            components,
            total,
        }
    }
}

fn oja_section(cosines: Vec<(f64, f64)>, unit: &Hebbian, exact: &Exact, x: &Tensor) -> Section {
    let chart = Chart::new("Oja's unit and the first principal component")
        .x_label("step")
        .y_label("absolute cosine")
        .series(Series::new("cosine", cosines));
    Section::new("Oja's unit finds the first principal component")
        .text(format!(
            "A single unit, told nothing, turns to the direction in which the digits vary most. Its weights end {} long, and \
             what it says has the variance {}; the largest there is, by linear algebra, is {}, which is {} of all.",
            format::significant(length(&unit.weight)),
            format::significant(variances(unit, x)[0]),
            format::significant(exact.variances[0]),
            format::percent(exact.variances[0] / exact.total),
        ))
        .chart(chart)
}

/// `epochs`: the cosine of each unit before the first epoch and after each.
fn sanger_section(epochs: &[Vec<f64>], units: &Hebbian, exact: &Exact, x: &Tensor) -> Section {
    let k = exact.variances.len();
    let mut chart = Chart::new("Sanger's units and their components")
        .x_label("epoch")
        .y_label("absolute cosine");
    // The first, the last and some between: the later, the slower.
    let followed = [0, k / 4, k / 2, k - 1];
    for (i, unit) in followed.into_iter().enumerate() {
        if followed[..i].contains(&unit) {
            continue;
        }
        let cosines = epochs.iter().enumerate();
        let points = cosines.map(|(epoch, cosines)| (epoch as f64, cosines[unit]));
        chart = chart.series(Series::new(format!("unit {}", unit + 1), points.collect()));
    }

    let (cosines, learned) = (units.cosines(&exact.components), variances(units, x));
    let share = |variance: f64| format::percent(variance / exact.total);
    let mut table = Table::new(["unit", "cosine", "its variance", "the component's"]);
    let mut shown = Vec::new();
    for unit in 0..k {
        let cosine = format!("{:.6}", cosines[unit]);
        table = table.row([
            (unit + 1).to_string(),
            cosine.clone(),
            share(learned[unit]),
            share(exact.variances[unit]),
        ]);
        let pictures = side_by_side(
            &exact.components.select(0, unit),
            &units.weight.select(0, unit),
        );
        let captions = [("exact", String::new()), ("learned", cosine)];
        for (picture, (kind, detail)) in pictures.into_iter().zip(captions) {
            shown.push(Shown {
                picture,
                caption: format!("{} {kind}", unit + 1),
                detail,
            });
        }
    }
    let table = table.foot([
        "least, sum".to_owned(),
        format!("{:.6}", least(&cosines)),
        share(learned.iter().sum()),
        share(exact.variances.iter().sum()),
    ]);
    Section::new("Sanger's units find the components in order")
        .note("Each learns from what those before it have left")
        .chart(chart)
        .text(
            "Mid grey is 0; under a learned component stands its cosine with the exact one. Whether a component or its negative is learned is \
             chance, so it is shown with the sign of the exact one.",
        )
        .pictures(shown)
        .text("Variances are shares of that of the digits in all directions.")
        .table(table)
}

/// The exact component, and the learned one with the same sign in the same scale.
fn side_by_side(exact: &Tensor, learned: &Tensor) -> [Picture; 2] {
    let [exact, learned] = [exact, learned].map(numbers);
    let product: f64 = exact.iter().zip(&learned).map(|(a, b)| a * b).sum();
    let largest = largest(&exact);
    [(exact, 1.0), (learned, product.signum())]
        .map(|(values, sign)| picture(&values, |v| 0.5 + 0.5 * sign * v / largest))
}

/// Values `(784)` as a picture; `grey` says how bright each is, from 0 to 1.
fn picture(values: &[f64], grey: impl Fn(f64) -> f64) -> Picture {
    let byte = |&v: &f64| (grey(v).clamp(0.0, 1.0) * 255.0).round() as u8;
    Picture::grey(SIDE, SIDE, values.iter().map(byte).collect())
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()))
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(Dtype::F64).to_vec()
}

/// The length of a unit's weights (by step) in so many steps on batches of `x (N, D)` in their order, and the unit after
/// them.
pub(crate) fn followed(
    mut unit: Hebbian,
    x: &Tensor,
    batch_size: usize,
    steps: usize,
    lr: f64,
) -> (Vec<(f64, f64)>, Hebbian) {
    let batches = x.shape()[0] / batch_size;
    let mut lengths = vec![(0.0, length(&unit.weight))];
    for step in 0..steps {
        let batch = x.narrow(0, step % batches * batch_size, batch_size);
        unit.step(&batch, lr);
        lengths.push(((step + 1) as f64, length(&unit.weight)));
    }
    (lengths, unit)
}

/// In f64: the squares of what Hebb's rule makes would leave f32 long before the weights do.
fn length(weight: &Tensor) -> f64 {
    weight.to_dtype(Dtype::F64).sqr().sum(..).sqrt().item()
}

/// The variance of what each unit says to centered `x (N, 784)`.
fn variances(units: &Hebbian, x: &Tensor) -> Vec<f64> {
    numbers(&units.forward(x).sqr().mean(0))
}

fn least(cosines: &[f64]) -> f64 {
    cosines.iter().copied().fold(1.0, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_report::Report;
    use toml::Value;

    fn prepared(changes: &[(&str, Value)]) -> Result<Box<dyn Prepared>> {
        let mut config = Config::new("hebb", HebbRecipe.defaults(), 1);
        for (key, value) in changes {
            config.settings.insert((*key).to_owned(), value.clone());
        }
        HebbRecipe.prepare(&config)
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let cases: [(&str, Value, &str); 9] = [
            ("components", 0.into(), "a number of units from 1 to 64"),
            ("components", 65.into(), "a number of units from 1 to 64"),
            ("batch_size", 0.into(), "at least one digit"),
            ("oja_epochs", 0.into(), "at least one epoch"),
            ("sanger_epochs", 0.into(), "at least one epoch"),
            ("lr", 0.0.into(), "a number above 0"),
            ("lr", f64::INFINITY.into(), "a number above 0"),
            ("lr_end", 0.0.into(), "a number above 0 and at most `lr`"),
            ("lr_end", 0.2.into(), "a number above 0 and at most `lr`"),
        ];
        for (key, value, wanted) in cases {
            let error = prepared(&[(key, value)]).err().expect("it is bad");
            assert!(error.is_usage());
            assert_eq!(error.to_string(), format!("setting `{key}` wants {wanted}"));
        }
    }

    #[test]
    fn too_few_or_too_many_samples_are_refused() {
        let range = "wants 0 for all 60000 digits, or from 200 of them (`batch_size` is 200, `components` 16)";
        for samples in [199, 60_001] {
            let error = prepared(&[("samples", samples.into())]).err();
            assert_eq!(
                error.expect("it is bad").to_string(),
                format!("setting `samples` is {samples}, but {range}")
            );
        }
        let few = [("samples", 16.into()), ("batch_size", 5.into())];
        let error = prepared(&few).err().expect("no 16 components");
        assert!(error.to_string().contains("or from 17 of them"), "{error}");
        let error = prepared(&[("batch_size", 60_001.into())]).err();
        assert_eq!(
            error.expect("it is bad").to_string(),
            "setting `batch_size` is 60001, but there are 60000 digits"
        );
    }

    fn small(lr: f64) -> Experiment {
        Experiment {
            settings: Settings {
                components: 2,
                batch_size: 20,
                oja_epochs: 5,
                sanger_epochs: 60,
                lr,
                ..Settings::default()
            },
            samples: 200,
            digits: Mnist::load().unwrap().train,
        }
    }

    #[test]
    fn a_small_run_finds_components_and_fills_its_page() {
        let running = AtomicBool::new(false);
        let findings = small(0.05).findings(&|_| (), &running).unwrap();
        for number in &findings.measured {
            assert!(number.value > 0.95 && number.value < 1.0001, "{number:?}");
        }
        let sections = findings.sections.into_iter();
        let page = sections.fold(Report::new("x"), Report::section).render();
        for heading in [
            "rule runs away",
            "unit finds the first principal component",
            "units find the components in order",
            "A memory of outer products",
        ] {
            assert!(page.contains(heading), "{heading}");
        }
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<img").count(), 2 * 2 + 10);
    }

    #[test]
    fn a_rate_too_large_is_said_and_a_stop_obeyed() {
        let run = |lr, stop| small(lr).findings(&|_| (), &AtomicBool::new(stop)).err();
        let diverged = run(1.0, false).expect("it diverges");
        assert!(diverged.is_diverged(), "{diverged}");
        assert!(diverged.to_string().contains("set `lr` well below 0.1"));
        assert!(run(0.05, true).expect("it stops").is_interrupted());
    }

    #[test]
    fn a_learned_component_is_shown_with_the_sign_of_the_exact_one() {
        let exact = Tensor::randn([SIDE * SIDE], &mut Rng::new(0));
        let [shown, learned] = side_by_side(&exact, &-&exact);
        assert_eq!(shown, learned);
        // Half of what is normal lies below 0, darker than mid grey.
        let dark = shown.pixels().iter().filter(|&&byte| byte < 128).count();
        assert!((300..500).contains(&dark), "{dark}");
    }
}
