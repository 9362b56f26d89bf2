//! `eras data check`.

use crate::args::{CheckArgs, Format};
use crate::output;
use eras_data::{Dataset, Search};
use eras_recipes::check::{CheckOptions, Findings, Sample, Set, Subject};
use eras_report::format;
use eras_tensor::Result;
use serde_json::json;
use std::path::PathBuf;

/// Checks a data set, and leaves a page.
pub(crate) fn check(args: &CheckArgs) -> Result<()> {
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(threads.into());
    }
    let subject = Subject::find(&args.set, &Search::given(args.data.as_deref()))?;
    let options = CheckOptions {
        similarity: args.similarity,
        folds: args.folds,
        seed: args.seed,
    };
    let findings = Findings::of(subject, options, &|text| eprintln!("{text}"))?;
    let page = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}-check.html", findings.subject.name())));
    findings.save(&page)?;
    match args.format {
        Format::Text => text(&findings),
        Format::Json => lines(&findings),
    }
    let page = page.display();
    match args.format {
        Format::Text => output::line(&format!("page            {page}")),
        Format::Json => output::json(&json!({
            "event": "done",
            "duplicate_groups": findings.duplicates.len(),
            "leaking_groups": findings.leaks().count(),
            "contradicting_groups": findings.contradictions().count(),
            "near_duplicates": findings.near.len(),
            "suspect_labels": findings.labels.as_ref().map(|labels| labels.suspects.len()),
            "constant_pixels": findings.constant.len(),
            "blank_pictures": findings.blank.len(),
            "imbalance": findings.imbalance(),
            "page": page.to_string(),
        })),
    }
    Ok(())
}

/// The numbers, for people.
fn text(findings: &Findings) {
    let count = |n: usize| format::count(n as u64);
    let say = |name: &str, text: String| output::line(&format!("{name:<15} {text}"));
    for (set, images) in findings.subject.sets() {
        say(set.name(), format!("{} pictures", count(images.len())));
    }
    say(
        "classes",
        format!(
            "{}, the largest {:.2} times the smallest",
            findings.subject.classes().len(),
            findings.imbalance()
        ),
    );
    say(
        "equal pictures",
        format!(
            "{} groups, {} across the border, {} labelled differently",
            count(findings.duplicates.len()),
            count(findings.leaks().count()),
            count(findings.contradictions().count())
        ),
    );
    if findings.subject.images(Set::Test).is_some() {
        say(
            "near duplicates",
            format!(
                "{} test pictures (correlation from {})",
                count(findings.near.len()),
                findings.options.similarity
            ),
        );
    }
    if let Some(labels) = &findings.labels {
        let agreement: Vec<String> = labels
            .agreement
            .iter()
            .map(|(set, share)| format!("{} {}", set.name(), format::percent(*share)))
            .collect();
        say(
            "wrong labels?",
            format!(
                "{} (models agree with the others: {})",
                count(labels.suspects.len()),
                agreement.join(", ")
            ),
        );
    }
    say(
        "constant pixels",
        format!(
            "{}, blank pictures {}",
            count(findings.constant.len()),
            count(findings.blank.len())
        ),
    );
}

/// Everything that was found, a line each, for programs.
fn lines(findings: &Findings) {
    let subject = &findings.subject;
    let sample = |sample: Sample| {
        json!({
            "set": sample.set.name(), "index": sample.index, "label": subject.label(sample),
            "file": subject.file(sample),
        })
    };
    for group in &findings.duplicates {
        let group: Vec<_> = group.iter().map(|s| sample(*s)).collect();
        output::json(&json!({ "event": "equal", "pictures": group }));
    }
    for near in &findings.near {
        let [a, b] = [(Set::Test, near.test), (Set::Train, near.train)]
            .map(|(set, index)| sample(Sample { set, index }));
        output::json(
            &json!({ "event": "near", "pictures": [a, b], "similarity": near.similarity }),
        );
    }
    for suspect in findings.labels.iter().flat_map(|labels| &labels.suspects) {
        output::json(&json!({
            "event": "suspect_label", "picture": sample(suspect.sample),
            "better": subject.classes()[suspect.better],
            "label_probability": suspect.label_probability,
            "better_probability": suspect.better_probability,
        }));
    }
    for blank in &findings.blank {
        output::json(&json!({ "event": "blank", "picture": sample(*blank) }));
    }
    if !findings.constant.is_empty() {
        output::json(&json!({ "event": "constant_pixels", "pixels": findings.constant }));
    }
}
