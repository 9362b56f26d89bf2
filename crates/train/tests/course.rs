//! What a course of own steps promises, and objectives beside it.

use eras::nn::Module;
use eras::prelude::*;
use eras::train::{
    Callback, Checkpoints, Course, Forward, Learner, Moment, Objective, Parts, Score, Snapshot,
    Step,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn data() -> TensorDataset {
    let x = Tensor::randn([70, 4], &mut Rng::new(1));
    let y = x.narrow(1, 0, 1);
    TensorDataset::new(x, y).unwrap()
}

/// A critic and its opponent.
#[derive(Debug, Module)]
struct Both {
    first: Linear,
    second: Linear,
}

struct Duel {
    both: Both,
    adam: Adam,
    sgd: Sgd,
    /// Gives a second number that is none from this step on.
    spoiled: u64,
    steps: u64,
}

impl Duel {
    fn new() -> Self {
        let rng = &mut Rng::new(3);
        Self {
            both: Both {
                first: Linear::new(4, 1, rng),
                second: Linear::new(4, 1, rng),
            },
            adam: Adam::new(0.01),
            sgd: Sgd::new(0.01).momentum(0.9),
            spoiled: u64::MAX,
            steps: 0,
        }
    }
}

impl Learner for Duel {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["other"]
    }

    fn step(&mut self, batch: &Batch, mode: &Mode) -> Step {
        let noise = Tensor::randn(batch.x.shape(), &mut mode.rng());
        let loss = mse(&self.both.first.forward(&(&batch.x + noise)), &batch.y);
        self.adam.step(&mut self.both.first, &loss.backward());
        let other = mse(
            &self.both.second.forward(&batch.x),
            &self.both.first.forward(&batch.x).detach(),
        );
        self.sgd.step(&mut self.both.second, &other.backward());
        self.steps += 1;
        let other = if self.steps > self.spoiled {
            f64::NAN
        } else {
            other.item()
        };
        Step {
            loss: loss.item(),
            numbers: vec![other],
        }
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts {
            model: &mut self.both,
            optimizers: vec![("adam", &mut self.adam), ("sgd", &mut self.sgd)],
        }
    }

    fn score(&mut self) -> eras::Result<Option<Score>> {
        Ok(Some(Score {
            loss: self.both.second.weight.sqr().sum(..).item(),
            metrics: Vec::new(),
        }))
    }
}

fn hash(model: &impl Module) -> String {
    eras::train::hash(&model.state())
}

struct StopAfter(u64, Arc<AtomicBool>);

impl Callback for StopAfter {
    fn step(&mut self, moment: &Moment<'_>) -> eras::Result<()> {
        self.1.store(moment.step() == self.0, Ordering::Relaxed);
        Ok(())
    }
}

fn course() -> Course {
    Course::new().batch_size(16).epochs(4).seed(9)
}

