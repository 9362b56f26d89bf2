//! What all classifiers of pictures have in common: training with checkpoints and logs, the report, evaluation and
//! prediction.

use crate::cost::{self, Estimate, Spent};
use crate::experiment::told;
use crate::machine;
use crate::pictures::{self, Sets, TestSet};
use crate::promise::{Measured, Unit};
use crate::recipe::{Card, Evaluation, Job, Outcome, Prediction, Prepared};
use crate::run::{Config, Fingerprints, Origin, Run};
use crate::training;
use eras_data::{Dataset, Images, Skipped};
use eras_nn::{Fitted, Layer, Mode, Module, Summary, summary};
use eras_report::{Chart, Headline, Mistake, Picture, Report, Section, Series, Table, format};
use eras_tensor::{Dtype, Error, Result, Tensor, no_grad};
use eras_train::{Confusion, Goal, History, LrSearch, Metric, Score, Snapshot, Trainer};
use std::path::Path;

/// A classifier to be trained or evaluated.
pub(crate) struct Task<M> {
    pub(crate) card: Card,
    /// What it was, why it mattered, where it stopped, what came next.
    pub(crate) story: &'static str,
    pub(crate) sets: Sets,
    /// How much each class counts, if not alike.
    pub(crate) weights: Option<Vec<f64>>,
    pub(crate) model: M,
    pub(crate) trainer: Trainer,
    /// What the report shows of this network beside what it shows of all.
    pub(crate) sections: fn(&M, &Images) -> Result<Vec<Section>>,
    /// How often a checkpoint is saved within an epoch; 0 for never.
    pub(crate) checkpoint_steps: u64,
}

impl<M> Task<M> {
    /// Samples of a step, as long as the training set has them.
    fn samples_per_step(&self) -> usize {
        self.trainer.samples_per_step().min(self.sets.train.len())
    }
}

/// How many of the worst mistakes the report shows.
const MISTAKES: usize = 24;

/// Refuses a training loop that would do nothing.
pub(crate) fn check_loop(epochs: usize, batch_size: usize) -> Result<()> {
    for (key, value) in [("epochs", epochs), ("batch_size", batch_size)] {
        if value == 0 {
            return Err(Error::usage(format!(
                "setting `{key}` is 0; it wants at least 1"
            )));
        }
    }
    Ok(())
}

/// The type that a setting `precision` names.
pub(crate) fn precision(name: &str) -> Result<Dtype> {
    match name {
        "f32" => Ok(Dtype::F32),
        "bf16" => Ok(Dtype::BF16),
        _ => Err(Error::usage(format!(
            "setting `precision` is `{name}`; it wants f32 or bf16"
        ))),
    }
}

impl<M: Layer> Prepared for Task<M> {
    fn data_sha256(&self) -> Fingerprints {
        Fingerprints {
            train: self.sets.train.fingerprint(),
            test: self.sets.test.fingerprint(),
        }
    }

    fn find_lr(&mut self) -> Result<LrSearch> {
        const STEPS: usize = 200;
        self.trainer
            .find_lr(&mut self.model, &self.sets.train, 1e-6..=10.0, STEPS)
    }

    fn begin_with(&mut self, weights: &[(String, Tensor)]) -> Result<()> {
        self.model.load_state(weights)
    }

    fn begin_from(&mut self, weights: &[(String, Tensor)]) -> Result<Fitted> {
        self.model.load_fitting(weights)
    }

    fn estimate(&mut self) -> Result<Option<Estimate>> {
        let summary = summary(&self.model, sample_shape(&self.sets.test)?);
        let step = summary.step(self.samples_per_step(), self.trainer.optimizer());
        cost::check_memory(&step)?;
        let forecast = self
            .trainer
            .forecast(&mut self.model, &self.sets.train, &self.sets.test)?;
        Ok(Some(Estimate {
            memory: cost::memory(&step),
            free: machine::free_memory(),
            summary,
            step,
            forecast,
        }))
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        train(*self, job)
    }
}

