//! The command line as it is typed.

use clap::{Args as Arguments, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Deep learning in Rust, every era of it: train, evaluate and use its models.
#[derive(Debug, Parser)]
#[command(name = "eras", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every recipe of every era: paper, data, promised result
    List(ListArgs),
    /// The story of the field in a few minutes: each idea trained live, where it ended, what came next; leaves a page
    Tour(TourArgs),
    /// Train a recipe; leaves a run folder with metrics, checkpoints and a report
    Train(TrainArgs),
    /// Run recipes in full, compare with what they promise, and keep a table
    Reproduce(ReproduceArgs),
    /// Evaluate a run on its test set
    Eval(EvalArgs),
    /// Ask a run's model about pictures
    Predict(PredictArgs),
    /// Draw samples from a run's model, as a grid of pictures or an animation
    Sample(SampleArgs),
    /// Let a model go on with a text: that of a run, or one as Hugging Face's transformers writes it
    Generate(GenerateArgs),
    /// Learn a tokenizer, and turn texts into tokens and back
    Tokenizer {
        #[command(subcommand)]
        command: TokenizerCommand,
    },
    /// The data sets that Eras knows
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
    /// Look into a file of weights (safetensors, PyTorch, NumPy), or convert it to another kind
    Import(ImportArgs),
    /// Write the weights of a run as safetensors, PyTorch or NumPy
    Export(ExportArgs),
    /// Measure this machine's peak, and every workload as a share of it
    Bench(BenchArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// What they are, and where they are found on this machine
    List(ListArgs),
    /// Download one, verified, into the cache
    Get {
        /// The data set's name
        name: String,
    },
    /// Look for duplicates, near duplicates across the border, wrong labels and more; leaves a page with pictures
    Check(CheckArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON object a line on stdout, all else on stderr
    Json,
}

#[derive(Debug, Arguments)]
pub(crate) struct ListArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct TourArgs {
    /// Go to these stops only: mcculloch-pitts, hebb, perceptron, ..
    #[arg(long, value_name = "STOP", num_args = 1.., conflicts_with = "from")]
    pub(crate) only: Vec<String>,
    /// Begin at this stop
    #[arg(long, value_name = "STOP")]
    pub(crate) from: Option<String>,
    /// The page with all pictures
    #[arg(long, value_name = "FILE", default_value = "tour.html")]
    pub(crate) out: PathBuf,
    /// Wait for Enter after each stop, on a terminal
    #[arg(long)]
    pub(crate) pause: bool,
    /// The seed of everything random
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct TrainArgs {
    /// A recipe (see `eras list`), a config.toml to repeat, or with --resume a run folder
    pub(crate) what: String,
    /// Change a setting of the recipe, as in lr=0.5 (may be given more than once)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// How often the training set is gone through
    #[arg(long)]
    pub(crate) epochs: Option<u32>,
    /// Samples in a batch
    #[arg(long)]
    pub(crate) batch_size: Option<u32>,
    /// The seed of everything random
    #[arg(long)]
    pub(crate) seed: Option<u32>,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// The folder with the data set [default: $ERAS_DATA, the cache, or what is built in]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Begin with the weights of this file, not with random ones (its names: see `eras import --list` and `--map`)
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub(crate) weights: Option<PathBuf>,
    /// Begin with what fits of another run's weights; the rest, as a head for other classes, begins anew (to train only
    /// parts: --set freeze=NAMES)
    #[arg(long, value_name = "RUN", conflicts_with_all = ["resume", "weights"])]
    pub(crate) from: Option<PathBuf>,
    /// The run folder [default: runs/RECIPE-NUMBER]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with a run that was stopped: the one named, that in --out, or the recipe's latest in runs/
    #[arg(long)]
    pub(crate) resume: bool,
    /// Tell what the training will cost (parameters, FLOPs, memory, time), and do not train
    #[arg(long, conflicts_with = "resume")]
    pub(crate) dry_run: bool,
    /// Try learning rates from 1e-6 to 10 for a step each, say which suits, and do not train
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    pub(crate) find_lr: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct ReproduceArgs {
    /// Recipes (see `eras list`) [default: all]
    pub(crate) names: Vec<String>,
    /// The table; rows of recipes that are not run stay
    #[arg(long, value_name = "FILE", default_value = "RESULTS.md")]
    pub(crate) out: PathBuf,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct CheckArgs {
    /// A data set (see `eras data list`), or a folder of pictures: one folder a class, or train and test with those
    pub(crate) set: String,
    /// The folder with the data set
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to write the page [default: SET-check.html]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// The correlation of pixels from which two pictures are near duplicates
    #[arg(long, default_value_t = 0.98)]
    pub(crate) similarity: f64,
    /// Parts of the training set, each judged by a model that has not seen it
    #[arg(long, default_value_t = 4)]
    pub(crate) folds: usize,
    /// The seed of the folds and the models
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct EvalArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// The folder with the data set
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Threads to compute with [default: all processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct PredictArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// Pictures: PNG, JPEG, BMP, WebP
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How many classes to show for each
    #[arg(long, default_value_t = 3)]
    pub(crate) top: usize,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct SampleArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// How many samples
    #[arg(short = 'n', long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) count: u16,
    /// What they are drawn by
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Of this class, where the model can be told one
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// The way from the samples of one seed to those of another, as an animation
    #[arg(long, value_name = "SEED..SEED", value_parser = way, conflicts_with = "seed")]
    pub(crate) interpolate: Option<[u64; 2]>,
    /// The picture to write: PNG, animated where the samples move
    #[arg(short = 'o', long, value_name = "FILE", default_value = "samples.png")]
    pub(crate) out: PathBuf,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct GenerateArgs {
    /// The run folder, or one with config.json, model.safetensors and tokenizer.json
    pub(crate) model: PathBuf,
    /// The best weights of the run, not the latest
    #[arg(long)]
    pub(crate) best: bool,
    /// The text to go on with, or to translate (may be given more than once)
    #[arg(
        short = 'p',
        long,
        conflicts_with = "prompt_file",
        required_unless_present = "prompt_file"
    )]
    pub(crate) prompt: Vec<String>,
    /// The file with the text to go on with, or with a text to translate in each line
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt_file: Option<PathBuf>,
    /// At most so many tokens
    #[arg(
        short = 'n',
        long,
        default_value_t = 200,
        allow_negative_numbers = true
    )]
    pub(crate) max_tokens: usize,
    /// So many texts from each prompt, drawn by one seed more each
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), conflicts_with = "beams")]
    pub(crate) count: u16,
    /// Keep keys and values of at most so many tokens, which bounds the memory [default: the model's context]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "beams")]
    pub(crate) room: Option<u32>,
    /// Go on where the context is full: forget the older half of the text
    #[arg(long, conflicts_with = "beams")]
    pub(crate) slide: bool,
    /// Search the likeliest text with so many under way at once, instead of drawing; translations are always searched, by 4
    /// where nothing else is said
    #[arg(
        long,
        value_parser = clap::value_parser!(u16).range(1..=1024),
        conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "stop", "seed"]
    )]
    pub(crate) beams: Option<u16>,
    /// Draw by the probabilities of logits over this; 0 takes the likeliest token each time
    #[arg(long, default_value_t = Self::TEMPERATURE, allow_negative_numbers = true)]
    pub(crate) temperature: f64,
    /// Only of so many of the likeliest tokens; 0 for all
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) top_k: usize,
    /// Only of the likeliest tokens that have this share of the probability together
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) top_p: f64,
    /// Only of tokens at least so many times as likely as the likeliest
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) min_p: f64,
    /// Divide the logits of tokens that were there already by this
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) repetition_penalty: f64,
    /// Take this off the logits of tokens that were there already
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub(crate) presence_penalty: f64,
    /// Stop where this comes, which is not told (may be given more than once)
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// What tokens are drawn by
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads to compute with [default: all processors]; results do not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

