//! What classifiers of pictures learn from: a set that is known by name, or the user's own folder with a folder for each
//! class.

use crate::digit;
use crate::run::Run;
use crate::settings;
use crate::standardized::{PHOTOGRAPHS, Standard};
use eras_data::{
    Cifar10, Color, Dataset, FashionMnist, FolderParts, ImageFolder, Images, Mnist, Picture,
    Search, Skipped, Subset, catalog, class_counts, class_weights,
};
use eras_formats::files;
use eras_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The name of the user's own folder as a set.
const FOLDER: &str = "folder";
/// Decoded pictures of a folder are kept in memory up to so many bytes.
const KEPT: usize = 1 << 30;
/// Classes are weighed where the largest has at least so many times as many pictures as the smallest.
const UNEQUAL: f64 = 1.5;

/// How pictures of a folder are read and split: settings that recipes share.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FolderSettings {
    /// Height and width to which pictures of a folder are scaled.
    size: usize,
    /// Whether pictures of a folder lose their colour.
    gray: bool,
    /// The share of each class that is tested with, where a folder has none named `test`, `val` or the like.
    test_share: f64,
    /// Of that selection. It is not that of the training, so that another training is tested with the same.
    split_seed: u64,
    /// Whether rare classes count more, where the largest has 1.5 times as many pictures as the smallest.
    class_weights: bool,
}

impl Default for FolderSettings {
    fn default() -> Self {
        Self {
            size: 32,
            gray: false,
            test_share: 0.2,
            split_seed: 0,
            class_weights: true,
        }
    }
}

impl FolderSettings {
    /// With pictures scaled to this height and width.
    pub(crate) fn of_size(size: usize) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        settings::want(&[
            (
                (1..=4096).contains(&self.size),
                "size",
                "a height and width from 1 to 4096",
            ),
            (
                self.test_share > 0.0 && self.test_share < 1.0,
                "test_share",
                "a share above 0 and below 1",
            ),
        ])
    }

    fn color(&self) -> Color {
        match self.gray {
            true => Color::Gray,
            false => Color::Rgb,
        }
    }

    /// How much each class counts, where they are so unequal that it matters.
    pub(crate) fn weights(&self, counts: &[usize]) -> Option<Vec<f64>> {
        let (least, most) = (counts.iter().min()?, counts.iter().max()?);
        let is_unequal = *least > 0 && *most as f64 >= UNEQUAL * *least as f64;
        (self.class_weights && is_unequal).then(|| class_weights(counts))
    }
}

/// Refuses a setting `dataset` that is none of `known` and no folder.
pub(crate) fn check_dataset(dataset: &str, known: &[&str]) -> Result<()> {
    let all: Vec<&str> = known.iter().copied().chain([FOLDER]).collect();
    settings::want_word("dataset", dataset, &all)
}

/// What is trained on and tested with.
pub(crate) struct Sets {
    /// What they are called.
    pub(crate) name: String,
    pub(crate) train: Box<dyn Dataset>,
    pub(crate) test: Images,
    /// The files of the test pictures, seen from the folder; none where they are not from one.
    pub(crate) files: Vec<String>,
    /// Readable pictures of each class in the training set.
    pub(crate) counts: Vec<usize>,
    /// The folders that they are read from, if they are.
    pub(crate) folders: Vec<ImageFolder>,
    /// The names of folders beside these that are passed over.
    pub(crate) unused: Vec<String>,
}

