//! `eras tokenizer` and `eras generate`, as a user takes them.

#[expect(dead_code, reason = "weights are compared elsewhere")]
mod scratch;

use scratch::{Scratch, lines};
use serde_json::Value;
use std::fs;
use std::path::Path;

const TEXT: &str = "the cat sat on the mat. the dog sat on the log. ";

#[test]
fn a_tokenizer_is_learned_and_tells_texts_back() {
    let at = Scratch::new("tokenizer");
    fs::write(at.path("text.txt"), TEXT.repeat(20)).unwrap();
    for (kind, vocab) in [("bpe", "280"), ("unigram", "40"), ("characters", "8000")] {
        let out = format!("{kind}.json");
        let train = [
            "tokenizer",
            "train",
            "text.txt",
            "--kind",
            kind,
            "--vocab",
            vocab,
            "-o",
            &out,
        ];
        let said = at.good(&train);
        assert!(
            said.contains(" tokens in ") && said.contains(" characters a token"),
            "{said}"
        );
        let numbers = at.good(&["tokenizer", "encode", &out, "the dog sat."]);
        let tokens: Vec<&str> = numbers.split_whitespace().collect();
        assert!(tokens.len() <= 12, "{numbers}");
        let text = at.good(&[&["tokenizer", "decode", &out][..], &tokens].concat());
        assert_eq!(text, "the dog sat.\n", "{kind}");
    }
    let shown = at.good(&["tokenizer", "encode", "characters.json", "cat", "--show"]);
    assert_eq!(shown, "      3  \"c\"\n      2  \"a\"\n     13  \"t\"\n");
}

#[test]
fn texts_and_tokens_that_cannot_be_read_are_named() {
    let at = Scratch::new("tokenizer-bad");
    fs::write(at.path("bytes.txt"), b"ab\xffcd").unwrap();
    fs::write(at.path("empty.txt"), "").unwrap();
    fs::write(at.path("text.txt"), TEXT).unwrap();
    let bad = |args: &[&str], wanted: &str| {
        let (_, text) = at.bad(args);
        assert!(text.contains(wanted), "{args:?}: {text}");
    };
    bad(
        &["tokenizer", "train", "bytes.txt"],
        "found the byte 0xff at 2 (line 1), wanted text in UTF-8",
    );
    bad(
        &["tokenizer", "train", "empty.txt"],
        "is empty, wanted a text",
    );
    bad(&["tokenizer", "train", "nowhere.txt"], "nowhere.txt");
    bad(
        &["tokenizer", "train", "text.txt", "--vocab", "100"],
        "wanted at least 256",
    );
    bad(
        &["tokenizer", "train", "text.txt", "-o", "no/where.json"],
        "no/where.json",
    );
    bad(&["tokenizer", "encode", "text.txt", "x"], "is no tokenizer");
    at.good(&["tokenizer", "train", "text.txt", "--kind", "characters"]);
    bad(
        &["tokenizer", "encode", "tokenizer.json", "cat?"],
        "found the character '?' at byte 3",
    );
    bad(
        &["tokenizer", "decode", "tokenizer.json", "99"],
        "found the token 99, but the tokenizer has 14",
    );
}