#[test]
fn a_course_that_was_stopped_ends_with_the_same_bits() {
    let data = data();
    let mut undisturbed = Duel::new();
    let history = course().run(&mut undisturbed, &data, None).unwrap();
    // 70 samples are four batches of 16; what is left over is dropped.
    assert_eq!(history.epochs.len(), 4);
    assert!(history.series("loss")[3] < history.series("loss")[0]);
    assert!(history.series("other").iter().all(|x| x.is_finite()));
    let weight = undisturbed.both.second.weight.sqr().sum(..).item();
    assert_eq!(history.series("val_loss")[3], weight);

    for at in [3, 4, 9] {
        let name = format!("eras-course-{at}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let flag = Arc::new(AtomicBool::new(false));
        let stopped = course()
            .callback(Checkpoints::new(&folder))
            .callback(StopAfter(at, flag.clone()))
            .stop_when(flag)
            .run(&mut Duel::new(), &data, None);
        let error = stopped.unwrap_err();
        assert!(error.is_interrupted(), "{error}");
        let (snapshot, _) = Snapshot::load_latest(&folder).unwrap();
        assert_eq!(snapshot.step(), at);
        let mut resumed = Duel::new();
        let whole = course().run(&mut resumed, &data, Some(&snapshot)).unwrap();
        assert_eq!(hash(&resumed.both), hash(&undisturbed.both));
        assert_eq!(whole.series("other"), history.series("other"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_forecast_of_a_course_leaves_no_trace() {
    let data = data();
    let (mut plain, mut probed) = (Duel::new(), Duel::new());
    let forecast = course().forecast(&mut probed, &data).unwrap();
    assert_eq!(probed.steps, 4); // 70 samples have no more batches of 16
    assert_eq!(
        (forecast.epochs, forecast.steps, forecast.all_steps()),
        (4, 4, 16)
    );
    // Three passes forward, two of them back to weights alone, each of 16 x 4 products.
    assert_eq!(forecast.flops, 5 * 2 * 16 * 4);
    assert!(forecast.seconds() > 0.0);
    for duel in [&mut plain, &mut probed] {
        course().run(duel, &data, None).unwrap();
    }
    assert_eq!(hash(&probed.both), hash(&plain.both));

    // In the middle of a training too: the optimizers have learned something by then.
    for duel in [&mut plain, &mut probed] {
        course().seed(10).run(duel, &data, None).unwrap();
    }
    course().forecast(&mut probed, &data).unwrap();
    for duel in [&mut plain, &mut probed] {
        course().seed(11).run(duel, &data, None).unwrap();
    }
    assert_eq!(hash(&probed.both), hash(&plain.both));
    let error = course().batch_size(71).forecast(&mut probed, &data);
    assert!(error.unwrap_err().to_string().contains("70 samples"));
}

#[test]
fn a_number_that_is_none_ends_a_course_and_is_named() {
    let mut duel = Duel {
        spoiled: 5,
        ..Duel::new()
    };
    let error = course().run(&mut duel, &data(), None).unwrap_err();
    let wanted = "step 6 (epoch 2): `other` is NaN: the training has diverged; a smaller learning rate may help";
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_set_smaller_than_a_batch_is_refused() {
    let error = course()
        .batch_size(71)
        .run(&mut Duel::new(), &data(), None)
        .unwrap_err();
    let wanted = "the data set has 70 samples, wanted at least the 71 of a batch";
    assert_eq!(error.to_string(), wanted);
}

/// Gives back its input through noise.
struct Denoising;

impl Objective<Linear> for Denoising {
    fn numbers(&self) -> Vec<&'static str> {
        vec!["largest"]
    }

    fn forward(&self, model: &Linear, batch: &Batch, mode: &Mode) -> Forward {
        let noise = Tensor::randn(batch.x.shape(), &mut mode.rng());
        let output = model.forward(&(&batch.x + noise));
        Forward {
            loss: mse(&output, &batch.x),
            numbers: vec![output.amax(..).item()],
            output: Some(output),
        }
    }
}

fn denoiser() -> (Trainer, Linear) {
    let trainer = Trainer::for_objective(Adam::new(0.02))
        .batch_size(32)
        .epochs(3);
    (trainer, Linear::new(4, 4, &mut Rng::new(2)))
}

#[test]
fn an_objective_is_made_small_and_gone_on_with() {
    let data = data();
    let (trainer, mut undisturbed) = denoiser();
    let history = trainer
        .minimize(&Denoising, &mut undisturbed, &data, Some(&data))
        .unwrap();
    assert!(history.series("val_loss")[2] < history.series("val_loss")[0]);
    assert!(history.series("val_largest")[2] > 0.0);
    // What is drawn in evaluation is the same each time.
    let score = trainer.measure(&Denoising, &undisturbed, &data).unwrap();
    assert_eq!(score.loss, history.series("val_loss")[2]);

    let folder = std::env::temp_dir().join(format!("eras-objective-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (trainer, mut begun) = denoiser();
    let flag = Arc::new(AtomicBool::new(false));
    let stopped = trainer
        .callback(Checkpoints::new(&folder))
        .callback(StopAfter(4, flag.clone()))
        .stop_when(flag)
        .minimize(&Denoising, &mut begun, &data, Some(&data));
    assert!(stopped.unwrap_err().is_interrupted());
    let (snapshot, _) = Snapshot::load_latest(&folder).unwrap();
    let (trainer, mut resumed) = denoiser();
    trainer
        .minimize_on(&Denoising, &mut resumed, &data, Some(&data), &snapshot)
        .unwrap();
    assert_eq!(hash(&resumed), hash(&undisturbed));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
#[should_panic(expected = "Trainer: found no loss, wanted one")]
fn a_trainer_without_a_loss_does_not_fit() {
    let (trainer, mut model) = denoiser();
    let _refused = trainer.fit(&mut model, &data(), &data());
}
