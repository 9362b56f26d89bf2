//! Convolutions as a share of the machine's peak: `cargo run --release -p eras-kernels --example conv -- --threads 1`.
//!
//! The layers of a small network for digits, of ResNet-18 on small pictures, of DCGAN and of a U-Net, forward and both
//! gradients. The best of many runs counts; `-- NAME` runs only layers whose name contains it.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints its measurements"
)]

use eras_kernels::conv::{Shape, by_input, by_weight, forward};
use eras_kernels::matmul::Activation;
use eras_kernels::team;
use std::time::Instant;

/// A layer over images: name, batch, groups, channels in and out, height (and width) in, kernel, stride, padding.
type Layer = (
    &'static str,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
);

const LAYERS: [Layer; 27] = [
    ("cnn 1-32", 128, 1, 1, 32, 28, 3, 1, 0),
    ("cnn 32-64", 128, 1, 32, 64, 26, 3, 1, 0),
    ("resnet 3-64", 32, 1, 3, 64, 32, 3, 1, 1),
    ("resnet 64-64", 32, 1, 64, 64, 32, 3, 1, 1),
    ("resnet 64-128/2", 32, 1, 64, 128, 32, 3, 2, 1),
    ("resnet 64-128 1x1/2", 32, 1, 64, 128, 32, 1, 2, 0),
    ("resnet 128-128", 32, 1, 128, 128, 16, 3, 1, 1),
    ("resnet 128-256/2", 32, 1, 128, 256, 16, 3, 2, 1),
    ("resnet 256-256", 32, 1, 256, 256, 8, 3, 1, 1),
    ("resnet 256-512/2", 32, 1, 256, 512, 8, 3, 2, 1),
    ("resnet 512-512", 32, 1, 512, 512, 4, 3, 1, 1),
    ("dcgan 1-64/2", 64, 1, 1, 64, 28, 4, 2, 1),
    ("dcgan 64-128/2", 64, 1, 64, 128, 14, 4, 2, 1),
    ("unet 1-64", 32, 1, 1, 64, 28, 3, 1, 1),
    ("unet 64-64", 32, 1, 64, 64, 28, 3, 1, 1),
    ("unet 128-128", 32, 1, 128, 128, 14, 3, 1, 1),
    ("unet 256-256", 32, 1, 256, 256, 7, 3, 1, 1),
    ("unet 384-128", 32, 1, 384, 128, 14, 3, 1, 1),
    ("unet 192-64", 32, 1, 192, 64, 28, 3, 1, 1),
    ("1x1 256-256", 32, 1, 256, 256, 14, 1, 1, 0),
    ("depthwise 128", 32, 128, 1, 1, 28, 3, 1, 1),
    ("depthwise 256/2", 32, 256, 1, 1, 28, 3, 2, 1),
    ("depthwise 512", 32, 512, 1, 1, 8, 3, 1, 1),
    ("depthwise 96 7x7", 32, 96, 1, 1, 28, 7, 1, 3),
    ("groups 64 of 2", 32, 64, 2, 2, 28, 3, 1, 1),
    ("groups 32 of 4", 32, 32, 4, 4, 28, 3, 1, 1),
    ("groups 32 of 8", 32, 32, 8, 8, 14, 3, 1, 1),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let threads = args.iter().position(|arg| arg == "--threads");
    let threads = threads.map_or(1, |i| {
        args[i + 1].parse().expect("--threads wants a number")
    });
    let only = args.last().filter(|arg| arg.parse::<usize>().is_err());
    let peak = eras_kernels::peak::measure();
    let peak = if threads == 1 {
        peak.f32_one
    } else {
        peak.f32_one * threads as f64
    };
    println!(
        "peak of {threads} threads: {:.0} GFLOP/s in f32",
        peak / 1e9
    );
    println!(
        "{:20} {:>8} {:>17} {:>17} {:>17}",
        "GFLOP/s, % of peak", "GFLOP", "forward", "by input", "by weight"
    );
    team::set_threads(threads);
    for layer in LAYERS
        .iter()
        .filter(|layer| only.is_none_or(|only| layer.0.contains(&only[..])))
    {
        measure(threads, layer, peak);
    }
}

fn measure(
    threads: usize,
    &(name, batch, groups, c_in, c_out, n, kernel, stride, padding): &Layer,
    peak: f64,
) {
    let output = (n + 2 * padding - kernel) / stride + 1;
    let shape = Shape {
        batch,
        groups,
        c_in,
        c_out,
        input: [1, n, n],
        kernel: [1, kernel, kernel],
        output: [1, output, output],
        stride: [1, stride, stride],
        dilation: [1; 3],
        before: [0, padding, padding],
    };
    let numbers = |len: usize| {
        (0..len)
            .map(|i| ((i * 7919) % 2001) as f32 / 1000.0 - 1.0)
            .collect::<Vec<f32>>()
    };
    let (x, w, dy) = (numbers(shape.x()), numbers(shape.w()), numbers(shape.y()));
    let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
    let bias = numbers(groups * c_out);
    let flop = 2.0 * (shape.y() * c_in * kernel * kernel) as f64;
    print!("{name:20} {:8.3}", flop / 1e9);
    for pass in 0..3 {
        let mut best = f64::INFINITY;
        let begin = Instant::now();
        let mut runs = 0;
        while runs < 5 || (begin.elapsed().as_secs_f64() < 0.7 && runs < 300) {
            let start = now(threads);
            match pass {
                0 => forward(&mut y, &x, &w, Some(&bias), Activation::Relu, &shape),
                1 => by_input(&mut dx, &dy, &w, None, Activation::Identity, &shape),
                _ => by_weight(&mut dw, &x, &dy, &shape),
            }
            best = best.min(now(threads) - start);
            runs += 1;
        }
        print!(
            " {:8.1} {:6.1} %",
            flop / best / 1e9,
            100.0 * flop / best / peak
        );
    }
    println!();
}

/// Seconds: of this thread alone where it works alone, so that other programs disturb less.
fn now(threads: usize) -> f64 {
    #[cfg(target_os = "linux")]
    if threads == 1 {
        #[repr(C)]
        struct Time {
            seconds: i64,
            nanoseconds: i64,
        }
        #[expect(unsafe_code, reason = "the standard library does not tell this time")]
        unsafe extern "C" {
            fn clock_gettime(clock: i32, time: *mut Time) -> i32;
        }
        const OF_THIS_THREAD: i32 = 3;
        let mut time = Time {
            seconds: 0,
            nanoseconds: 0,
        };
        // SAFETY: the C library's function, with room for what it writes.
        #[expect(unsafe_code, reason = "as above")]
        let failed = unsafe { clock_gettime(OF_THIS_THREAD, &mut time) };
        assert_eq!(failed, 0);
        return time.seconds as f64 + time.nanoseconds as f64 * 1e-9;
    }
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64()
}