#[test]
fn a_run_goes_on_with_a_text_the_same_at_any_number_of_threads() {
    let at = Scratch::new("generate");
    fs::write(at.path("text.txt"), TEXT.repeat(40)).unwrap();
    let small = [
        "steps=40",
        "layers=1",
        "width=16",
        "context=24",
        "warm_up=5",
        "lr=0.02",
    ];
    let sets = small.iter().flat_map(|set| ["--set", set]);
    let mut train = vec![
        "train", "gpt-char", "--data", "text.txt", "--epochs", "1", "--out", "run",
    ];
    train.extend(sets);
    at.good(&train);
    let generate = |more: &[&str]| {
        let args = [
            "generate", "run", "-p", "the cat", "-n", "12", "--format", "json",
        ];
        let said = at.good(&[&args[..], more].concat());
        lines(&said).remove(0)
    };
    let one = generate(&["--threads", "1", "--seed", "4"]);
    let three = generate(&["--threads", "3", "--seed", "4"]);
    assert_eq!(one["text"], three["text"]);
    assert_eq!(
        (&one["tokens"], &one["end"]),
        (&Value::from(12), &Value::from("max_tokens"))
    );
    assert_ne!(
        one["text"],
        generate(&["--seed", "5", "--temperature", "3"])["text"]
    );
    // The likeliest text has a space; it stops there, and does not tell it.
    let greedy = generate(&["--temperature", "0"])["text"]
        .as_str()
        .unwrap()
        .to_owned();
    let stopped = generate(&["--temperature", "0", "--stop", " "]);
    assert_eq!(stopped["text"].as_str(), greedy.split(' ').next());
    assert_eq!(stopped["end"], "stop");
    // One beam takes the likeliest each time.
    let beams = |count: &str| {
        let args = [
            "generate", "run", "-p", "the cat", "-n", "12", "--format", "json", "--beams", count,
        ];
        lines(&at.good(&args)).remove(0)
    };
    assert_eq!(beams("1")["text"].as_str(), Some(&*greedy));
    assert_eq!(beams("5")["tokens"], 12);
    let full = at.run(&["generate", "run", "-p", "the cat", "-n", "500"]);
    let (text, said) = (
        String::from_utf8_lossy(&full.stdout),
        String::from_utf8_lossy(&full.stderr),
    );
    assert!(
        text.starts_with("the cat") && text.trim_end_matches('\n').len() == 25,
        "{text:?}"
    );
    assert!(
        said.contains("24 tokens are seen at once, and they are full (--slide goes on"),
        "{said}"
    );
    assert!(said.contains(" a second"), "{said}");

    let slid = at.good(&["generate", "run", "-p", "the cat", "-n", "500", "--slide"]);
    assert_eq!(slid.trim_end_matches('\n').len(), 507, "{slid:?}");
    // Several at once are what each is alone.
    let args = [
        "generate", "run", "-p", "the cat", "-p", "the dog", "--count", "2", "-n", "12",
    ];
    let four = lines(&at.good(&[&args[..], &["--seed", "4", "--format", "json"]].concat()));
    let prompts: Vec<&str> = four
        .iter()
        .map(|text| text["prompt"].as_str().unwrap())
        .collect();
    assert_eq!(prompts, ["the cat", "the cat", "the dog", "the dog"]);
    assert_eq!(four[0]["text"], one["text"]);
    assert_eq!(four[1]["text"], generate(&["--seed", "5"])["text"]);
    let page = at.good(&args);
    assert_eq!(page.matches("the cat").count(), 2, "{page}");

    let bad = |args: &[&str], wanted: &str| {
        let (_, text) = at.bad(&[&["generate"], args].concat());
        assert!(text.contains(wanted), "{args:?}: {text}");
    };
    bad(&["run", "-p", ""], "the prompt is empty");
    bad(&["run", "-p", "CAT"], "found the character 'C' at byte 0");
    bad(
        &["run", "-p", &TEXT.repeat(2)],
        "the prompt has 96 tokens, wanted at most 24, which are seen at once",
    );
    bad(
        &["run", "-p", "cat", "--top-p", "0"],
        "--top-p wants above 0 and at most 1",
    );
    bad(
        &["run", "-p", "cat", "--beams", "2", "--temperature", "1"],
        "cannot be used with",
    );
    bad(&["run", "-p", "cat", "--beams", "0"], "--beams");
    bad(&["nowhere", "-p", "cat"], "nowhere");
}

