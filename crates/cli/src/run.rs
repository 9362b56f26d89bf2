//! `eras eval` and `eras predict`.

use crate::args::{EvalArgs, Format, PredictArgs};
use crate::output;
use eras_recipes::{Fingerprints, Run};
use eras_report::format;
use eras_tensor::{Error, Result};
use eras_train::json_object;
use serde_json::{Value, json};
use std::path::Path;

/// Prints loss and metrics of a run on its test set.
pub(crate) fn eval(args: &EvalArgs) -> Result<()> {
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(usize::from(threads));
    }
    let run = Run::open(&args.run)?;
    let recipe = eras_recipes::find(&run.config().recipe)?;
    let evaluation = recipe.evaluate(&run, args.data.as_deref())?;
    let (score, sha256) = (evaluation.score, evaluation.data_sha256);
    let found = Fingerprints {
        train: None,
        test: sha256.clone(),
    };
    if let Some(difference) = run.config().data_sha256.difference(&found) {
        eprintln!("on other data: {difference}");
    }
    let numbers = std::iter::once(("loss", score.loss))
        .chain(score.metrics.iter().map(|(n, v)| (n.as_str(), *v)));
    if args.format == Format::Json {
        let mut entries = vec![("event".to_owned(), Value::from("eval"))];
        entries.extend(numbers.map(|(name, value)| (format!("test_{name}"), value.into())));
        entries.push(("data".into(), evaluation.data.into()));
        entries.push(("data_sha256".into(), sha256.into()));
        entries.push(("run".into(), args.run.display().to_string().into()));
        output::line(&json_object(entries));
    } else {
        let sha256 = sha256.map_or(String::new(), |hash| format!(", SHA-256 {hash}"));
        output::line(&format!("test set        {}{sha256}", evaluation.data));
        for (name, value) in numbers {
            let text = if name == "loss" {
                format::significant(value)
            } else {
                recipe.unit(name).text(value)
            };
            output::line(&format!("test {name:<10} {text}"));
        }
    }
    Ok(())
}

/// Prints what a run's model says of pictures. Files that cannot be read are named, the others answered.
pub(crate) fn predict(args: &PredictArgs) -> Result<()> {
    let run = Run::open(&args.run)?;
    let files: Vec<&Path> = args.files.iter().map(AsRef::as_ref).collect();
    let predictions = eras_recipes::find(&run.config().recipe)?.predict(&run, &files)?;
    let mut failed = 0;
    for (file, prediction) in files.iter().zip(predictions) {
        match prediction {
            Ok(prediction) => {
                let top = &prediction[..prediction.len().min(args.top.max(1))];
                if args.format == Format::Json {
                    let classes: Vec<Value> = top
                        .iter()
                        .map(|(c, p)| json!({"class": c, "probability": p}))
                        .collect();
                    output::json(
                        &json!({"event": "predict", "file": file.display().to_string(), "classes": classes}),
                    );
                } else {
                    let classes: Vec<String> = top
                        .iter()
                        .map(|(c, p)| format!("{c} {}", format::percent(*p)))
                        .collect();
                    output::line(&format!("{}: {}", file.display(), classes.join(", ")));
                }
            }
            Err(error) => {
                failed += 1;
                output::failure(&error);
            }
        }
    }
    if failed > 0 {
        return Err(Error::new(format!(
            "{failed} of {} files could not be read",
            files.len()
        )));
    }
    Ok(())
}
