//! How good made pictures are, by numbers: a LeNet-5 that has learned to read the real ones looks at them.

use eras_data::{Dataset, Images};
use eras_models::deep_learning::LeNet;
use eras_models::deep_learning::frechet::Gaussian;
use eras_nn::{Adam, cross_entropy};
use eras_report::{Section, Table, format};
use eras_tensor::{Dtype, Result, Rng, Tensor, no_grad};
use eras_train::Trainer;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Knows the real pictures.
#[derive(Debug)]
pub(crate) struct Judge {
    lenet: LeNet,
    classes: Vec<String>,
    /// Of LeNet, on the test set.
    accuracy: f64,
    /// The features of the training set.
    real: Gaussian,
    /// How far two training pictures of each class are apart ([`Scatter`]).
    scatter: Vec<f64>,
}

/// What a judge says of pictures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// How many there were.
    count: usize,
    /// Of each class, as LeNet sees them.
    pub(crate) shares: Vec<f64>,
    /// The mean probability of the class that LeNet sees.
    pub(crate) confidence: f64,
    /// To the training set, squared, in LeNet's features.
    pub(crate) frechet: f64,
    /// How far two pictures of each class are apart, as a part of that of the training set; NaN where there are not two.
    varieties: Vec<f64>,
}

/// Epochs for which LeNet learns: the judge has to be quick, and 98% is enough to see what a picture shows.
const EPOCHS: usize = 2;
/// Below this share a class counts as lost, and below this variety its pictures as all alike.
const LOST: f64 = 0.01;
const ALIKE: f64 = 0.5;
/// Pictures looked at together.
const CHUNK: usize = 500;

impl Judge {
    /// Trains LeNet, always in the same way: the same data has the same judge, to the bit.
    pub(crate) fn learn(train: &Images, test: &Images, stop: &Arc<AtomicBool>) -> Result<Self> {
        let (train, test) = (train.planes(), test.planes());
        let mut lenet = LeNet::new(train.classes().len(), &mut Rng::new(0));
        let trainer = Trainer::new(Adam::new(2e-3), cross_entropy)
            .batch_size(64)
            .epochs(EPOCHS)
            .metric(eras_train::Accuracy)
            .stop_when(stop.clone());
        let history = trainer.fit(&mut lenet, &train, &test)?;
        let accuracy = history.series("val_accuracy").pop().unwrap_or(f64::NAN);
        let classes = train.classes().to_vec();
        let (mut features, mut scatter) = (Vec::new(), Scatter::new(classes.len()));
        let all: Vec<usize> = (0..train.len()).collect();
        for chunk in all.chunks(CHUNK) {
            let x = train.batch(chunk)?.x;
            features.push(no_grad(|| lenet.features(&x)));
            let labels = chunk.iter().map(|&i| train.labels()[i]);
            scatter.add(&x, labels);
        }
        Ok(Self {
            real: Gaussian::of(&Tensor::concat(&features, 0)),
            scatter: scatter.apart(),
            lenet,
            classes,
            accuracy,
        })
    }

    /// Looks at pictures `(N, 1, 28, 28)` with values in [0, 1].
    pub(crate) fn judge(&self, pictures: &Tensor) -> Verdict {
        let count = pictures.shape()[0];
        let (mut features, mut scatter) = (Vec::new(), Scatter::new(self.classes.len()));
        let (mut shares, mut confidence) = (vec![0.0; self.classes.len()], 0.0);
        for start in (0..count).step_by(CHUNK) {
            let x = pictures.narrow(0, start, CHUNK.min(count - start));
            let (seen, p, f) = self.read(&x);
            for &class in &seen {
                shares[class as usize] += 1.0 / count as f64;
            }
            confidence += p.sum(..).item() / count as f64;
            scatter.add(&x, seen.into_iter());
            features.push(f);
        }
        let apart = scatter.apart();
        let varieties = apart.iter().zip(&self.scatter);
        Verdict {
            count,
            shares,
            confidence,
            frechet: Gaussian::of(&Tensor::concat(&features, 0)).frechet_distance(&self.real),
            varieties: varieties.map(|(made, real)| made / real).collect(),
        }
    }

    /// The class that LeNet sees in each of `x (B, 1, 28, 28)`, with its probability `(B)`, and the features `(B, F)`.
    pub(crate) fn read(&self, x: &Tensor) -> (Vec<i64>, Tensor, Tensor) {
        no_grad(|| {
            let features = self.lenet.features(x);
            let p = self.lenet.logits(&features).softmax(-1);
            (p.argmax(1).to_vec(), p.amax(1), features)
        })
    }