#[test]
fn a_run_translates_a_file_line_by_line() {
    let at = Scratch::new("translate");
    let folder = at.path("sentences");
    fs::create_dir(&folder).unwrap();
    let words = [
        ["one", "eins"],
        ["two", "zwei"],
        ["three", "drei"],
        ["four", "vier"],
    ];
    for (split, count) in [("train", 60), ("val", 10)] {
        // In the other language the words change places.
        for (side, language) in ["en", "de"].into_iter().enumerate() {
            let lines: String = (0..count)
                .map(|i| {
                    let mut pair = [words[i % 4][side], words[i / 4 % 4][side]];
                    if language == "de" {
                        pair.reverse();
                    }
                    pair.join(" ") + ".\n"
                })
                .collect();
            fs::write(folder.join(format!("{split}.{language}")), lines).unwrap();
        }
    }
    let small = [
        "batch_size=80",
        "vocabulary=280",
        "encoder_layers=1",
        "decoder_layers=1",
        "heads=2",
        "width=32",
        "hidden=32",
        "warm_up=20",
        "lr=0.01",
        "dropout=0.0",
        "ema=0.5",
    ];
    let sets = small.iter().flat_map(|set| ["--set", set]);
    let mut train = vec![
        "train",
        "translation",
        "--data",
        "sentences",
        "--epochs",
        "25",
        "--out",
        "run",
    ];
    train.extend(sets);
    at.good(&train);

    fs::write(at.path("text.txt"), "two one.\n\nfour three.\n").unwrap();
    let said = at.good(&["generate", "run", "--prompt-file", "text.txt"]);
    assert_eq!(said, "eins zwei.\n\ndrei vier.\n");
    let told = lines(&at.good(&[
        "generate", "run", "-p", "two one.", "--beams", "2", "--format", "json",
    ]));
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["event"], &told[0]["text"], &told[0]["beams"]),
        (
            &Value::from("translated"),
            &Value::from("eins zwei."),
            &Value::from(2)
        )
    );
    let score = lines(&at.good(&["eval", "run", "--format", "json"])).remove(0);
    assert!(score["test_loss"].as_f64().unwrap() < 0.5, "{score}");
    // Three words have no run of four.
    assert_eq!(score["test_bleu"], 0.0);

    let bad = |args: &[&str], wanted: &str| {
        let (_, text) = at.bad(&[&["generate", "run"], args].concat());
        assert!(text.contains(wanted), "{args:?}: {text}");
    };
    bad(&["-p", " \n"], "the prompt is empty");
    bad(
        &["-p", "one", "--temperature", "0"],
        "its texts are searched (--beams)",
    );
    bad(
        &["-p", "one", "--stop", "."],
        "its texts are searched (--beams)",
    );
    let (_, text) = at.bad(&[
        "train",
        "translation",
        "--data",
        "sentences",
        "--set",
        "to=fr",
    ]);
    assert!(
        text.contains("found neither train.fr nor train.fr.gz"),
        "{text}"
    );
}

#[test]
fn a_model_of_others_goes_on_as_it_does_elsewhere() {
    let at = Scratch::new("generate-stories");
    let Some(data) = std::env::var_os("ERAS_DATA") else {
        return eprintln!("skipped: ERAS_DATA names no folder with stories260k-hf");
    };
    let model = Path::new(&data).join("stories260k-hf");
    let known =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hugging_face/stories260k.json");
    let known: Value = serde_json::from_slice(&fs::read(known).unwrap()).unwrap();
    let prompt = known["prompt"].as_str().unwrap();
    let args = [
        "generate",
        model.to_str().unwrap(),
        "-p",
        prompt,
        "-n",
        "60",
        "--temperature",
        "0",
    ];
    let text = at.good(&args);
    let wanted = format!("{prompt} {}\n", known["text"].as_str().unwrap());
    assert_eq!(text, wanted);
}