impl Sets {
    /// The set called `dataset`, or the folder `data` if that is no folder of this set but has one for each class. A
    /// batch is `(B, C, H, W)`, or `(B, C·H·W)` if `flat`.
    pub(crate) fn load(
        dataset: &str,
        folder: &FolderSettings,
        data: Option<&Path>,
        flat: bool,
    ) -> Result<Self> {
        if let Some(root) = data
            && is_folder(dataset, root)
        {
            let (mut sets, learned) = Self::of_folder(folder, root, flat)?;
            sets.counts = readable(&learned, root)?;
            return Ok(sets);
        }
        let search = Search::given(data);
        let found = match dataset {
            "mnist" => Mnist::find(&search).map(|set| [set.train, set.test]),
            "fashion-mnist" => FashionMnist::find(&search).map(|set| [set.train, set.test]),
            "cifar10" => Cifar10::find(&search).map(|set| [set.train, set.test]),
            _ => {
                return Err(Error::usage(
                    "setting `dataset` is `folder`: name it by --data, a folder with one for each class",
                ));
            }
        };
        let [train, test] = found.map_err(|e| match data {
            Some(root) => or_own(e, dataset, root),
            None => e,
        })?;
        let [train, test] = [train, test].map(|set| if flat { set.flat() } else { set.planes() });
        Ok(Self {
            name: dataset.to_owned(),
            counts: class_counts(train.labels(), train.classes().len()),
            train: Box::new(train),
            test,
            files: Vec::new(),
            folders: Vec::new(),
            unused: Vec::new(),
        })
    }

    /// What a model that learns from them answers.
    pub(crate) fn answers(&self) -> Answers {
        Answers {
            shape: self.test.shape(),
            classes: self.test.classes().to_vec(),
            is_folder: !self.folders.is_empty(),
            counts: self.counts.clone(),
        }
    }

    /// Those in the folder `root`, and the training set by itself, of which nothing is read yet: that is counted of which
    /// the beginning is well.
    fn of_folder(
        settings: &FolderSettings,
        root: &Path,
        flat: bool,
    ) -> Result<(Self, Subset<ImageFolder>)> {
        let size = [settings.size; 2];
        let [train, test] = ImageFolder::train_and_test(
            root,
            size,
            settings.color(),
            settings.test_share,
            settings.split_seed,
        )?;
        if let [class] = train.classes() {
            return Err(Error::usage(format!(
                "found one class alone, `{class}`, wanted a folder for each class, two at least"
            ))
            .at(root));
        }
        if test.is_empty() {
            return Err(Error::file(
                root,
                format!("{} pictures leave none to test with", train.len()),
            ));
        }
        let labels = train.whole().labels();
        let labels: Vec<i64> = train.indices().iter().map(|&i| labels[i]).collect();
        let counts = class_counts(&labels, train.classes().len());
        let shaped = |part: &Subset<ImageFolder>| match flat {
            true => part.whole().flat(),
            false => part.whole().clone(),
        };
        let unused = FolderParts::find(root)?.map_or_else(Vec::new, |parts| parts.unused);
        // The test set is read now: a report shows its mistakes, and what is not readable is known.
        let tested = shaped(&test).load_some(test.indices())?;
        let files = read_files(&test, root);
        let whole = shaped(&train);
        whole.keep(KEPT);
        let learned = whole.subset(train.indices().to_vec());
        let sets = Self {
            name: name_of(root),
            counts,
            folders: vec![train.whole().clone(), test.whole().clone()],
            unused: unused.iter().map(|path| name_of(path)).collect(),
            train: Box::new(learned.clone()),
            test: tested,
            files,
        };
        Ok((sets, learned))
    }

    /// What a run is evaluated on: its own test set, or all of the pictures in another folder of its classes.
    pub(crate) fn load_test(
        dataset: &str,
        folder: &FolderSettings,
        run: &Run,
        data: Option<&Path>,
        flat: bool,
    ) -> Result<TestSet> {
        let own = run.config().data.as_deref();
        let other = data.filter(|data| Some(*data) != own && is_folder(dataset, data));
        let answers = Answers::kept_by(run)?;
        let test = match other {
            Some(root) => {
                let all = ImageFolder::open(root, [folder.size; 2], folder.color())?;
                let all = if flat { all.flat() } else { all };
                TestSet {
                    name: name_of(root),
                    images: all.load()?,
                    counts: Vec::new(),
                }
            }
            None => {
                let sets = match data.or(own) {
                    // The training set need not be read.
                    Some(root) if is_folder(dataset, root) => {
                        Self::of_folder(folder, root, flat)?.0
                    }
                    root => Self::load(dataset, folder, root, flat)?,
                };
                let kept = answers.as_ref().map(|answers| &answers.counts);
                TestSet {
                    name: sets.name,
                    images: sets.test,
                    counts: kept
                        .filter(|n| !n.is_empty())
                        .unwrap_or(&sets.counts)
                        .clone(),
                }
            }
        };
        if let Some(answers) = answers
            && answers.classes != test.images.classes()
        {
            return Err(Error::usage(format!(
                "found the classes {:?}, but the run has learned {:?}",
                test.images.classes(),
                answers.classes
            )));
        }
        Ok(test)
    }
}