    /// The share of `pictures (N, 1, 28, 28)` that LeNet sees as the class that was asked for.
    pub(crate) fn as_asked_for(&self, pictures: &Tensor, asked: impl Fn(usize) -> i64) -> f64 {
        let count = pictures.shape()[0];
        let mut right = 0;
        for start in (0..count).step_by(CHUNK) {
            let (seen, ..) = self.read(&pictures.narrow(0, start, CHUNK.min(count - start)));
            right += (start..)
                .zip(seen)
                .filter(|&(i, class)| asked(i) == class)
                .count();
        }
        right as f64 / count as f64
    }

    /// What it says of the first `count` test pictures: as good as made ones could be.
    pub(crate) fn of_test(&self, test: &Images, count: usize) -> Result<Verdict> {
        let first: Vec<usize> = (0..count.min(test.len())).collect();
        Ok(self.judge(&test.planes().batch(&first)?.x))
    }

    /// What it says of so many pictures of noise, each pixel uniform: as bad as they could be.
    pub(crate) fn of_noise(&self, count: usize) -> Verdict {
        let shape = [count, 1, 28, 28];
        self.judge(&Tensor::uniform(shape, 0.0, 1.0, &mut Rng::new(1)))
    }

    /// Tells what was found of made pictures, beside what is found of real ones and of noise.
    pub(crate) fn section(&self, made: &Verdict, test: &Verdict, noise: &Verdict) -> Section {
        let mut table = Table::new([
            "pictures",
            "Fréchet distance",
            "confidence",
            "smallest class",
            "largest class",
            "variety",
        ]);
        for (name, verdict) in [("made", made), ("test set", test), ("noise", noise)] {
            table = table.row([
                name.to_owned(),
                format::significant(verdict.frechet),
                format::percent(verdict.confidence),
                format::percent(verdict.smallest()),
                format::percent(verdict.largest()),
                percent(verdict.variety()),
            ]);
        }
        let mut classes = Table::new(["class", "made", "test set", "variety of the made"]);
        for (i, class) in self.classes.iter().enumerate() {
            classes = classes.row([
                class.clone(),
                format::percent(made.shares[i]),
                format::percent(test.shares[i]),
                percent(made.varieties[i]),
            ]);
        }
        Section::new("Judged")
            .note("By a LeNet-5 that has learned the real pictures")
            .text(format!(
                "{} made pictures are read by a LeNet-5 that reads {} of the test set right after {EPOCHS} epochs. Its 84 \
                 features of the made and of the training pictures are each taken for a normal distribution; the Fréchet \
                 distance between these, squared, is |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½). Confidence is the mean probability \
                 of the class that LeNet sees. Variety is the mean squared distance, in pixels, of two pictures that LeNet \
                 puts into one class, as a part of that of two training pictures of one class.",
                format::count(made.count as u64),
                format::percent(self.accuracy),
            ))
            .table(table)
            .text(self.told_collapse(made))
            .table(classes)
    }

    /// Whether modes have collapsed, in words.
    pub(crate) fn told_collapse(&self, made: &Verdict) -> String {
        let found = made.collapse(&self.classes).map_or_else(
            || "No mode has collapsed by this measure.".to_owned(),
            |what| format!("Modes have collapsed: {what}."),
        );
        format!(
            "{found} They have where a class has less than {} of the pictures, or pictures of a class less than {} of the variety \
             of the real ones.",
            format::percent(LOST),
            format::percent(ALIKE),
        )
    }

    /// The names of the classes.
    pub(crate) fn classes(&self) -> &[String] {
        &self.classes
    }
}

fn percent(part: f64) -> String {
    if part.is_nan() {
        "–".to_owned()
    } else {
        format::percent(part)
    }
}

