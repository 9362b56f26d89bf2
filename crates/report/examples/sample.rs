//! Makes a report with invented numbers, to see what one looks like: `cargo run -p eras-report --example
//! sample -- FOLDER`. Writes `report.html`, the pictures as files, and prints the curves.
//!
//! The digits are drawn by hand on a grid of five by seven, blurred to 28 by 28.

use eras_report::{
    Best, Chart, Confusion, Curve, Headline, Mistake, Picture, Report, Scale, Series, Table,
    curves, format,
};
use std::path::PathBuf;
use std::{env, fs, io};

const DIGITS: [[&str; 7]; 10] = [
    [
        " ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### ",
    ],
    [
        "  #  ", " ##  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### ",
    ],
    [
        " ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####",
    ],
    [
        " ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### ",
    ],
    [
        "   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # ",
    ],
    [
        "#####", "#    ", "#### ", "    #", "    #", "#   #", " ### ",
    ],
    [
        "  ## ", " #   ", "#    ", "#### ", "#   #", "#   #", " ### ",
    ],
    [
        "#####", "    #", "   # ", "  #  ", "  #  ", " #   ", " #   ",
    ],
    [
        " ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### ",
    ],
    [
        " ### ", "#   #", "#   #", " ####", "    #", "   # ", " ##  ",
    ],
];

/// A digit, slanted and blurred.
fn digit(which: usize, slant: f64) -> Picture {
    let ink = |x: f64, y: f64| {
        let mut sum = 0.0;
        for (row, line) in DIGITS[which].iter().enumerate() {
            for (column, _) in line.chars().enumerate().filter(|(_, c)| *c == '#') {
                let (dx, dy) = (
                    x - column as f64 - slant * (3.0 - row as f64),
                    y - row as f64,
                );
                sum += (-1.9 * (dx * dx + dy * dy)).exp();
            }
        }
        (255.0 * f64::min(sum * 1.25, 1.0)) as u8
    };
    let at = |i: usize| ink((i % 28) as f64 / 2.9 - 2.7, (i / 28) as f64 / 2.9 - 1.6);
    Picture::grey(28, 28, (0..784).map(at).collect())
}

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "sample-report".into()));
    fs::create_dir_all(&folder)?;

    let training = [
        0.2614, 0.0968, 0.0623, 0.0431, 0.0312, 0.0224, 0.0163, 0.0119, 0.0082, 0.0059, 0.0041,
        0.0029,
    ];
    let validation = [
        0.1187, 0.0812, 0.0723, 0.0651, 0.0668, 0.0634, 0.0671, 0.0663, 0.0712, 0.0698, 0.0724,
        0.0741,
    ];
    let train_accuracy = [
        0.9203, 0.9702, 0.9804, 0.9865, 0.9903, 0.9931, 0.9951, 0.9966, 0.9978, 0.9986, 0.9991,
        0.9994,
    ];
    let accuracy = [
        0.9634, 0.9751, 0.9776, 0.9803, 0.9799, 0.9821, 0.9815, 0.9832, 0.9824, 0.9838, 0.9841,
        0.9845,
    ];
    let loss = Chart::new("Loss")
        .x_label("epoch")
        .y_label("cross entropy")
        .y_scale(Scale::Log)
        .series(Series::by_epoch("training", &training))
        .series(Series::by_epoch("validation", &validation).best(Best::Lowest));
    let accuracies = Chart::new("Accuracy")
        .x_label("epoch")
        .y_label("share of examples recognized")
        .y_percent()
        .series(Series::by_epoch("training", &train_accuracy))
        .series(Series::by_epoch("validation", &accuracy).best(Best::Highest));
    fs::write(folder.join("loss.svg"), loss.svg())?;
    fs::write(folder.join("accuracy.svg"), accuracies.svg())?;

    let mistaken = [
        (4, 9, 14),
        (9, 4, 9),
        (7, 2, 8),
        (2, 7, 6),
        (5, 3, 9),
        (3, 5, 7),
        (8, 3, 6),
        (6, 0, 4),
        (8, 2, 3),
        (7, 9, 6),
        (9, 7, 5),
        (1, 7, 2),
        (5, 6, 4),
    ];
    let support = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    let mut counts = vec![0; 100];
    for class in 0..10 {
        counts[class * 11] = support[class];
    }
    for (truth, predicted, times) in mistaken {
        counts[truth * 10 + predicted] += times;
        counts[truth * 11] -= times;
    }
    let confusion = Confusion::new((0..10).map(|i| i.to_string()).collect(), counts);
    fs::write(folder.join("confusion.svg"), confusion.svg())?;

    let mut report = Report::new("mlp on MNIST")
        .lead("A multilayer perceptron, 784-512-512-10 with ReLU, trained for 12 epochs. Invented numbers: this page shows what a report looks like.")
        .headline(Headline::new("test accuracy", format::percent(0.9845)).note("promised: at least 98.20%"))
        .headline(Headline::new("test loss", format::significant(0.0741)))
        .headline(Headline::new("parameters", format::count(669_706)))
        .headline(Headline::new("training", format::seconds(8.42)))
        .headline(Headline::new("samples/s", format::count(85_510)))
        .headline(Headline::new("peak memory", format::bytes(131_000_000)))
        .chart(loss)
        .chart(accuracies)
        .confusion(confusion)
        .summary(
            Table::new(["layer", "output", "parameters", "FLOPs", "memory"])
                .row(["0 Dense + relu", "(128, 512)", "401,920", "102.8 M", "262 kB"])
                .row(["1 Dense + relu", "(128, 512)", "262,656", "67.1 M", "262 kB"])
                .row(["2 Dense", "(128, 10)", "5,130", "1.3 M", "5.1 kB"])
                .foot(["all", "", "669,706", "171.2 M", "8.6 MB"]),
        )
        .command("eras train mlp --epochs 12 --batch-size 128 --seed 0 --set lr=1.0 --set rho=0.95")
        .setting("recipe", "mlp")
        .setting("epochs", "12")
        .setting("batch size", "128")
        .setting("optimizer", "Adadelta")
        .setting("lr", "1.0")
        .setting("rho", "0.95")
        .setting("eps", "1e-7")
        .setting("init", "Glorot uniform")
        .setting("seed", "0")
        .environment("eras", "0.1.0")
        .environment("processor", "AVX-512, BF16")
        .environment("threads", "2")
        .environment("data", "MNIST, embedded")
        .environment("training examples", format::count(60_000))
        .environment("test examples", format::count(10_000))
        .environment("data SHA-256", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6")
        .footer("Made by eras 0.1.0.");
    let mut pictures = Vec::new();
    for (i, (truth, predicted, _)) in mistaken.into_iter().cycle().take(24).enumerate() {
        let picture = digit(truth, 0.3 * (i as f64 * 1.7).sin());
        pictures.push(picture.clone());
        let loss = 9.2 - 0.29 * i as f64;
        report = report.mistake(Mistake {
            picture,
            truth: truth.to_string(),
            predicted: predicted.to_string(),
            probability: 1.0 - 1.4 * (-loss).exp() - 0.012 * i as f64,
            loss,
            file: String::new(),
        });
    }
    Picture::grid(&pictures, 8).save(folder.join("grid.png"))?;
    fs::write(folder.join("report.html"), report.render())?;

    let lines = [
        Curve {
            name: "loss",
            values: &training,
            format: format::significant,
        },
        Curve {
            name: "validation loss",
            values: &validation,
            format: format::significant,
        },
        Curve {
            name: "validation accuracy",
            values: &accuracy,
            format: format::percent,
        },
    ];
    eprint!("{}", curves(&lines, 40));
    Ok(())
}