fn train<M: Layer>(mut task: Task<M>, mut job: Job<'_>) -> Result<Outcome> {
    let run = job.run;
    let best = Some(Goal::largest("val_accuracy"));
    let begun = training::begin(&mut job, best, task.checkpoint_steps)?;
    let mut trainer = task.trainer.stop_when(job.stop);
    for callback in begun.callbacks {
        trainer = trainer.boxed_callback(callback);
    }
    task.trainer = trainer;
    task.sets.answers().write(run)?;
    let Sets { train, test, .. } = &task.sets;
    let history = match &begun.snapshot {
        Some(snapshot) => task.trainer.resume(&mut task.model, train, test, snapshot),
        None => task.trainer.fit(&mut task.model, train, test),
    };
    let history = history.map_err(|error| training::how_to_go_on(error, run))?;
    let last = history.epochs.last().and_then(|epoch| epoch.valid.clone());
    let test = last.ok_or_else(|| Error::new("the training ended without an epoch"))?;
    let skipped = pictures::skipped(&task.sets.folders);
    if !skipped.is_empty() {
        let count = skipped.len();
        (job.say)(&format!(
            "{count} files were skipped, for they are not readable; the report names them"
        ));
    }
    let spent = begun.meter.stop(&history, flops(&task, &history)?);
    report(&task, run, &history, &test, &spent)?;
    let seconds = history.epochs.iter().map(|epoch| epoch.seconds).sum();
    let number = |name: &str, value, unit| Measured::new(format!("test_{name}"), value, unit);
    let mut measured = vec![number("loss", test.loss, Unit::Plain)];
    let shares = test.metrics.iter();
    measured.extend(shares.map(|(name, value)| number(name, *value, Unit::Share)));
    Ok(Outcome {
        measured,
        seconds,
        stopped: history.stopped,
    })
}

/// Loss and metrics of the run's latest checkpoint on `test`.
pub(crate) fn evaluate<M: Layer>(
    model: &mut M,
    trainer: &Trainer,
    run: &Run,
    test: TestSet,
) -> Result<Evaluation> {
    load(model, run)?;
    Ok(Evaluation {
        score: trainer.evaluate(model, &test.images)?,
        data_sha256: test.images.fingerprint(),
        data: test.name,
    })
}

/// Puts the weights of the run's latest checkpoint into `model`.
fn load(model: &mut dyn Module, run: &Run) -> Result<()> {
    let (snapshot, _) = Snapshot::load_latest(&run.checkpoints())?;
    model
        .load_state(&snapshot.weights())
        .map_err(|e| e.at(run.folder()))
}

/// What a run's model says of files, which `see` makes what the model sees of.
pub(crate) fn predict<M: Layer>(
    model: &mut M,
    run: &Run,
    files: &[&Path],
    classes: &[String],
    see: impl Fn(&Path) -> Result<Tensor>,
) -> Result<Vec<Result<Prediction>>> {
    load(model, run)?;
    model.fold_norms();
    let one = |file: &&Path| {
        let x = see(file)?;
        let p = no_grad(|| model.apply(&x, &Mode::eval()).softmax(-1)).to_vec::<f32>();
        let mut prediction: Prediction = classes
            .iter()
            .cloned()
            .zip(p.into_iter().map(f64::from))
            .collect();
        prediction.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(prediction)
    };
    Ok(files.iter().map(one).collect())
}

/// Floating point operations of the matrix products of all epochs, validation included.
fn flops<M: Layer>(task: &Task<M>, history: &History) -> Result<u64> {
    let Sets { train, test, .. } = &task.sets;
    let summary = summary(&task.model, sample_shape(test)?);
    let training = summary.step(train.len(), task.trainer.optimizer()).flops;
    Ok(history.epochs.len() as u64 * (training + summary.forward_flops(test.len())))
}

