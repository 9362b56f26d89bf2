use super::*;
use crate::recipe::Outcome;
use crate::testing::{self, scratch, weights};
use std::path::PathBuf;

const NOUNS: [[&str; 2]; 5] = [
    ["dog", "hund"],
    ["cat", "katze"],
    ["man", "mann"],
    ["bird", "vogel"],
    ["fish", "fisch"],
];
const VERBS: [[&str; 2]; 4] = [
    ["sees", "sieht"],
    ["hears", "hoert"],
    ["likes", "mag"],
    ["finds", "findet"],
];

/// Sentences of three to seven words, whose order is another in the other language.
fn sentence(i: usize) -> [String; 2] {
    let (a, b, c) = (NOUNS[i % 5], NOUNS[i / 5 % 5], VERBS[i / 25 % 4]);
    let says = format!("The {} {} a {}.", a[0], c[0], b[0]);
    let sagt = format!("{} {} {}.", b[1], a[1], c[1]);
    [says, sagt]
}

fn folder(name: &str) -> PathBuf {
    let folder = scratch(&format!("translation-data-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |split: &str, places: &mut dyn Iterator<Item = usize>| {
        let pairs: Vec<[String; 2]> = places.map(sentence).collect();
        for (side, language) in ["en", "xx"].into_iter().enumerate() {
            let lines: Vec<&str> = pairs.iter().map(|pair| &pair[side][..]).collect();
            let path = folder.join(format!("{split}.{language}"));
            std::fs::write(path, lines.join("\n") + "\n").unwrap();
        }
    };
    write("train", &mut (0..100).filter(|i| i % 7 != 3));
    write("valid", &mut (0..100).filter(|i| i % 7 == 3));
    folder
}

fn train(data: &Path, folder: &Path, stop: Option<u64>, resume: bool) -> Result<Outcome> {
    let small = [
        "to=xx",
        "epochs=30",
        "batch_size=150",
        "vocabulary=300",
        "encoder_layers=1",
        "decoder_layers=1",
        "heads=2",
        "width=32",
        "hidden=48",
        "dropout=0.05",
        "lr=0.01",
        "warm_up=40",
        "ema=0.9",
    ];
    testing::train_on(&TranslationRecipe, &small, Some(data), folder, stop, resume)
}

#[test]
fn one_that_was_stopped_ends_with_the_same_bits_and_translates_what_it_never_saw() {
    let data = folder("whole");
    let (whole, cut) = (scratch("translation-whole"), scratch("translation-cut"));
    let first = train(&data, &whole, None, false).unwrap();
    let error = train(&data, &cut, Some(75), false).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    assert_ne!(weights(&cut), weights(&whole));
    let second = train(&data, &cut, None, true).unwrap();
    assert_eq!(weights(&cut), weights(&whole));
    assert_eq!(first.measured, second.measured);
    let number = |name: &str| {
        let found = first.measured.iter().find(|number| number.name == name);
        found.unwrap_or_else(|| panic!("{name}")).value
    };
    assert!(number("bleu") > 60.0, "{}", number("bleu"));

    let run = Run::open(&cut).unwrap();
    let evaluation = TranslationRecipe.evaluate(&run, None).unwrap();
    assert_eq!(evaluation.score.loss, number("test_loss"));
    assert_eq!(evaluation.score.get("bleu"), Some(number("bleu")));
    assert_eq!(
        evaluation.score.get("greedy_bleu"),
        Some(number("greedy_bleu"))
    );
    // Without files for a test the validation is the test.
    assert!((number("test_loss") - number("val_loss")).abs() < 1e-5);

    let Writer::Translates(translator) = TranslationRecipe.writer(&run).unwrap() else {
        panic!("wanted a model that translates");
    };
    let alone = translator
        .translate(&["The dog sees a cat."], 4, 50)
        .unwrap();
    let many = ["A fish.", "The dog sees a cat.", "The man likes a bird."];
    let together = translator.translate(&many, 4, 50).unwrap();
    assert_eq!((together.len(), &together[1].text), (3, &alone[0].text));
    let short = translator.translate(&many, 1, 2).unwrap();
    assert!(short.iter().all(|one| one.tokens <= 2));
    assert!(translator.translate(&[" "], 1, 50).is_err());

    let page = std::fs::read_to_string(cut.join("report.html")).unwrap();
    for part in [
        "<h2>Translations",
        "<h2>Where it looked",
        "Head 2",
        "BLEU, 4 beams",
    ] {
        assert!(page.contains(part), "{part}");
    }
    drop(run);
    for folder in [whole, cut, data] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn settings_and_files_that_do_not_fit_are_refused() {
    let data = folder("refused");
    let refusal = |key: &str, value: toml::Value| {
        let mut config = Config::new("translation", TranslationRecipe.defaults(), 1);
        config.data = Some(data.clone());
        config.settings.insert("to".into(), "xx".into());
        config.settings.insert(key.into(), value);
        let error = TranslationRecipe.prepare(&config).err().expect("refused");
        error.to_string()
    };
    for (key, value, wanted) in [
        (
            "heads",
            3.into(),
            "setting `heads` wants a number that divides `width`",
        ),
        (
            "to",
            "en".into(),
            "setting `to` wants the end of the files' names, another than",
        ),
        (
            "from",
            "../x".into(),
            "setting `from` wants the end of the files' names",
        ),
        (
            "vocabulary",
            100.into(),
            "setting `vocabulary` wants at least 259",
        ),
        (
            "longest",
            2.into(),
            "found no sentence of fewer than 2 tokens",
        ),
        ("to", "fr".into(), "found neither train.fr nor train.fr.gz"),
    ] {
        let error = refusal(key, value);
        assert!(error.contains(wanted), "{error}");
    }
    let keep = || refusal("epochs", 1.into());
    let train = data.join("train.xx");
    let text = std::fs::read_to_string(&train).unwrap();
    std::fs::write(&train, text.trim_end().rsplit_once('\n').unwrap().0).unwrap();
    let fewer = keep();
    assert!(
        fewer.contains("has 85 lines, but") && fewer.contains("has 86"),
        "{fewer}"
    );
    std::fs::write(&train, b"\xff\xfe").unwrap();
    assert!(keep().contains("wanted text in UTF-8"), "{}", keep());
    std::fs::write(&train, "").unwrap();
    assert!(keep().contains("is empty, wanted a text"), "{}", keep());
    std::fs::remove_dir_all(&data).unwrap();
    assert!(keep().contains("found no folder here"), "{}", keep());
}
