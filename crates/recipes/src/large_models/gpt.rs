//! A GPT that is there already, of others or of a run, taught a text of one's own: all its weights, or low-rank adapters
//! beside them (Hu et al. 2021, arXiv:2106.09685).

use super::gpt_like::{GptLike, Next};
use super::samples::{self, Diary, LENGTH};
use super::texts::Texts;
use super::{TextModel, Writer, gpt_like, texts};
use crate::classification::{check_loop, precision};
use crate::experiment::Findings;
use crate::fine_tuning::FineTuning;
use crate::minimization::{Learned, Task};
use crate::promise::{Measured, Promise, Unit};
use crate::recipe::{Card, Era, Evaluation, Prediction, Prepared, Recipe};
use crate::run::{Config, Run};
use crate::settings::{self, to_table};
use crate::training;
use eras_data::Dataset;
use eras_formats::files;
use eras_models::large_models::{Gpt, GptConfig};
use eras_nn::{Lora, Module};
use eras_report::{Section, Table, format};
use eras_tensor::{Error, Result, Rng};
use eras_text::Tokenizer;
use eras_train::Trainer;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `eras train gpt --from FOLDER --data FILE`.
#[derive(Debug)]
pub struct GptRecipe;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    epochs: usize,
    batch_size: usize,
    /// Where there is no text of one's own: `tiny-shakespeare`, `moby-dick`, or `auto` for the first if it is at hand.
    text: String,
    /// Of the order of the windows, and of adapters.
    seed: u64,
    /// Tokens of a window: at most as many as the model sees at once.
    context: usize,
    /// After warming up; it falls to a tenth along a half cosine.
    lr: f64,
    /// The share of the steps in which it warms up.
    warm_up: f64,
    weight_decay: f64,
    /// What matrix products multiply in: `f32`, or `bf16` with sums and weights in `f32`.
    precision: String,
    /// Of the adapters; 0 to teach the weights themselves.
    rank: usize,
    /// How much the adapters count, times the rank.
    alpha: f64,
    /// The names of matrices that get adapters, with `*` for anything.
    adapt: String,
    #[serde(flatten)]
    fine_tuning: FineTuning,
    /// A checkpoint is saved after so many steps, beside the one after each epoch; 0 for none.
    checkpoint_steps: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 8,
            text: texts::AUTO.into(),
            seed: 0,
            context: 256,
            lr: 1e-4,
            warm_up: 0.05,
            weight_decay: 0.01,
            precision: "f32".into(),
            rank: 0,
            alpha: 16.0,
            adapt: "*.attention.*".into(),
            fine_tuning: FineTuning::default(),
            checkpoint_steps: 0,
        }
    }
}

impl Settings {
    fn of(config: &Config) -> Result<Self> {
        let settings: Self = settings::read(&config.settings)?;
        check_loop(settings.epochs, settings.batch_size)?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let rules = [
            (settings.context > 0, "context", "at least 1"),
            (positive(settings.lr), "lr", "a number above 0"),
            (
                (0.0..1.0).contains(&settings.warm_up),
                "warm_up",
                "a share from 0 to below 1",
            ),
            (
                settings.weight_decay.is_finite() && settings.weight_decay >= 0.0,
                "weight_decay",
                "a number from 0",
            ),
            (positive(settings.alpha), "alpha", "a number above 0"),
        ];
        settings::want(&rules)?;
        texts::check(&settings.text)?;
        precision(&settings.precision)?;
        if settings.rank > 0 && !settings.fine_tuning.is_empty() {
            return Err(Error::usage(
                "setting `freeze` is for a model that is taught whole: with a `rank` only adapters learn, where `adapt` says",
            ));
        }
        Ok(settings)
    }

    fn adapters(&self, gpt: Gpt) -> Result<Lora<Gpt>> {
        let (rank, rng) = (self.rank, &mut Rng::new(self.seed));
        Lora::new(gpt, &self.adapt, rank, self.alpha, rng)
            .map_err(|e| Error::usage(format!("settings `rank` and `adapt`: {e}")))
    }

    fn trainer(&self, windows: usize) -> Result<Trainer> {
        let all = (self.epochs * windows.div_ceil(self.batch_size)) as u64;
        let warm_up = (self.warm_up * all as f64) as u64;
        let mut adam = gpt_like::adam(self.lr, self.weight_decay);
        if self.rank == 0 {
            adam = gpt_like::spare_norms(adam);
        }
        let trainer = Trainer::for_objective(adam)
            .batch_size(self.batch_size)
            .epochs(self.epochs)
            .seed(self.seed)
            .schedule(gpt_like::schedule(warm_up, all))
            .precision(precision(&self.precision)?);
        Ok(trainer)
    }
}