/// Writes the report and its pictures.
fn report<M: Layer>(
    task: &Task<M>,
    run: &Run,
    history: &History,
    score: &Score,
    spent: &Spent,
) -> Result<()> {
    let Sets { train, test, .. } = &task.sets;
    let outputs = task.trainer.predict(&task.model, test)?;
    let classes = test.classes();
    let matrix = {
        let mut totals = Vec::new();
        let labels = Tensor::from_slice(test.labels(), [test.len()]);
        Confusion.update(&mut totals, &outputs, &labels);
        Confusion::matrix(classes, &totals)
    };
    let curves = [
        ("loss.svg", chart(history, "Loss", "loss")),
        (
            "accuracy.svg",
            chart(history, "Accuracy", "accuracy").y_percent(),
        ),
    ];
    for (name, chart) in &curves {
        run.write(name, chart.svg().as_bytes())?;
    }
    run.write("confusion.svg", matrix.svg().as_bytes())?;

    let seconds: f64 = history.epochs.iter().map(|epoch| epoch.seconds).sum();
    let speed = history
        .epochs
        .iter()
        .map(|epoch| epoch.samples_per_second)
        .fold(0.0, f64::max);
    let summary = summary(&task.model, sample_shape(test)?);
    let skipped = pictures::skipped(&task.sets.folders);
    let mut page = Report::new(format!("{} on {}", task.card.name, task.sets.name))
        .lead(format!("{}. {}.", task.card.title, task.card.paper))
        .headline(
            Headline::new("test accuracy", format::percent(score.accuracy()))
                .note(task.card.promise),
        )
        .headline(Headline::new("test loss", format::significant(score.loss)))
        .headline(Headline::new(
            "parameters",
            format::count(summary.params as u64),
        ))
        .headline(
            Headline::new("training time", format::seconds(seconds))
                .note(format!("{} epochs", history.epochs.len())),
        )
        .headline(Headline::new(
            "fastest epoch",
            format!("{} samples/s", format::count(speed as u64)),
        ))
        .headline(training::waiting(history));
    for headline in spent.headlines() {
        page = page.headline(headline);
    }
    if let Some(bytes) = machine::peak_memory() {
        page = page.headline(Headline::new("peak memory", format::bytes(bytes)));
    }
    if !skipped.is_empty() {
        let count = format::count(skipped.len() as u64);
        page = page.headline(Headline::new("files skipped", count).note("they are not readable"));
    }
    page = page.section(told(task.story));
    for (_, chart) in curves {
        page = page.chart(chart);
    }
    page = page.confusion(matrix).summary(layers(&summary));
    for mistake in mistakes(test, &outputs) {
        page = page.mistake(mistake);
    }
    for section in (task.sections)(&task.model, test)? {
        page = page.section(section);
    }
    if let Some(weights) = &task.weights {
        page = page.section(weighed(classes, &task.sets.counts, weights));
    }
    if !skipped.is_empty() {
        page = page.section(left_out(&skipped));
    }
    page = page.command(format!("eras train {}/config.toml", run.folder().display()));
    for (key, value) in &run.config().settings {
        page = page.setting(key, value.to_string());
    }
    let hash = eras_train::hash(&task.model.state());
    for (name, value) in machine::describe(run.config().threads) {
        page = page.environment(name, value);
    }
    page = page.environment(
        "data set",
        format!(
            "{}: {} + {} samples",
            task.sets.name,
            train.len(),
            test.len()
        ),
    );
    let Config { weights, from, .. } = run.config();
    for (name, origin) in [("began with", weights), ("fine-tuned from", from)] {
        if let Some(Origin { file, .. }) = origin {
            page = page.environment(name, file.display().to_string());
        }
    }
    let Fingerprints { train, test } = &run.config().data_sha256;
    for (set, sha256) in [("training", train), ("test", test)] {
        if let Some(sha256) = sha256 {
            page = page.environment(format!("SHA-256 of the {set} set"), sha256);
        }
    }
    page = page
        .environment("SHA-256 of the weights", hash)
        .footer(format!("Made by eras {}.", run.config().version));
    run.write("report.html", page.render().as_bytes())
}

