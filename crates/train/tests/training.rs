//! What the trainer promises of a whole training.

use eras::nn::{Buffer, Module};
use eras::prelude::*;
use eras::train::{Callback, Checkpoints, Moment, NonFinite, Snapshot};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// 70 points of three classes: two full batches of 32 and a small one.
fn data() -> TensorDataset {
    let x = Tensor::randn([70, 4], &mut Rng::new(1));
    let class = |x: &[f32]| i64::from(x[0] > 0.0) + i64::from(x[1] > 0.5);
    let y: Vec<i64> = x.to_vec::<f32>().chunks(4).map(class).collect();
    TensorDataset::new(x, Tensor::from(y)).unwrap()
}

fn model() -> Sequential {
    let rng = &mut Rng::new(2);
    Sequential::new()
        .add(Dense::new(4, 16, rng).relu())
        .add(Dropout::new(0.2))
        .add(Dense::new(16, 3, rng))
}

fn trainer() -> Trainer {
    Trainer::new(Adam::new(0.01), cross_entropy)
        .batch_size(32)
        .epochs(3)
        .seed(5)
        .metric(Accuracy)
}

fn hash(model: &impl Module) -> String {
    eras::train::hash(&model.state())
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("eras-training-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// Asks for a stop after some steps.
struct StopAfter(u64, Arc<AtomicBool>);

impl Callback for StopAfter {
    fn step(&mut self, moment: &Moment<'_>) -> eras::Result<()> {
        if moment.step() == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Keeps what it was told of.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<String>>>);

impl Callback for Notices {
    fn notice(&mut self, text: &str) -> eras::Result<()> {
        self.0.lock().unwrap().push(text.to_owned());
        Ok(())
    }
}

/// All that a trainer can be told at once.
fn everything() -> Trainer {
    trainer()
        .accumulate(2)
        .schedule(Schedule::cosine(6, 0.1).warm_up(2))
        .clip_global_norm(1.0)
        .ema(0.9)
        .precision(Dtype::BF16)
        .augment(|batch, rng| Batch {
            x: &batch.x + &(Tensor::randn(batch.x.shape(), rng) * 0.1),
            ..batch
        })
        .reduce_on_plateau(eras::train::Plateau::new(Goal::smallest("loss")).patience(0))
}

#[test]
fn a_training_stopped_at_any_step_goes_on_to_the_same_bits() {
    let data = data();
    let mut undisturbed = model();
    let whole = everything().fit(&mut undisturbed, &data, &data).unwrap();
    for step in 1..6 {
        let folder = scratch(&format!("resume-{step}"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = everything()
            .callback(StopAfter(step, stop.clone()))
            .stop_when(stop)
            .callback(Checkpoints::new(&folder))
            .fit(&mut model(), &data, &data);
        assert!(stopped.unwrap_err().is_interrupted());
        let (snapshot, _) = Snapshot::load_latest(&folder).unwrap();
        assert_eq!(snapshot.step(), step);
        let mut resumed = model();
        let history = everything()
            .resume(&mut resumed, &data, &data, &snapshot)
            .unwrap();
        assert_eq!(hash(&resumed), hash(&undisturbed), "stopped after {step}");
        for (a, b) in history.epochs.iter().zip(&whole.epochs) {
            assert_eq!((&a.train, &a.valid, a.lr), (&b.train, &b.valid, b.lr));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn two_batches_of_a_step_are_one_large_batch() {
    let data = data();
    let train = |trainer: Trainer| {
        let mut model = Sequential::new().add(Dense::new(4, 3, &mut Rng::new(3)));
        let history = trainer.fit(&mut model, &data, &data).unwrap();
        (model, history)
    };
    let sgd = || Trainer::new(Sgd::new(0.1), cross_entropy).seed(5).epochs(2);
    let (large, one) = train(sgd().batch_size(64));
    let (small, two) = train(sgd().batch_size(32).accumulate(2));
    let apart = large
        .state()
        .iter()
        .zip(&small.state())
        .map(|((_, a), (_, b))| (a - b).abs().amax(..).item())
        .fold(0.0, f64::max);
    assert!(apart < 1e-6, "{apart}");
    let losses = (one.epochs[1].train.loss, two.epochs[1].train.loss);
    assert!((losses.0 - losses.1).abs() < 1e-6, "{losses:?}");
}

#[test]
fn the_model_ends_as_the_mean_of_its_weights() {
    let data = data();
    let folder = scratch("swa");
    // After epochs 2 and 3: the mean of two.
    let mut averaged = model();
    trainer()
        .swa(2)
        .callback(Checkpoints::new(&folder))
        .fit(&mut averaged, &data, &data)
        .unwrap();
    let after = |epochs: usize| {
        let mut model = model();
        trainer()
            .epochs(epochs)
            .fit(&mut model, &data, &data)
            .unwrap();
        model.state()
    };
    for (((_, mean), (_, a)), (name, b)) in averaged.state().iter().zip(after(2)).zip(after(3)) {
        let apart = (mean - (&a + &b) * 0.5).abs().amax(..).item();
        assert!(apart < 1e-6, "{name}: {apart}");
    }
    // What is saved are the last weights, to go on, and their mean, to be used.
    let (snapshot, _) = Snapshot::load_latest(&folder).unwrap();
    assert_eq!(eras::train::hash(&snapshot.weights()), hash(&averaged));
    assert_ne!(eras::train::hash(snapshot.model()), hash(&averaged));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A layer that gives NaN in one step of the training, and then has NaN in its buffer.
#[derive(Debug, Module)]
struct Fails {
    last: Buffer,
    fc: Dense,
    #[module(skip)]
    left: AtomicU64,
}

impl Layer for Fails {
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let y = self.fc.apply(x, mode);
        if !mode.is_training() {
            return y;
        }
        let fails = self.left.fetch_sub(1, Ordering::Relaxed) == 1;
        let y = if fails { y * f64::NAN } else { y };
        self.last.set(&y.detach().sum(..).reshape([1]));
        y
    }
}

fn fails(at: u64) -> Sequential {
    let rng = &mut Rng::new(2);
    Sequential::new()
        .add(Dense::new(4, 8, rng).relu())
        .add(Fails {
            last: Buffer::new(&Tensor::from([0.0f32])),
            fc: Dense::new(8, 3, rng),
            left: AtomicU64::new(at),
        })
}

#[test]
fn a_step_without_numbers_is_named_skipped_and_leaves_no_trace() {
    let data = data();
    let notices = Notices::default();
    let mut model = fails(4);
    trainer()
        .non_finite(NonFinite::Skip)
        .callback(notices.clone())
        .fit(&mut model, &data, &data)
        .unwrap();
    let notices = notices.0.lock().unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(
        notices[0].starts_with("step 4 (epoch 2): the loss is NaN"),
        "{}",
        notices[0]
    );
    assert!(
        notices[0].ends_with("; the step was skipped"),
        "{}",
        notices[0]
    );
    for (name, w) in model.state() {
        assert!(w.is_finite().all(..).item() == 1.0, "{name}");
    }
}

#[test]
fn weights_go_back_to_the_beginning_of_the_epoch_and_the_rate_goes_down() {
    let data = data();
    let notices = Notices::default();
    let mut model = fails(5);
    let history = trainer()
        .non_finite(NonFinite::RollBack { lr_scale: 0.5 })
        .callback(notices.clone())
        .fit(&mut model, &data, &data)
        .unwrap();
    let notices = notices.0.lock().unwrap();
    assert!(
        notices[0]
            .ends_with("the weights went back to step 3, the learning rate is multiplied by 0.5"),
        "{notices:?}"
    );
    let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.lr).collect();
    assert_eq!(rates, [0.01, 0.005, 0.005]);
}

#[test]
fn a_divergence_names_the_layer_that_made_the_first_nan() {
    let data = data();
    let error = |model: &mut Sequential| {
        let error = trainer().fit(model, &data, &data).unwrap_err();
        assert!(error.is_diverged(), "{error}");
        error.to_string()
    };
    let mut broken = model();
    broken.for_each_param_mut(&mut |name, w| {
        if name == "2.bias" {
            w.set(&Tensor::from([0.0f32, f32::INFINITY, 0.0]));
        }
    });
    let message = error(&mut broken);
    assert!(
        message.starts_with(
            "step 1 (epoch 1): the loss is NaN: the first result that is no number is that of `2` (Dense)"
        ) || message.starts_with(
            "step 1 (epoch 1): the loss is inf: the first result that is no number is that of `2` (Dense)"
        ),
        "{message}"
    );

    let spoiled = trainer().augment(|batch, _| Batch {
        x: batch.x * f64::NAN,
        ..batch
    });
    let message = spoiled
        .fit(&mut model(), &data, &data)
        .unwrap_err()
        .to_string();
    assert!(message.contains("the batch itself holds NaN"), "{message}");

    // The loss is a number, its gradient is not: √0.
    let root = Trainer::new(Sgd::new(0.1), |y: &Tensor, _: &Tensor| {
        (y * 0.0).sum(..).sqrt()
    });
    let message = root
        .fit(&mut model(), &data, &data)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with(
            "step 1 (epoch 1): the loss is 0, but the gradient of `2.bias` is no number"
        ),
        "{message}"
    );
}

#[test]
fn a_training_that_cannot_recover_ends() {
    let data = data();
    let never = Trainer::new(Sgd::new(0.1), |y: &Tensor, _: &Tensor| {
        (y * f64::NAN).sum(..)
    })
    .batch_size(1)
    .epochs(2);
    let message = never
        .non_finite(NonFinite::Skip)
        .fit(&mut model(), &data, &data)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("100 steps in a row were skipped"),
        "{message}"
    );
}

#[test]
fn a_forecast_leaves_no_trace() {
    let data = data();
    let (mut plain, mut probed) = (model(), model());
    let before = hash(&probed);
    let forecast = everything().forecast(&mut probed, &data, &data).unwrap();
    assert_eq!(hash(&probed), before);
    // Three batches an epoch, two to a step.
    assert_eq!(
        (forecast.epochs, forecast.steps, forecast.all_steps()),
        (3, 2, 6)
    );
    assert!(forecast.seconds() > 0.0);
    everything().fit(&mut plain, &data, &data).unwrap();
    everything().fit(&mut probed, &data, &data).unwrap();
    assert_eq!(hash(&plain), hash(&probed));
}

#[test]
fn a_search_for_a_learning_rate_leaves_the_model_as_it_was() {
    let (mut model, data) = (model(), data());
    let before = hash(&model);
    let found = Trainer::new(Sgd::new(1.0), cross_entropy)
        .batch_size(35)
        .find_lr(&mut model, &data, 1e-4..=1e3, 100)
        .unwrap();
    assert_eq!(hash(&model), before);
    // 70 samples are two batches: the search went on over many epochs, and ended where the loss exploded.
    assert!(
        (20..100).contains(&found.rates.len()),
        "{}",
        found.rates.len()
    );
    assert!((found.rates[0] - 1e-4).abs() < 1e-12);
    let ratio = found.rates[1] / found.rates[0];
    assert!((ratio - 1e7f64.powf(1.0 / 99.0)).abs() < 1e-9);
    let (steepest, lowest) = (found.steepest().unwrap(), found.lowest().unwrap());
    assert!(
        (0.01..10.0).contains(&steepest) && steepest <= lowest,
        "{steepest}, {lowest}"
    );
}

#[test]
fn mixed_batches_are_trained_on_and_measured() {
    let mixup = eras::data::Mixup::new(0.4, 3);
    let trainer = trainer()
        .epochs(10)
        .augment(move |batch, rng| mixup.apply(batch, rng));
    let history = trainer.fit(&mut model(), &data(), &data()).unwrap();
    let last = history.epochs.last().unwrap();
    assert!(last.train.accuracy() > 0.5 && last.valid.as_ref().unwrap().accuracy() > 0.6);
}

/// A set whose batches take their time.
struct Slow(TensorDataset);

impl Dataset for Slow {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn batch(&self, indices: &[usize]) -> eras::Result<eras::data::Batch> {
        std::thread::sleep(std::time::Duration::from_millis(5));
        self.0.batch(indices)
    }
}

#[test]
fn what_training_waited_for_data_is_counted_also_across_a_stop() {
    let folder = scratch("waiting");
    let stop = Arc::new(AtomicBool::new(false));
    let slow = || {
        trainer()
            .epochs(1)
            .augment(|batch, _| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                batch
            })
            .callback(Checkpoints::new(&folder))
    };
    let stopped = slow().callback(StopAfter(2, stop.clone())).stop_when(stop);
    let error = stopped
        .fit(&mut model(), &Slow(data()), &data())
        .unwrap_err();
    assert!(error.is_interrupted());
    let (snapshot, _) = Snapshot::load_latest(&folder).unwrap();
    let history = slow()
        .resume(&mut model(), &Slow(data()), &data(), &snapshot)
        .unwrap();
    // Three batches, 5 ms to read and 5 ms to change each, of which two were before the stop.
    let epoch = &history.epochs[0];
    assert!((0.03..=epoch.seconds).contains(&epoch.waiting), "{epoch:?}");
    assert_eq!(history.waiting(), epoch.waiting / epoch.seconds);
    std::fs::remove_dir_all(folder).unwrap();
}