/// What a run says of the model that it began from.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    config: GptConfig,
    bos: Option<u32>,
    stop: Vec<u32>,
}

impl Kept {
    const FILE: &str = "gpt.json";
}

impl Recipe for GptRecipe {
    fn card(&self) -> Card {
        Card {
            name: "gpt",
            title: "A GPT that others trained, taught a text of one's own",
            era: Era::LargeModels,
            paper: "Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang & Chen 2021, LoRA, arXiv:2106.09685",
            data: "a model (--from), and a text or documents of one's own",
            promise: "nothing: it depends on the model and the text",
        }
    }

    fn promises(&self) -> Vec<Promise> {
        Vec::new()
    }

    fn unit(&self, _number: &str) -> Unit {
        Unit::Plain
    }

    fn defaults(&self) -> toml::Table {
        to_table(&Settings::default())
    }

    fn prepare(&self, config: &Config) -> Result<Box<dyn Prepared>> {
        let (settings, (base, sha256)) = (Settings::of(config)?, base(config)?);
        let data = config.data.as_deref();
        if settings.rank == 0 {
            let mut gpt = base.gpt.clone();
            settings.fine_tuning.apply(&mut gpt)?;
            let task = task(config, &settings, &base, gpt, data)?;
            return Ok(Box::new(task.built_on(sha256)));
        }
        let adapted = settings.adapters(base.gpt.clone())?;
        let task = task(config, &settings, &base, adapted, data)?;
        Ok(Box::new(task.built_on(sha256)))
    }

    fn evaluate(&self, run: &Run, data: Option<&Path>) -> Result<Evaluation> {
        let config = run.config();
        let (settings, model) = (Settings::of(config)?, taught(run)?);
        let gpt = model.gpt.clone();
        let data = data.or(config.data.as_deref());
        task(config, &settings, &model, gpt, data)?.measured()
    }

    fn predict(&self, _run: &Run, _files: &[&Path]) -> Result<Vec<Result<Prediction>>> {
        Err(Error::usage(
            "`gpt` writes texts, and tells no classes: see `eras generate`",
        ))
    }

    fn writer(&self, run: &Run) -> Result<Writer> {
        taught(run).map(Writer::GoesOn)
    }
}

/// The model of a run.
fn taught(run: &Run) -> Result<TextModel> {
    let settings = Settings::of(run.config())?;
    let path = run.folder().join(Kept::FILE);
    let kept: Kept = serde_json::from_slice(&files::read(&path)?)
        .map_err(|e| Error::file(&path, format!("is not what a training leaves: {e}")))?;
    let gpt = if settings.rank == 0 {
        let mut gpt = Gpt::blank(kept.config);
        training::load(&mut gpt, run)?;
        gpt
    } else {
        // The run holds the adapters alone.
        let (base, _) = base(run.config())?;
        let mut adapted = settings.adapters(base.gpt)?;
        training::load(&mut adapted, run)?;
        adapted.merged()
    };
    let tokenizer = Tokenizer::read(run.folder().join(Tokenizer::FILE))?;
    TextModel::new(gpt, tokenizer, kept.bos, kept.stop)
}

/// The model that a training begins from, and that adapters are beside; and the hash of its weights.
fn base(config: &Config) -> Result<(TextModel, String)> {
    let origin = config.from.as_ref().ok_or_else(|| {
        Error::usage(
            "`gpt` teaches a model that is there already: say which with --from FOLDER, one of `transformers` or a run that \
             writes texts (to begin with none: `eras train gpt-char`)",
        )
    })?;
    let base = TextModel::read(&origin.file).map_err(|error| {
        error
            .context("the model that this builds on (`from` in a run's config.toml) cannot be read")
    })?;
    let found = eras_train::hash(&base.gpt.state());
    match &origin.sha256 {
        Some(wanted) if found != *wanted => Err(Error::model_mismatch(format!(
            "{}: the weights have SHA-256 {found}, but those that the training began from had {wanted}",
            origin.file.display()
        ))),
        _ => Ok((base, found)),
    }
}