impl GenerateArgs {
    /// Where nothing else is said.
    pub(crate) const TEMPERATURE: f64 = 0.8;
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenizerCommand {
    /// Learn one from files, and write it as a tokenizer.json
    Train(TokenizerTrainArgs),
    /// The tokens of a text, by number
    Encode(EncodeArgs),
    /// The text of tokens
    Decode(DecodeArgs),
}

/// How a text is cut to pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenizerKind {
    /// Pairs of bytes that are often neighbours, as in GPT-2
    Bpe,
    /// Words and their ends, as in BERT
    Wordpiece,
    /// The likeliest pieces, as in T5
    Unigram,
    /// Its characters
    Characters,
}

#[derive(Debug, Arguments)]
pub(crate) struct TokenizerTrainArgs {
    /// Texts in UTF-8
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How texts are cut to pieces
    #[arg(long, value_enum, default_value = "bpe")]
    pub(crate) kind: TokenizerKind,
    /// At most so many tokens (of characters: as many as there are)
    #[arg(long, default_value_t = 8000)]
    pub(crate) vocab: usize,
    /// Pieces that come less often are not made
    #[arg(long, default_value_t = 2)]
    pub(crate) min_frequency: u64,
    /// A token that stands for itself, as <end> (may be given more than once)
    #[arg(long, value_name = "TOKEN")]
    pub(crate) special: Vec<String>,
    /// The file to write
    #[arg(
        short = 'o',
        long,
        value_name = "FILE",
        default_value = "tokenizer.json"
    )]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Arguments)]
