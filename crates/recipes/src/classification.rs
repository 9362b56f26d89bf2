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
use eras_nn::{Fitted, Layer, Mode, Summary, summary};
use eras_report::{
    Chart, Headline, Mistake, Picture, Report, Section, Series, Shown, Table, format,
};
use eras_tensor::{Dtype, Error, Result, Tensor, no_grad};
use eras_train::{Confusion, Goal, History, LrSearch, Metric, Score, Trainer};
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
    /// What of a picture speaks for a class, where the model can tell ([`eras_models::grad_cam`]): of samples and a class
    /// for each, maps `(B, h, w)`.
    pub(crate) explain: Option<Explain<M>>,
    pub(crate) trainer: Trainer,
    /// What the report shows of this network beside what it shows of all.
    pub(crate) sections: fn(&M, &Images) -> Result<Vec<Section>>,
    /// How often a checkpoint is saved within an epoch; 0 for never.
    pub(crate) checkpoint_steps: u64,
}

pub(crate) type Explain<M> = fn(&M, &Tensor, &[usize]) -> Tensor;

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
        check_last_batch(&summary, self.sets.train.len(), self.samples_per_step())?;
        let step = summary.step(self.samples_per_step(), self.trainer.optimizer());
        cost::check_memory(&step)?;
        let forecast = self
            .trainer
            .forecast(&mut self.model, &self.sets.train, &self.sets.test)?;
        Ok(Some(Estimate::of_passes(summary, step, forecast)))
    }

    fn train(self: Box<Self>, job: Job<'_>) -> Result<Outcome> {
        train(*self, job)
    }
}