/// What a run is evaluated on.
pub(crate) struct TestSet {
    pub(crate) name: String,
    pub(crate) images: Images,
    /// Pictures of each class in the training set that it belongs to; none if it belongs to none.
    pub(crate) counts: Vec<usize>,
}

fn name_of(root: &Path) -> String {
    let name = root.file_name().unwrap_or(root.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The height of the pictures that the model of a run sees, if it is known.
pub(crate) fn size_of(run: &Run) -> Result<Option<usize>> {
    let answers = Answers::kept_by(run)?;
    Ok(answers.map(|answers| answers.shape[1]))
}

/// How many files there are in the user's own folder of pictures, if `root` is one.
pub(crate) fn count(dataset: &str, root: &Path) -> Option<usize> {
    /// Sets, classes, and what is in them.
    const DEPTH: usize = 3;
    fn files(folder: &Path, depth: usize) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let each = entries.map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => files(&entry.path(), depth - 1),
            Ok(kind) => usize::from(kind.is_file()),
            Err(_) => 0,
        });
        each.sum()
    }
    is_folder(dataset, root).then(|| files(root, DEPTH))
}

/// Whether `root` is the user's own folder of pictures, not one with the files of `dataset`.
fn is_folder(dataset: &str, root: &Path) -> bool {
    let has_folders = || {
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        entries
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .any(|entry| entry.path().is_dir())
    };
    dataset == FOLDER || (has_folders() && !is_set(dataset, root))
}

/// Whether the files of `dataset` lie in `root`.
fn is_set(dataset: &str, root: &Path) -> bool {
    let known = catalog::all().into_iter().find(|set| set.name == dataset);
    known.is_some_and(|set| Search::default().at(root).local(set).is_ok())
}

/// Where `root` has neither the files of `dataset`, which `error` says, nor folders: how the user's own pictures would lie
/// there.
fn or_own(error: Error, dataset: &str, root: &Path) -> Error {
    if !root.is_dir() || is_set(dataset, root) {
        return error;
    }
    let there = match ImageFolder::lying_in(root) {
        Ok(0) => "no folder and no pictures".to_owned(),
        Ok(count) => format!("no folder but {count} pictures"),
        Err(error) => return error,
    };
    Error::new(format!(
        "{error}; found {there}: your own pictures want one folder for each class in it, two at least"
    ))
}

/// How many pictures of each class in `part`, which is of the folder `root`, are readable. Reads them all.
fn readable(part: &Subset<ImageFolder>, root: &Path) -> Result<Vec<usize>> {
    let (all, labels) = (part.whole(), part.whole().labels());
    let is_readable = all.readable(part.indices());
    let read = part.indices().iter().zip(is_readable);
    let read: Vec<i64> = read
        .filter(|(_, is)| *is)
        .map(|(&i, _)| labels[i])
        .collect();
    let counts = class_counts(&read, part.classes().len());
    let Some(class) = counts.iter().position(|count| *count == 0) else {
        return Ok(counts);
    };
    let bad = part
        .indices()
        .iter()
        .filter(|&&i| labels[i] == class as i64);
    Err(Error::file(
        root,
        format!(
            "none of {} pictures of the class `{}` to train on is readable",
            bad.count(),
            part.classes()[class]
        ),
    ))
}

/// The files of the pictures in `part` that were read, seen from `root`.
fn read_files(part: &Subset<ImageFolder>, root: &Path) -> Vec<String> {
    let skipped: BTreeSet<PathBuf> = part.whole().skipped().into_iter().map(|f| f.path).collect();
    let paths: Vec<&Path> = part.whole().paths().collect();
    let read = part.indices().iter().map(|&i| paths[i]);
    read.filter(|path| !skipped.contains(*path))
        .map(|path| path.strip_prefix(root).unwrap_or(path))
        .map(|path| path.display().to_string())
        .collect()
}