#[test]
fn a_model_of_others_is_taught_a_text_and_given_back() {
    let at = Scratch::new("taught");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/hugging_face/llama");
    fs::create_dir(at.path("model")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(folder.join(file), at.path("model").join(file)).unwrap();
    }
    fs::write(at.path("text.txt"), TEXT.repeat(60)).unwrap();
    let learn = ["tokenizer", "train", "text.txt", "--kind", "characters"];
    at.good(&[&learn[..], &["-o", "model/tokenizer.json"]].concat());
    let (_, text) = at.bad(&["generate", "model", "-p", "the cat"]);
    assert!(text.contains("tokens, but the model knows 37"), "{text}");
    fs::write(at.path("letters.txt"), "abcdefghijklmnopqrstuvwxyz0123").unwrap();
    at.good(&[&learn[..], &["letters.txt", "-o", "model/tokenizer.json"]].concat());
    for (run, more) in [
        ("whole", &["--set", "lr=0.01"][..]),
        ("beside", &["--set", "rank=4", "--set", "lr=0.05"]),
    ] {
        let args = [
            "train",
            "gpt",
            "--from",
            "model",
            "--data",
            "text.txt",
            "--set",
            "context=32",
            "--epochs",
            "2",
            "--out",
            run,
            "--format",
            "json",
        ];
        let said = at.good(&[&args[..], more].concat());
        let done = lines(&said).pop().unwrap();
        let number = |name: &str| done[name].as_f64().unwrap();
        assert!(number("val_loss") < number("loss_before"), "{done}");
        let out = format!("{run}-given");
        at.good(&["export", run, "--out", &out]);
        let text = |model: &str| {
            at.good(&[
                "generate", model, "-p", "the cat", "-n", "20", "--seed", "3",
            ])
        };
        assert_eq!(text(run), text(&out));
    }
    let weights = |run: &str| {
        let checkpoints = fs::read_dir(at.path(run).join("checkpoints")).unwrap();
        let sizes = checkpoints.map(|file| file.unwrap().metadata().unwrap().len());
        sizes.max().unwrap()
    };
    assert!(
        weights("beside") < weights("whole"),
        "the adapters alone are kept"
    );

    // What is in a folder of others is given back, too.
    at.good(&["export", "model", "--out", "copy"]);
    assert!(at.path("copy/model.safetensors").exists());
    // The best weights, in a folder with a dot in its name.
    at.good(&["export", "whole", "--best", "--out", "v1.0/"]);
    let said = |args: &[&str]| at.good(&[args, &["-p", "the cat", "-n", "9"]].concat());
    assert_eq!(
        said(&["generate", "v1.0"]),
        said(&["generate", "whole", "--best"])
    );

    let bad = |args: &[&str], wanted: &str| {
        let (_, text) = at.bad(args);
        assert!(text.contains(wanted), "{args:?}: {text}");
    };
    let long = "the cat ".repeat(20);
    bad(
        &["generate", "whole", "-p", &long],
        "(--slide reads the end of it)",
    );
    bad(
        &[
            "train", "gpt", "--from", "model", "--set", "rank=2", "--set", "freeze=*",
        ],
        "setting `freeze` is for a model that is taught whole",
    );
    bad(
        &["train", "gpt", "--data", "text.txt"],
        "say which with --from FOLDER",
    );
    bad(&["train", "gpt", "--from", "nowhere"], "nowhere");
    fs::write(at.path("lines.jsonl"), "{\"text\": \"the cat\"}\nthe dog\n").unwrap();
    bad(
        &["train", "gpt", "--from", "model", "--data", "lines.jsonl"],
        "line 2: is no JSON",
    );
    bad(
        &["export", "whole", "--out", "folder", "--drop", "*"],
        "--out names a folder",
    );
    // What adapters are beside must stay what it was.
    fs::copy(
        at.path("whole-given/model.safetensors"),
        at.path("model/model.safetensors"),
    )
    .unwrap();
    bad(
        &["generate", "beside", "-p", "the cat"],
        "but those that the training began from had",
    );
}