pub(crate) struct EncodeArgs {
    /// A tokenizer.json, or a folder with one
    pub(crate) tokenizer: PathBuf,
    /// The text [default: what comes on stdin]
    pub(crate) text: Option<String>,
    /// Show each token with its text, a line each
    #[arg(long)]
    pub(crate) show: bool,
}

#[derive(Debug, Arguments)]
pub(crate) struct DecodeArgs {
    /// A tokenizer.json, or a folder with one
    pub(crate) tokenizer: PathBuf,
    /// Numbers of tokens [default: what comes on stdin]
    pub(crate) tokens: Vec<u32>,
}

/// Two seeds, as in 3..8.
fn way(text: &str) -> Result<[u64; 2], String> {
    let seeds = text.split_once("..").and_then(|(from, to)| {
        let seed = |text: &str| text.trim().parse::<u64>().ok();
        Some([seed(from)?, seed(to)?])
    });
    seeds.ok_or_else(|| "wanted two seeds, as in 3..8".to_owned())
}

#[derive(Debug, Arguments)]
#[command(group = clap::ArgGroup::new("task").required(true).args(["list", "out"]).multiple(true))]
pub(crate) struct ImportArgs {
    /// The file: .safetensors, .pt, .pth, .bin, .npz, .npy; its contents decide, not its name
    pub(crate) file: PathBuf,
    /// Show names, types and shapes
    #[arg(long)]
    pub(crate) list: bool,
    /// Write what was read to a file, as its ending says
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Arguments)]
pub(crate) struct ExportArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// The file to write, as its ending says (.safetensors, .pt, .npz), or a folder as `transformers` reads it: one that is
    /// there, a name without an ending, or one that ends with /
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The best weights of the run, not the latest
    #[arg(long)]
    pub(crate) best: bool,
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// What happens to names of tensors.
#[derive(Debug, Arguments)]
pub(crate) struct NameArgs {
    /// Leave out tensors whose names fit, as optimizer.** (may be given more than once)
    #[arg(long, value_name = "PATTERN")]
    pub(crate) drop: Vec<String>,
    /// Rename by a table of lines "layers.*.linear.weight" = "*.fc.weight"
    #[arg(long, value_name = "TABLE")]
    pub(crate) map: Option<PathBuf>,
}

#[derive(Debug, Arguments)]
pub(crate) struct BenchArgs {
    /// A workload to measure, or the beginning of names with a * (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Threads to compute with [default: all processors, and one where that tells more]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Seconds to measure each workload
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Leave the machine's limits out; nothing has a share then
    #[arg(long)]
    pub(crate) no_peak: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Prints the completions for `shell`.
pub(crate) fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Args::command(), "eras", &mut std::io::stdout());
}