/// Refuses batches of one picture where a norm would see but one value of each channel.
fn check_last_batch(summary: &Summary, pictures: usize, batch: usize) -> Result<()> {
    let is_alone = |output: &[usize]| output.iter().skip(1).product::<usize>() == 1;
    let mut norms = summary.rows.iter().filter(|row| row.kind == "BatchNorm");
    let last = match pictures % batch {
        0 => batch.min(pictures),
        rest => rest,
    };
    match norms.find(|row| is_alone(&row.output)) {
        Some(norm) if last == 1 => Err(Error::usage(format!(
            "setting `batch_size` is {batch}, which leaves one picture of {pictures} for a last batch: `{}` wants two at least, \
             since it sees one place of each; take another batch size, or larger pictures (`size`)",
            norm.path
        ))),
        _ => Ok(()),
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
    if !task.sets.unused.is_empty() {
        let names = task.sets.unused.join(", ");
        (job.say)(&format!(
            "not used were the folders beside the training and the test set: {names}"
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
    training::load(model, run)?;
    Ok(Evaluation {
        score: trainer.evaluate(model, &test.images)?,
        data_sha256: test.images.fingerprint(),
        data: test.name,
    })
}

/// What a run's model says of files, which `see` makes what the model sees of.
pub(crate) fn predict<M: Layer>(
    model: &mut M,
    run: &Run,
    files: &[&Path],
    classes: &[String],
    see: impl Fn(&Path) -> Result<Tensor>,
) -> Result<Vec<Result<Prediction>>> {
    training::load(model, run)?;
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
    // The promise is of the recipe's own data.
    let accuracy = Headline::new("test accuracy", format::percent(score.accuracy()));
    let accuracy = match task.sets.folders[..] {
        [] => accuracy.note(task.card.promise),
        _ => accuracy,
    };
    let mut page = Report::new(format!("{} on {}", task.card.name, task.sets.name))
        .lead(format!("{}. {}.", task.card.title, task.card.paper))
        .headline(accuracy)
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
    let judged = judged(test, &outputs);
    for mistake in mistakes(test, &task.sets.files, &judged) {
        page = page.mistake(mistake);
    }
    for section in (task.sections)(&task.model, test)? {
        page = page.section(section);
    }
    if let Some(explain) = task.explain {
        page = page.section(looked_at(&task.model, explain, test, &judged)?);
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
    if !task.sets.unused.is_empty() {
        page = page.environment("folders not used", task.sets.unused.join(", "));
    }
    let Config { weights, from, .. } = run.config();
    for (name, origin) in [("began with", weights), ("fine-tuned from", from)] {
        if let Some(Origin { file, .. }) = origin {
            page = page.environment(name, file.display().to_string());
        }
    }
    for (name, sha256) in run.config().data_sha256.named() {
        page = page.environment(name, sha256);
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

/// What a model said of one sample.
struct Judged {
    index: usize,
    /// The class that it took it for, and how sure it was.
    predicted: usize,
    probability: f64,
    loss: f64,
    is_right: bool,
}

/// All samples, the largest loss first.
fn judged(data: &Images, outputs: &Tensor) -> Vec<Judged> {
    let log_p = outputs.log_softmax(-1).to_vec::<f32>();
    let rows = log_p.chunks_exact(data.classes().len());
    let judge = |(index, (row, &label)): (usize, (&[f32], &i64))| {
        let predicted = (0..row.len())
            .reduce(|a, b| if row[b] > row[a] { b } else { a })
            .unwrap_or(0);
        Judged {
            index,
            predicted,
            probability: f64::from(row[predicted].exp()),
            loss: f64::from(-row[label as usize]),
            is_right: predicted == label as usize,
        }
    };
    let mut all: Vec<Judged> = rows.zip(data.labels()).enumerate().map(judge).collect();
    all.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.index.cmp(&b.index)));
    all
}

/// The samples with the largest loss among those classified wrong; `files` names those of a folder.
fn mistakes<'a>(
    data: &'a Images,
    files: &'a [String],
    judged: &'a [Judged],
) -> impl Iterator<Item = Mistake> + 'a {
    let wrong = judged.iter().filter(|sample| !sample.is_right);
    wrong.take(MISTAKES).map(|sample| Mistake {
        picture: picture(data, sample.index),
        truth: truth(data, sample.index).to_owned(),
        predicted: data.classes()[sample.predicted].clone(),
        probability: sample.probability,
        loss: sample.loss,
        file: files.get(sample.index).cloned().unwrap_or_default(),
    })
}

fn truth(data: &Images, index: usize) -> &str {
    &data.classes()[data.labels()[index] as usize]
}

/// What spoke for the class that was seen, in the worst mistakes and in the samples that were surest.
fn looked_at<M>(
    model: &M,
    explain: Explain<M>,
    data: &Images,
    judged: &[Judged],
) -> Result<Section> {
    const OF_EACH: usize = 12;
    let wrong = judged.iter().filter(|sample| !sample.is_right);
    let right = judged.iter().rev().filter(|sample| sample.is_right);
    let shown = |samples: Vec<&Judged>| -> Result<Vec<Shown>> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let indices: Vec<usize> = samples.iter().map(|sample| sample.index).collect();
        let classes: Vec<usize> = samples.iter().map(|sample| sample.predicted).collect();
        let maps = explain(model, &data.batch(&indices)?.x, &classes);
        let places = [maps.shape()[1], maps.shape()[2]];
        let maps = maps.to_vec::<f32>();
        let maps = maps.chunks_exact(places[0] * places[1]);
        let show = |(sample, map): (&&Judged, &[f32])| {
            let seen = &data.classes()[sample.predicted];
            Shown {
                picture: picture(data, sample.index).tinted(map, places),
                caption: match sample.is_right {
                    true => seen.clone(),
                    false => format!("{} \u{2192} {seen}", truth(data, sample.index)),
                },
                detail: format!("{} sure", format::percent(sample.probability)),
            }
        };
        Ok(samples.iter().zip(maps).map(show).collect())
    };
    Ok(Section::new("Where it looked")
        .note("Grad-CAM: orange is what spoke for the class that the model saw")
        .text("The worst mistakes:")
        .pictures(shown(wrong.take(OF_EACH).collect())?)
        .text("Those that it was surest of:")
        .pictures(shown(right.take(OF_EACH).collect())?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use eras_data::Mnist;
    use eras_models::deep_learning::LeNet;
    use eras_models::grad_cam;
    use eras_nn::{Adam, cross_entropy};
    use eras_tensor::Rng;

    /// Some digits, which LeNet has learned.
    fn learned() -> (LeNet, Images, Tensor) {
        let mnist = Mnist::load().unwrap();
        let (train, test) = (mnist.train.planes(), mnist.test.planes());
        let mut model = LeNet::new(10, &mut Rng::new(0));
        let trainer = Trainer::new(Adam::new(2e-3), cross_entropy).batch_size(32);
        trainer
            .fit(&mut model, &train.take(1500), &test.take(100))
            .unwrap();
        let outputs = trainer.predict(&model, &test).unwrap();
        (model, test, outputs)
    }

    #[test]
    fn mistakes_come_by_their_loss_and_what_was_looked_at_lies_on_the_digit() {
        let (model, test, outputs) = learned();
        let judged = judged(&test, &outputs);
        assert!(judged.is_sorted_by(|a, b| a.loss >= b.loss));
        let right = judged.iter().filter(|sample| sample.is_right).count();
        assert!((8000..9990).contains(&right), "{right}");
        let files: Vec<String> = (0..test.len()).map(|i| format!("{i}.png")).collect();
        let mistakes: Vec<Mistake> = mistakes(&test, &files, &judged).collect();
        assert_eq!(mistakes.len(), MISTAKES);
        let wrong = judged.iter().filter(|sample| !sample.is_right);
        for (mistake, sample) in mistakes.iter().zip(wrong) {
            assert_eq!(mistake.file, format!("{}.png", sample.index));
        }
        assert!(
            mistakes
                .iter()
                .all(|mistake| mistake.truth != mistake.predicted)
        );
        assert!(mistakes[0].loss >= mistakes[23].loss && mistakes[23].loss > 0.69);

        let section = looked_at(&model, grad_cam::<LeNet>, &test, &judged).unwrap();
        let page = Report::new("x").section(section).render();
        assert!(page.contains("Where it looked") && page.contains("% sure"));
        assert_eq!(page.matches("data:image/png").count(), 24);

        // Of what speaks for the class most lies near ink.
        let sure: Vec<&Judged> = judged.iter().rev().take(50).collect();
        let indices: Vec<usize> = sure.iter().map(|sample| sample.index).collect();
        let classes: Vec<usize> = sure.iter().map(|sample| sample.predicted).collect();
        let x = test.batch(&indices).unwrap().x;
        let maps = grad_cam(&model, &x, &classes).to_vec::<f32>();
        let (mut near, mut all) = (0.0, 0.0);
        for (map, &index) in maps.chunks_exact(100).zip(&indices) {
            let pixels = test.pixels(index);
            for (place, value) in map.iter().enumerate() {
                // A place of C3 sees 14 x 14 pixels; its middle is at 2 (row) + 4.5 and so for columns.
                let middle = [place / 10, place % 10].map(|at| 2 * at + 5);
                let inked = (0..784).any(|p: usize| {
                    let near = |at: usize, middle: usize| at.abs_diff(middle) <= 3;
                    pixels[p] > 128 && near(p / 28, middle[0]) && near(p % 28, middle[1])
                });
                all += value;
                near += if inked { *value } else { 0.0 };
            }
        }
        assert!(near > 0.8 * all, "{near} of {all}");
    }
}