/// To teach `model` the text at `data`, or that of the settings; `base` is what it was before.
fn task<M: GptLike + Clone + Send + 'static>(
    config: &Config,
    settings: &Settings,
    base: &TextModel,
    model: M,
    data: Option<&Path>,
) -> Result<Task<M, Next, Texts>> {
    let context = settings.context.min(base.gpt.config().context);
    let TextModel {
        tokenizer,
        bos,
        stop,
        ..
    } = base;
    let (name, data) = Texts::find(
        data,
        &settings.text,
        tokenizer,
        stop.first().copied(),
        context,
    )?;
    let kept = Kept {
        config: base.gpt.config().clone(),
        bos: *bos,
        stop: stop.clone(),
    };
    let kept = serde_json::to_vec_pretty(&kept)
        .map_err(|e| Error::new(format!("the settings of the model cannot be written: {e}")))?;
    let trainer = settings.trainer(data[0].len())?;
    let (pupil, seed, beginning) = (model.clone(), settings.seed, data[1].beginning()?);
    Ok(Task {
        recipe: &GptRecipe,
        story: include_str!("../../stories/gpt.md"),
        data,
        model,
        objective: Next,
        checkpoint_steps: settings.checkpoint_steps,
        origin_sha256: None,
        watch: Some(Box::new({
            let tokenizer = tokenizer.clone();
            move |run| Box::new(Diary::new(pupil, tokenizer, beginning, seed, run))
        })),
        keeps: vec![
            (Tokenizer::FILE, tokenizer.to_json()?.into_bytes()),
            (Kept::FILE, kept),
        ],
        curves: &[(
            "Loss, nats a token",
            &[("training", "loss"), ("held out", "val_loss")],
        )],
        trainer,
        show: Box::new({
            let (name, config, settings) = (name.clone(), config.clone(), settings.clone());
            move |learned| findings(&config, &settings, &name, learned)
        }),
        name,
    })
}

