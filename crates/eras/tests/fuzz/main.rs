//! Every reader of files against files that were altered at random, always the same ones, and against those made to cost
//! much: no panic, no abort, and at most 4 times the length of the file and 64 MiB of memory.
//!
//! Each reader gets a number of files that takes a second or two; `ERAS_FUZZ_SECONDS=60` goes on for that long. What
//! fails is kept in the folder of the build, and the message names it.

mod alter;
mod hostile;
mod memory;
mod seeds;

use alter::Alter;
use eras::Tensor;
use eras::data::{Cifar10, Color, Csv, Idx, Picture};
use eras::formats::{Mapping, numpy, safetensors, torch};
use eras::models::large_models::Pretrained;
use eras::nn::Mode;
use eras::text::{Document, Documents, Kind, Tokenizer, Training};
use eras::train::Snapshot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// What reading a file may take beside its length, in bytes.
const FREE: usize = 64 << 20;
/// The longest that a file may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives `count` altered files, or as many as the time allows that was asked for, to `read`.
fn fuzz(name: &str, seeds: &[Vec<u8>], count: u64, read: impl Fn(&[u8])) {
    // A pool would keep the memory of one case for the next, and for those of other readers.
    eras::set_pool_cap(0);
    let asked = std::env::var("ERAS_FUZZ_SECONDS").ok();
    let seconds = asked.map(|s| s.parse().expect("ERAS_FUZZ_SECONDS is a number of seconds"));
    let began = Instant::now();
    let mut alter = Alter::new(name);
    let mut case = 0;
    let goes_on = |case| match seconds {
        Some(seconds) => began.elapsed() < Duration::from_secs(seconds),
        None => case < count,
    };
    while goes_on(case) {
        // First the files as they are.
        let file = match seeds.get(case as usize) {
            Some(seed) => seed.clone(),
            None => alter.one_of(seeds),
        };
        check(name, case, &file, &read);
        case += 1;
    }
    eprintln!(
        "{name}: {case} files in {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

/// Reads one file and holds what happens to the promise.
fn check(name: &str, case: u64, file: &[u8], read: &impl Fn(&[u8])) {
    let began = Instant::now();
    let (result, taken) = memory::taken_by(|| catch_unwind(AssertUnwindSafe(|| read(file))));
    let allowed = 4 * file.len() + FREE;
    let problem = if result.is_err() {
        "it panicked".to_owned()
    } else if taken > allowed {
        format!(
            "it took {taken} bytes for {}, where {allowed} are promised",
            file.len()
        )
    } else if began.elapsed() > PATIENCE {
        format!("it took {:?}", began.elapsed())
    } else {
        return;
    };
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{case}"));
    std::fs::write(&kept, file).unwrap();
    panic!("{name}, file {case}: {problem}; see {}", kept.display());
}

#[test]
fn idx_files() {
    fuzz("idx", &seeds::idx(), 300_000, |file| {
        drop(Idx::from_bytes("x", file))
    });
}

#[test]
fn gzip_files() {
    fuzz("gzip", &seeds::gzip(), 20_000, |file| {
        drop(Idx::from_bytes("x", file))
    });
}

#[test]
fn csv_files() {
    fuzz("csv", &seeds::csv(), 10_000, |file| {
        drop(Csv::new().read_text("x", file));
        drop(Csv::new().no_header().classes(2).read_text("x", file));
    });
}

#[test]
fn pictures() {
    fuzz("picture", &seeds::pictures(), 10_000, |file| {
        drop(Picture::from_bytes("x", file, None, Color::Rgb));
        drop(Picture::from_bytes("x", file, Some([7, 5]), Color::Gray));
    });
}

/// PNG files whose check sums are right again after the alterations, so that these come further.
#[test]
fn png_files_with_their_check_sums() {
    fuzz("png", &seeds::pictures()[..2], 20_000, |file| {
        let file = seeds::png_mended(file);
        drop(Picture::from_bytes("x", &file, None, Color::Rgb));
    });
}

#[test]
fn archives_of_pictures() {
    let pack = |bytes: &Vec<u8>| seeds::packed(bytes);
    let plain = seeds::archives();
    let all = [plain.clone(), plain.iter().map(pack).collect()].concat();
    fuzz("cifar", &all, 10_000, |file| {
        drop(Cifar10::from_bytes("x", file));
    });
    // Those whose headers are right again come further.
    fuzz("cifar-mended", &plain, 10_000, |file| {
        drop(Cifar10::from_bytes("x", &seeds::tar_mended(file)));
    });
}

#[test]
fn safetensors_files() {
    fuzz("safetensors", &seeds::safetensors(), 50_000, |file| {
        drop(safetensors::parse(Path::new("x"), file));
    });
}

#[test]
fn npy_files() {
    fuzz("npy", &seeds::stored(&["npy"], &[]), 300_000, |file| {
        drop(numpy::parse_npy(Path::new("x"), file));
    });
}

#[test]
fn npz_files() {
    fuzz("npz", &seeds::stored(&["npz"], &[]), 50_000, |file| {
        drop(numpy::parse_npz(Path::new("x"), file));
    });
}

#[test]
fn pytorch_files() {
    fuzz(
        "torch",
        &seeds::stored(&["pt"], &["legacy"]),
        20_000,
        |file| {
            drop(torch::parse(Path::new("x"), file));
        },
    );
}

/// The older form has no check sums: what is altered reaches the pickle and the tensors.
#[test]
fn pytorch_files_of_the_older_form() {
    let all = seeds::stored(&["pt"], &[]);
    let older: Vec<_> = all
        .into_iter()
        .filter(|file| file.starts_with(&[0x80]))
        .collect();
    fuzz("torch-older", &older, 20_000, |file| {
        drop(torch::parse(Path::new("x"), file));
    });
}

#[test]
fn files_of_any_kind() {
    let all = [
        seeds::stored(&["pt", "npz", "npy"], &[]),
        seeds::safetensors(),
    ]
    .concat();
    fuzz("any", &all, 20_000, |file| {
        drop(eras::formats::parse(Path::new("x"), file))
    });
}

#[test]
fn tables_of_names() {
    fuzz("names", &seeds::names(), 300_000, |file| {
        let Ok(text) = std::str::from_utf8(file) else {
            return;
        };
        if let Ok(mapping) = Mapping::parse(text) {
            let _ = mapping.rename("layers.3.linear.weight");
            let _ = mapping.rename(&text[..text.floor_char_boundary(200)]);
        }
    });
}

#[test]
fn manifests_of_checkpoints() {
    let folder = seeds::Scratch::new("manifest");
    let (name, manifest) = seeds::checkpoint(&folder.0);
    let path = folder.0.join(format!("{name}.json"));
    fuzz("manifest", &[manifest], 20_000, |file| {
        seeds::replace(&path, file);
        drop(Snapshot::load(&folder.0, &name));
    });
}

#[test]
fn configurations_of_runs() {
    let folder = seeds::Scratch::new("config");
    let path = folder.0.join("config.toml");
    fuzz("config", &seeds::configurations(), 5_000, |file| {
        seeds::replace(&path, file);
        drop(eras_recipes::Config::read(&path));
    });
}

#[test]
fn answers_of_runs() {
    let folder = seeds::Scratch::new("answers");
    let path = folder.0.join("answers.json");
    let seed = |shape: &str, classes: &str, is_folder| {
        let text = format!(r#"{{"shape":{shape},"classes":[{classes}],"is_folder":{is_folder}}}"#);
        text.into_bytes()
    };
    let seeds = [
        seed("[1,28,28]", r#""0","1","2""#, false),
        seed("[3,224,224]", r#""cat","a \"dog\"","\u00e9t\u00e9""#, true),
    ];
    fuzz("answers", &seeds, 5_000, |file| {
        seeds::replace(&path, file);
        drop(eras_recipes::Answers::read(&path));
    });
}

/// A folder of `testdata/hugging_face`.
fn of_transformers(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/hugging_face")
        .join(name)
}

#[test]
fn configurations_of_models() {
    for name in ["gpt2", "llama", "mistral"] {
        let folder = seeds::Scratch::new(&format!("model-{name}"));
        let weights = "model.safetensors";
        std::fs::copy(of_transformers(name).join(weights), folder.0.join(weights)).unwrap();
        let seed = std::fs::read(of_transformers(name).join("config.json")).unwrap();
        let path = folder.0.join("config.json");
        fuzz(name, &[seed], 3_000, |file| {
            seeds::replace(&path, file);
            if let Ok(model) = Pretrained::read(&folder.0) {
                // What was read also computes.
                _ = model.gpt.forward(&Tensor::from([[1i64]]), &Mode::eval());
            }
        });
    }
}

#[test]
fn documents_of_lines() {
    let folder = seeds::Scratch::new("documents");
    let path = folder.0.join("documents.jsonl");
    let text = "{\"text\": \"abc cab\"}\n{\"prompt\": \"a\", \"completion\": \"b\\n\"}\n";
    let tokenizer = Tokenizer::characters("abc \n");
    fuzz("documents", &[text.as_bytes().to_vec()], 20_000, |file| {
        seeds::replace(&path, file);
        if let Ok(all) = Document::read_lines(&path, &tokenizer, Some(0)) {
            _ = Documents::packed(&all, 4);
        }
    });
}

#[test]
fn tokenizers_of_characters() {
    let seed = Tokenizer::characters("abc \u{e9}\n").to_json().unwrap();
    fuzz("tokenizer", &[seed.into_bytes()], 20_000, |file| {
        if let Ok(tokenizer) = Tokenizer::parse(file) {
            _ = tokenizer.encode("abc");
            _ = tokenizer.decode(&[0, 1, 9]);
        }
    });
}

#[test]
fn tokenizers_of_pieces() {
    let text = "low lower lowest new newer newest \u{e9}t\u{e9}";
    let seeds = [Kind::Bpe, Kind::WordPiece, Kind::Unigram].map(|kind| {
        let training = Training::new(kind, 280).special("<end>");
        let tokenizer = training.train([text, text]).unwrap();
        tokenizer.to_json().unwrap().into_bytes()
    });
    fuzz("pieces", &seeds, 3_000, |file| {
        if let Ok(tokenizer) = Tokenizer::parse(file) {
            _ = tokenizer.encode("a newer \u{e9}");
            _ = tokenizer.decode(&[0, 1, 9, 300]);
        }
    });
}
