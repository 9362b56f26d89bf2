//! Sentences in two languages, from files.

use eras_data::Search;
use eras_data::catalog::MULTI30K;
use eras_tensor::{Error, Result};
use eras_text::{pair_lines, read_text};
use std::path::{Path, PathBuf};

/// Sentences in two languages.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) name: String,
    pub(super) train: Vec<[String; 2]>,
    pub(super) valid: Vec<[String; 2]>,
    /// Where there are none, those of the validation again.
    pub(super) test: Vec<[String; 2]>,
}

/// The names of files, without the language: of the first that are there.
const TRAIN: &[&str] = &["train"];
const VALID: &[&str] = &["val", "valid", "dev"];
const TEST: &[&str] = &["test_2016_flickr", "test"];

impl Corpus {
    /// Those in `folder`, a sentence a line, or Multi30k's.
    pub(super) fn find(folder: Option<&Path>, from: &str, to: &str) -> Result<Self> {
        match folder {
            Some(folder) => Self::read(folder, [from, to]),
            None => Self::multi30k([from, to]),
        }
    }

    fn multi30k(languages: [&str; 2]) -> Result<Self> {
        let known = ["en", "de"];
        let Some(sides) = known_sides(languages, known) else {
            let [from, to] = languages;
            return Err(Error::usage(format!(
                "Multi30k is known here in `en` and `de`, but settings `from` and `to` are `{from}` and `{to}`; give a folder \
                 with train.{from}, train.{to}, val.{from} and val.{to} by --data"
            )));
        };
        let found = Search::from_env().find(&MULTI30K, &mut |_, _| ())?;
        let split = |first: usize| {
            let names = sides.map(|side| MULTI30K.files[first + side].name);
            let texts = [found.text(first + sides[0])?, found.text(first + sides[1])?];
            pair_lines([
                (Path::new(names[0]), &texts[0]),
                (Path::new(names[1]), &texts[1]),
            ])
        };
        Ok(Self {
            name: MULTI30K.name.to_owned(),
            train: split(0)?,
            valid: split(2)?,
            test: split(4)?,
        })
    }

    fn read(folder: &Path, languages: [&str; 2]) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::file(
                folder,
                "found no folder here, wanted one with train, val and, if there is one, test in both languages",
            ));
        }
        // As the repository of Multi30k has them.
        let below = folder.join("data/task1/raw");
        let folder = if below.is_dir() { &below } else { folder };
        let train = read_split(folder, TRAIN, languages)?;
        let valid = read_split(folder, VALID, languages)?;
        let test = match read_split(folder, TEST, languages) {
            Err(_) if !is_there(folder, TEST, languages) => valid.clone(),
            test => test?,
        };
        Ok(Self {
            name: folder.display().to_string(),
            train,
            valid,
            test,
        })
    }
}

/// Where each of `languages` stands among those that are known.
fn known_sides(languages: [&str; 2], known: [&str; 2]) -> Option<[usize; 2]> {
    let side = |language: &str| known.iter().position(|known| *known == language);
    Some([side(languages[0])?, side(languages[1])?])
}

/// The file of a language, plain or compressed.
fn file(folder: &Path, name: &str, language: &str) -> Option<PathBuf> {
    let names = [
        format!("{name}.{language}"),
        format!("{name}.{language}.gz"),
    ];
    let mut paths = names.iter().map(|name| folder.join(name));
    paths.find(|path| path.is_file())
}

/// Whether a file of either language is there.
fn is_there(folder: &Path, names: &[&str], languages: [&str; 2]) -> bool {
    let mut all = names
        .iter()
        .flat_map(|name| languages.map(|language| (name, language)));
    all.any(|(name, language)| file(folder, name, language).is_some())
}

fn read_split(folder: &Path, names: &[&str], languages: [&str; 2]) -> Result<Vec<[String; 2]>> {
    let there = names
        .iter()
        .find(|name| is_there(folder, &[name], languages));
    let name = there.unwrap_or(&names[0]);
    let paths = languages.map(|language| {
        file(folder, name, language).ok_or_else(|| {
            Error::file(
                folder,
                format!("found neither {name}.{language} nor {name}.{language}.gz in this folder"),
            )
        })
    });
    let [a, b] = paths;
    let [a, b] = [a?, b?];
    let texts = [read_text(&a)?, read_text(&b)?];
    pair_lines([(&a, &texts[0]), (&b, &texts[1])])
}