impl Verdict {
    /// The share of the class that is seen least.
    pub(crate) fn smallest(&self) -> f64 {
        self.shares.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The share of the class that is seen most.
    pub(crate) fn largest(&self) -> f64 {
        self.shares.iter().copied().fold(0.0, f64::max)
    }

    /// How far two pictures of a class are apart, as a part of that of the training set: the mean over the pictures.
    pub(crate) fn variety(&self) -> f64 {
        let known = self.varieties.iter().zip(&self.shares);
        let known = known.filter(|(variety, _)| variety.is_finite());
        let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), (variety, share)| {
            (sum + variety * share, weight + share)
        });
        sum / weight
    }

    /// What is missing, in words, if modes have collapsed.
    pub(crate) fn collapse(&self, classes: &[String]) -> Option<String> {
        let mut found = Vec::new();
        for (class, (&share, &variety)) in
            classes.iter().zip(self.shares.iter().zip(&self.varieties))
        {
            if share < LOST {
                let share = format::percent(share);
                found.push(format!("{share} of the pictures show {class}"));
            } else if variety < ALIKE {
                let variety = format::percent(variety);
                found.push(format!("those of {class} have {variety} of the variety"));
            }
        }
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// The mean squared distance of two pictures of each class, from sums alone: 2 (E|x|² − |E x|²) n / (n − 1).
struct Scatter {
    count: Vec<f64>,
    /// `(C, pixels)`
    sum: Vec<Vec<f64>>,
    squares: Vec<f64>,
}

impl Scatter {
    fn new(classes: usize) -> Self {
        Self {
            count: vec![0.0; classes],
            sum: vec![Vec::new(); classes],
            squares: vec![0.0; classes],
        }
    }

    /// Adds `x (B, ..)` of these classes.
    fn add(&mut self, x: &Tensor, classes: impl Iterator<Item = i64>) {
        let x = x.flatten(1, -1).to_dtype(Dtype::F32).contiguous();
        let pixels = x.shape()[1];
        for (picture, class) in x.as_slice::<f32>().chunks_exact(pixels).zip(classes) {
            let class = class as usize;
            self.count[class] += 1.0;
            let sum = &mut self.sum[class];
            sum.resize(pixels, 0.0);
            for (sum, &x) in sum.iter_mut().zip(picture) {
                *sum += f64::from(x);
                self.squares[class] += f64::from(x) * f64::from(x);
            }
        }
    }

    /// NaN for classes of fewer than two pictures.
    fn apart(&self) -> Vec<f64> {
        let each = self.count.iter().zip(&self.sum).zip(&self.squares);
        each.map(|((&n, sum), squares)| {
            let mean_squared: f64 = sum.iter().map(|sum| (sum / n).powi(2)).sum();
            if n < 2.0 {
                f64::NAN
            } else {
                2.0 * (squares / n - mean_squared) * n / (n - 1.0)
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_data::Mnist;

    fn judge() -> (Judge, Images) {
        let mnist = Mnist::load().expect("the embedded digits");
        let first = |images: &Images, n: usize| {
            let pixels: Vec<u8> = (0..n).flat_map(|i| images.pixels(i).to_vec()).collect();
            let labels = images.labels()[..n].to_vec();
            Images::new(pixels, [1, 28, 28], labels, &Mnist::CLASSES).expect("digits")
        };
        let (train, test) = (first(&mnist.train, 3000), first(&mnist.test, 1000));
        let judge = Judge::learn(&train, &test, &Arc::default()).expect("a judge");
        (judge, test)
    }

    #[test]
    fn real_digits_are_near_noise_is_far_and_a_lost_mode_is_named() {
        let (judge, test) = judge();
        assert!(judge.accuracy > 0.85, "{}", judge.accuracy);
        let real = judge.of_test(&test, 1000).expect("digits");
        let noise = judge.of_noise(500);
        assert!(
            real.frechet < noise.frechet / 10.0,
            "{} and {}",
            real.frechet,
            noise.frechet
        );
        assert!((0.8..1.2).contains(&real.variety()), "{}", real.variety());
        assert!(real.smallest() > 0.05 && real.largest() < 0.15);
        assert!((real.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(real.collapse(judge.classes()), None);

        // One digit, and nothing but a little noise around it.
        let all = test
            .planes()
            .batch(&(0..1000).collect::<Vec<_>>())
            .expect("digits")
            .x;
        let one = all.narrow(0, 0, 1);
        let alike =
            one.expand([200, 1, 28, 28]) + Tensor::randn([200, 1, 28, 28], &mut Rng::new(2)) * 0.01;
        let collapsed = judge.judge(&alike);
        let what = collapsed.collapse(judge.classes()).expect("a collapse");
        assert!(what.contains("0.00% of the pictures show 0"), "{what}");
        assert!(what.contains("of the variety"), "{what}");
        assert!(collapsed.frechet > 5.0 * real.frechet);
        let page = eras_report::Report::new("x").section(judge.section(&collapsed, &real, &noise));
        assert!(page.render().contains("Modes have collapsed"));
    }

    #[test]
    fn scatter_is_the_mean_squared_distance_of_pairs() {
        let x = Tensor::from([[0.0f32, 0.0], [3.0, 4.0], [0.0, 1.0], [9.0, 9.0]]);
        let mut scatter = Scatter::new(3);
        scatter.add(&x, [0, 0, 0, 1].into_iter());
        let apart = scatter.apart();
        // 25, 1 and 9 + 9.
        assert!((apart[0] - (25.0 + 1.0 + 18.0) / 3.0).abs() < 1e-12);
        assert!(apart[1].is_nan() && apart[2].is_nan());
    }
}