/// How much each class counts.
fn weighed(classes: &[String], counts: &[usize], weights: &[f64]) -> Section {
    let table = Table::new(["class", "training pictures", "weight"]);
    let rows = classes.iter().zip(counts).zip(weights);
    let table = rows.fold(table, |table, ((class, count), weight)| {
        let (count, weight) = (format::count(*count as u64), format!("{weight:.2}"));
        table.row([class.as_str(), &count, &weight])
    });
    Section::new("Weights of classes")
        .note("Classes of unequal size count alike in the loss")
        .table(table)
}

/// Files that were no readable pictures.
fn left_out(skipped: &[Skipped]) -> Section {
    const SHOWN: usize = 100;
    let table = Table::new(["what is wrong with it"]);
    let shown = skipped.iter().take(SHOWN);
    let table = shown.fold(table, |table, file| table.row([file.reason.as_str()]));
    let section = Section::new("Files that were skipped").table(table);
    match skipped.len().saturating_sub(SHOWN) {
        0 => section,
        more => section.text(format!("And {} more.", format::count(more as u64))),
    }
}

/// A number of the training and the validation set by epoch.
fn chart(history: &History, title: &str, name: &str) -> Chart {
    Chart::new(title)
        .x_label("epoch")
        .series(Series::by_epoch("training", &history.series(name)))
        .series(Series::by_epoch(
            "test",
            &history.series(&format!("val_{name}")),
        ))
}

/// The shape of one sample, as the model sees it.
fn sample_shape(data: &Images) -> Result<Vec<usize>> {
    Ok(data.batch(&[0])?.x.shape()[1..].to_vec())
}

/// The layers, with what they make, hold and compute for one sample.
fn layers(summary: &Summary) -> Table {
    let mut table = Table::new(["layer", "kind", "output", "parameters", "FLOPs"]);
    for row in &summary.rows {
        let (params, flops) = (
            format::count(row.params as u64),
            format::scaled(row.flops, ""),
        );
        let output = format!("{:?}", row.output);
        table = table.row([row.path.as_str(), row.kind, &output, &params, &flops]);
    }
    let (params, flops) = (
        format::count(summary.params as u64),
        format::scaled(summary.forward_flops(1), ""),
    );
    table.foot(["all", "", "", &params, &flops])
}

/// The samples with the largest loss among those classified wrong.
fn mistakes(data: &Images, outputs: &Tensor) -> Vec<Mistake> {
    let log_p = outputs.log_softmax(-1).to_vec::<f32>();
    let classes = data.classes();
    let mut wrong: Vec<(f32, usize, usize)> = Vec::new();
    for (i, (row, &label)) in log_p
        .chunks_exact(classes.len())
        .zip(data.labels())
        .enumerate()
    {
        let best = (0..row.len())
            .reduce(|a, b| if row[b] > row[a] { b } else { a })
            .unwrap_or(0);
        if best != label as usize {
            wrong.push((-row[label as usize], i, best));
        }
    }
    wrong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mistake = |&(loss, i, predicted): &(f32, usize, usize)| Mistake {
        picture: picture(data, i),
        truth: classes[data.labels()[i] as usize].clone(),
        predicted: classes[predicted].clone(),
        probability: f64::from(log_p[i * classes.len() + predicted].exp()),
        loss: f64::from(loss),
    };
    wrong.iter().take(MISTAKES).map(mistake).collect()
}

/// Sample `i` as a picture.
pub(crate) fn picture(data: &Images, i: usize) -> Picture {
    let [channels, height, width] = data.shape();
    let pixels = data.pixels(i);
    if channels == 1 {
        return Picture::grey(width, height, pixels.to_vec());
    }
    // One plane a channel becomes one triple a pixel.
    let plane = height * width;
    Picture::rgb(
        width,
        height,
        (0..plane)
            .flat_map(|p| (0..3).map(move |c| pixels[c * plane + p]))
            .collect(),
    )
}