/// Files of `folders` that were left out, each once.
pub(crate) fn skipped(folders: &[ImageFolder]) -> Vec<Skipped> {
    let mut all: Vec<Skipped> = folders.iter().flat_map(ImageFolder::skipped).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all.dedup();
    all
}

/// What a run's model sees and what it answers, kept beside its weights: `answers.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Channels, height and width of a picture.
    pub shape: [usize; 3],
    /// The names of the classes, by number.
    pub classes: Vec<String>,
    /// Whether the pictures came from a folder of the user's.
    pub is_folder: bool,
    /// Readable pictures of each class that it was trained on; none where that was not written.
    #[serde(default)]
    pub counts: Vec<usize>,
}

impl Answers {
    const FILE: &str = "answers.json";
    /// The longest that is read, in bytes: parsed it takes many times as much.
    const LONGEST: usize = 1 << 21;

    pub(crate) fn write(&self, run: &Run) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|e| Error::new(e.to_string()))?;
        run.write(Self::FILE, &text)
    }

    /// Those of a run on the set called `dataset`.
    pub(crate) fn of(run: &Run, dataset: &str) -> Result<Self> {
        let kept = Self::kept_by(run)?;
        Ok(kept.unwrap_or_else(|| Self::of_before(dataset)))
    }

    /// None where the run is of a build that did not write them.
    fn kept_by(run: &Run) -> Result<Option<Self>> {
        let path = run.folder().join(Self::FILE);
        path.exists().then(|| Self::read(&path)).transpose()
    }

    /// Reads an `answers.json`.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        if bytes.len() > Self::LONGEST {
            let (found, most) = (bytes.len(), Self::LONGEST);
            return Err(Error::file(
                path,
                format!("is damaged: {found} bytes, of which at most {most} are read"),
            ));
        }
        Self::parse(&bytes).map_err(|e| e.at(path))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let answers: Self =
            serde_json::from_slice(bytes).map_err(|e| Error::new(format!("is damaged: {e}")))?;
        // A picture is scaled to this: more memory than any recipe asks for would be taken.
        let [channels, height, width] = answers.shape;
        let fits =
            matches!(channels, 1 | 3) && [height, width].iter().all(|n| (1..=4096).contains(n));
        if !fits || answers.classes.is_empty() {
            return Err(Error::new("is damaged: no shape of pictures with classes"));
        }
        let (counts, classes) = (answers.counts.len(), answers.classes.len());
        if counts != 0 && counts != classes {
            return Err(Error::new(format!(
                "is damaged: {counts} counts of pictures for {classes} classes"
            )));
        }
        Ok(answers)
    }

    /// Those of a build that did not write them, on MNIST or Fashion-MNIST.
    fn of_before(dataset: &str) -> Self {
        let classes = match dataset {
            "fashion-mnist" => FashionMnist::CLASSES,
            _ => Mnist::CLASSES,
        };
        Self {
            shape: [1, 28, 28],
            classes: classes.map(str::to_owned).to_vec(),
            is_folder: false,
            counts: Vec::new(),
        }
    }

    /// Whether it was trained on MNIST's digits: small, gray, light on dark, in the middle.
    fn reads_digits(&self) -> bool {
        self.shape == [1, 28, 28] && !self.is_folder && self.classes == Mnist::CLASSES
    }

    /// Mean and standard deviation of the pictures' colours, where they have any.
    pub(crate) fn standard(&self, dataset: &str) -> Option<Standard> {
        match (self.shape[0], dataset) {
            (3, "cifar10") if !self.is_folder => Some([Cifar10::MEAN, Cifar10::STD]),
            (3, _) => Some(PHOTOGRAPHS),
            _ => None,
        }
    }

    /// The picture at `path` as the model sees it, `(1, C, H, W)`.
    pub(crate) fn see(&self, path: &Path) -> Result<Tensor> {
        if self.reads_digits() {
            let pixels = digit::read(path)?;
            return Ok(Tensor::from_slice(&pixels, [1, 1, 28, 28]));
        }
        let [channels, height, width] = self.shape;
        let color = if channels == 1 {
            Color::Gray
        } else {
            Color::Rgb
        };
        let picture = Picture::read(path, Some([height, width]), color)?;
        let pixels: Vec<f32> = picture
            .pixels
            .iter()
            .map(|x| f32::from(*x) / 255.0)
            .collect();
        Ok(Tensor::from_slice(&pixels, [1, channels, height, width]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, scratch};
    use std::fs;

    /// Writes `count` gray pictures into `folder`, each another.
    fn write(folder: &Path, count: u8) {
        fs::create_dir_all(folder).unwrap();
        for i in 0..count {
            let picture = eras_report::Picture::grey(16, 16, (0..=255).map(|p| p ^ i).collect());
            fs::write(folder.join(format!("{i}.png")), picture.png()).unwrap();
        }
    }

    fn load(root: &Path) -> Result<Sets> {
        Sets::load("cifar10", &FolderSettings::of_size(8), Some(root), false)
    }

    #[test]
    fn what_a_model_answers_is_read_as_it_was_written_or_refused() {
        let answers = Answers {
            shape: [3, 32, 48],
            classes: vec!["cat \u{1f408}".into(), "\"dog\"".into()],
            is_folder: true,
            counts: vec![7, 2],
        };
        let text = serde_json::to_string(&answers).unwrap();
        assert_eq!(Answers::parse(text.as_bytes()).unwrap(), answers);
        for (from, to) in [
            ("[3,32,48]", "[2,32,48]"),
            ("[3,32,48]", "[3,0,48]"),
            ("[3,32,48]", "[3,32,99999999]"),
            ("[3,32,48]", "[3,32]"),
            ("true", "1"),
            ("[7,2]", "[7]"),
            ("[7,2]", "[7,-2]"),
            ("}", ""),
        ] {
            let error = Answers::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("is damaged: "), "{error}");
        }
        let nobody = Answers {
            classes: Vec::new(),
            ..answers
        };
        let text = serde_json::to_string(&nobody).unwrap();
        assert!(Answers::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn one_class_alone_is_refused() {
        let root = scratch("one-class");
        let wanted = format!(
            "`{}`: found one class alone, `cat`, wanted a folder for each class, two at least",
            root.display()
        );
        let is_refused = || {
            let error = load(&root).err().unwrap();
            assert!(error.is_usage());
            assert_eq!(error.to_string(), wanted);
        };
        write(&root.join("cat"), 5);
        is_refused();
        write(&root.join("dog"), 5);
        assert_eq!(load(&root).unwrap().counts, [4, 4]);
        fs::remove_dir_all(&root).unwrap();
        write(&root.join("train/cat"), 5);
        write(&root.join("test/cat"), 5);
        is_refused();
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_folder_without_folders_is_told_how_pictures_lie_in_one() {
        let root = scratch("flat");
        fs::create_dir_all(&root).unwrap();
        let is_told = |dataset, there: &str| {
            let settings = FolderSettings::default();
            let error = Sets::load(dataset, &settings, Some(&root), false).err();
            let error = error.unwrap().to_string();
            let wanted =
                format!("; found {there}: your own pictures want one folder for each class in it");
            assert!(error.contains(&wanted), "{error}");
            assert!(error.starts_with(&format!("`{}", root.display())));
        };
        is_told("cifar10", "no folder and no pictures");
        is_told("mnist", "no folder and no pictures");
        write(&root, 3);
        is_told("cifar10", "no folder but 3 pictures");
        is_told("fashion-mnist", "no folder but 3 pictures");
        fs::remove_dir_all(root).unwrap();
    }

    /// The beginning of a picture, which shows nothing of what is missing.
    fn cut_off(path: &Path) {
        let picture = eras_report::Picture::grey(16, 16, (0..=255).map(|p| p ^ 99).collect());
        let bytes = picture.png();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }

    #[test]
    fn every_test_picture_knows_its_file_where_others_are_left_out() {
        let root = scratch("files");
        for part in ["train", "test"] {
            write(&root.join(part).join("cat"), 3);
            write(&root.join(part).join("dog"), 2);
        }
        fs::write(root.join("test/cat/0.png"), "no picture").unwrap();
        cut_off(&root.join("test/dog/0.png"));
        let sets = load(&root).unwrap();
        assert_eq!(sets.test.labels(), [0, 0, 1]);
        let wanted = ["test/cat/1.png", "test/cat/2.png", "test/dog/1.png"];
        assert_eq!(sets.files, wanted);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn pictures_that_are_not_readable_are_not_counted() {
        let root = scratch("counts");
        for part in ["train", "test"] {
            write(&root.join(part).join("cat"), 4);
            write(&root.join(part).join("dog"), 4);
        }
        cut_off(&root.join("train/dog/1.png"));
        fs::write(root.join("train/dog/2.png"), "no picture").unwrap();
        let sets = load(&root).unwrap();
        assert_eq!(sets.counts, [4, 2]);
        assert_eq!(sets.answers().counts, [4, 2]);
        assert_eq!(skipped(&sets.folders).len(), 2);

        cut_off(&root.join("train/dog/0.png"));
        cut_off(&root.join("train/dog/3.png"));
        let wanted = "none of 3 pictures of the class `dog` to train on is readable";
        let error = load(&root).err().unwrap().to_string();
        assert_eq!(error, format!("`{}`: {wanted}", root.display()));
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_run_on_a_folder_names_files_and_is_evaluated_by_the_weights_it_was_trained_with() {
        let (root, run) = (scratch("named"), scratch("named-run"));
        for (class, train) in [("cat", 8), ("dog", 4)] {
            write(&root.join("train").join(class), train);
            write(&root.join("test").join(class), 3);
            write(&root.join("val").join(class), 1);
        }
        cut_off(&root.join("train/dog/3.png"));
        let recipe = crate::find("mlp").unwrap();
        let small = ["hidden=[4]", "size=8", "batch_size=8", "epochs=1"];
        let outcome = testing::train_on(recipe, &small, Some(&root), &run, None, false).unwrap();
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        // Cats and dogs are the same pictures: of each two one is a mistake.
        assert_eq!(page.matches(".png</small>").count(), 3);
        for i in 0..3 {
            let is_named = |class| page.contains(&format!("<br/>test/{class}/{i}.png</small>"));
            assert!(is_named("cat") != is_named("dog"), "{i}");
        }
        assert!(page.contains("<dt>folders not used</dt><dd>val</dd>"));
        assert!(page.contains("<td class=\"n\">8</td>") && page.contains("<td class=\"n\">3</td>"));

        let evaluation = recipe.evaluate(&Run::open(&run).unwrap(), None).unwrap();
        let loss = outcome.measured.iter().find(|m| m.name == "test_loss");
        assert_eq!(evaluation.score.loss, loss.unwrap().value);
        fs::remove_dir_all(root).unwrap();
        fs::remove_dir_all(run).unwrap();
    }

    #[test]
    fn folders_beside_the_training_and_the_test_set_are_told() {
        let root = scratch("parts");
        for (part, count) in [("Train", 4), ("test", 3), ("val", 2)] {
            write(&root.join(part).join("cat"), count);
            write(&root.join(part).join("dog"), count);
        }
        let sets = load(&root).unwrap();
        assert_eq!(sets.test.classes(), ["cat", "dog"]);
        assert_eq!((sets.train.len(), sets.test.len()), (8, 6));
        assert_eq!(sets.unused, ["val"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn classes_are_weighed_where_they_are_unequal_enough() {
        let settings = FolderSettings::default();
        assert_eq!(settings.weights(&[10, 14]), None);
        assert_eq!(settings.weights(&[10, 30]), Some(vec![2.0, 20.0 / 30.0]));
        assert_eq!(settings.weights(&[]), None);
        let off = FolderSettings {
            class_weights: false,
            ..settings
        };
        assert_eq!(off.weights(&[10, 30]), None);
    }
}