/// The model beside what it was before.
fn findings<M: GptLike>(
    config: &Config,
    settings: &Settings,
    name: &str,
    learned: &Learned<'_, M, Texts>,
) -> Result<Findings> {
    let (loss, (base, _)) = (learned.score.loss, base(config)?);
    let trainer = settings.trainer(learned.train.len())?;
    let before = trainer.measure(&Next, &base.gpt, learned.test)?.loss;
    let prompt = learned.test.beginning()?;
    let mut written = Section::new("Written").note("Before and after, from the same beginning");
    let texts = [
        (
            "Before:",
            samples::written(
                LENGTH,
                &base.gpt,
                &base.tokenizer,
                &prompt,
                0.8,
                settings.seed,
            )?,
        ),
        (
            "After:",
            learned.model.with(|gpt| {
                samples::written(LENGTH, gpt, &base.tokenizer, &prompt, 0.8, settings.seed)
            })?,
        ),
    ];
    for (when, text) in texts {
        written = written.text(when).written(text.trim());
    }
    let count = |n: usize| format::count(n as u64);
    let context = settings.context.min(base.gpt.config().context);
    let mut learns = 0;
    learned.model.for_each_param(&mut |_, w| {
        learns += if w.is_frozen() { 0 } else { w.len() };
    });
    let table = Table::new(["", ""])
        .row(["text".to_owned(), name.to_owned()])
        .row(["windows".to_owned(), count(learned.train.len())])
        .row([
            "tokens a second, in training".to_owned(),
            count((learned.samples_per_second * context as f64) as usize),
        ])
        .row(["parameters".to_owned(), count(base.gpt.count_params())])
        .row([
            "of those, or beside them, learned".to_owned(),
            count(learns),
        ])
        .row([
            "held-out loss before".to_owned(),
            format::significant(before),
        ])
        .row(["and after".to_owned(), format::significant(loss)]);
    Ok(Findings {
        measured: vec![
            Measured::new("val_loss", loss, Unit::Plain),
            Measured::new("perplexity", loss.exp(), Unit::Plain),
            Measured::new("loss_before", before, Unit::Plain),
        ],
        sections: vec![
            samples::perplexity(learned.history, "held out"),
            written,
            samples::as_it_learned(learned.run)?,
            Section::new("The model").table(table),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::large_models::GptCharRecipe;
    use crate::recipe::Outcome;
    use crate::run::Origin;
    use crate::testing::{self, scratch, weights};
    use eras_models::large_models::{Generation, Sampler};
    use std::path::PathBuf;

    /// A run of a small model that learned "the cat sat. ".
    fn begun(name: &str) -> (PathBuf, PathBuf) {
        let (data, folder) = (scratch(&format!("{name}-text")), scratch(name));
        std::fs::write(&data, "the cat sat. ".repeat(120)).unwrap();
        let small = [
            "epochs=1",
            "steps=60",
            "context=16",
            "layers=1",
            "width=16",
            "warm_up=5",
            "lr=0.02",
        ];
        testing::train_on(
            &GptCharRecipe::Small,
            &small,
            Some(&data),
            &folder,
            None,
            false,
        )
        .unwrap();
        (data, folder)
    }

    fn config(assignments: &[&str], from: &Path, data: &Path) -> Config {
        let mut config = testing::config(&GptRecipe, assignments).unwrap();
        let sha256 = Some(eras_train::hash(
            &TextModel::read(from).unwrap().gpt.state(),
        ));
        config.from = Some(Origin {
            file: from.to_owned(),
            sha256,
        });
        config.data = Some(data.to_owned());
        config
    }

    fn train(config: &Config, folder: &Path, stop: Option<u64>, resume: bool) -> Result<Outcome> {
        let prepared = GptRecipe.prepare(config)?;
        let run = if resume {
            Run::open_to_write(folder)?
        } else {
            Run::create(folder, config.clone())?
        };
        testing::carry_out(prepared, &run, stop, resume)
    }

    fn written(run: &Run, prompt: &str) -> String {
        let model = taught(run).unwrap();
        let how = Generation::new(Sampler::greedy(), 8);
        let mut told = String::new();
        let each = |text: &str| {
            told += text;
            true
        };
        model
            .write(&model.prompt(prompt).unwrap(), &how, each)
            .unwrap();
        told
    }

    #[test]
    fn a_model_is_taught_whole_or_by_adapters_and_a_stop_changes_no_bit() {
        let (old, from) = begun("gpt-taught-from");
        let data = scratch("gpt-taught-text");
        std::fs::write(&data, "a tas chat set. ".repeat(100)).unwrap();
        for more in [&["lr=0.01"][..], &["rank=4", "lr=0.03", "adapt=*"]] {
            let all = [&["epochs=2", "context=16"], more].concat();
            let config = config(&all, &from, &data);
            let (whole, cut) = (scratch("gpt-taught-whole"), scratch("gpt-taught-cut"));
            let first = train(&config, &whole, None, false).unwrap();
            let number = |name: &str| {
                let found = first.measured.iter().find(|m| m.name == name);
                found.unwrap().value
            };
            assert!(
                number("val_loss") < 0.3 * number("loss_before"),
                "{:?}",
                first.measured
            );
            let error = train(&config, &cut, Some(15), false).unwrap_err();
            assert!(error.is_interrupted(), "{error}");
            let second = train(&config, &cut, None, true).unwrap();
            assert_eq!(weights(&cut), weights(&whole));
            assert_eq!(first.measured, second.measured);

            let run = Run::open(&cut).unwrap();
            let evaluation = GptRecipe.evaluate(&run, None).unwrap();
            assert!((evaluation.score.loss - number("val_loss")).abs() < 1e-5);
            assert_eq!(written(&run, "a tas c"), "hat set.");
            let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
            for part in ["Before:", "After:", "After epoch 2:", "<h2>Perplexity"] {
                assert!(page.contains(part), "{part}");
            }
            drop(run);
            for folder in [whole, cut] {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
        std::fs::remove_dir_all(from).unwrap();
        for file in [old, data] {
            std::fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn of_documents_only_the_answers_are_learned() {
        let (old, from) = begun("gpt-answers-from");
        let data = scratch("gpt-answers").with_extension("jsonl");
        let lines = [
            "{\"prompt\": \"cat\", \"completion\": \" sat\"}\n",
            "{\"prompt\": \"hat\", \"completion\": \" tat\"}\n",
        ];
        std::fs::write(&data, lines.concat().repeat(40)).unwrap();
        let config = config(
            &["epochs=6", "context=16", "lr=0.01", "batch_size=2"],
            &from,
            &data,
        );
        let folder = scratch("gpt-answers-run");
        train(&config, &folder, None, false).unwrap();
        let run = Run::open(&folder).unwrap();
        assert_eq!(written(&run, "cat")[..4], *" sat");
        assert_eq!(written(&run, "hat")[..4], *" tat");
        drop(run);
        for folder in [from, folder] {
            std::fs::remove_dir_all(folder).unwrap();
        }
        for file in [old, data] {
            std::fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn without_a_model_and_with_another_than_before_nothing_is_taught() {
        let (data, from) = begun("gpt-other-from");
        let mut other = config(&["rank=2"], &from, &data);
        let refusal = |config: &Config| {
            GptRecipe
                .prepare(config)
                .err()
                .expect("refused")
                .to_string()
        };
        other.from.as_mut().unwrap().sha256 = Some("0".repeat(64));
        let error = refusal(&other);
        assert!(
            error.contains("but those that the training began from had 000"),
            "{error}"
        );
        other.from = None;
        assert!(refusal(&other).contains("--from FOLDER"));
        let high = refusal(&config(&["rank=99"], &from, &data));
        assert!(high.contains("rank"), "{high}");
        std::fs::remove_dir_all(from).unwrap();
        std::fs::remove_file(data).unwrap();
    }
}
