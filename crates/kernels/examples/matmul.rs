//! Matrix products as a share of the machine's peak: `cargo run --release -p eras-kernels --features gemm --example matmul`.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints its measurements"
)]

use eras_kernels::matmul::{Epilogue, Mat, matmul, matmul_half};
use eras_kernels::team;
use half::bf16;
use std::time::Instant;

/// `(name, m, k, n, a transposed, b transposed)`: the products of an MLP's training step at batch 128, then cubes.
const PRODUCTS: [(&str, usize, usize, usize, bool, bool); 12] = [
    ("y1 = x W1ᵀ", 128, 784, 512, false, true),
    ("y2 = h1 W2ᵀ", 128, 512, 512, false, true),
    ("y3 = h2 W3ᵀ", 128, 512, 10, false, true),
    ("dh2 = dy3 W3", 128, 10, 512, false, false),
    ("dW3 = dy3ᵀ h2", 10, 128, 512, true, false),
    ("dh1 = dy2 W2", 128, 512, 512, false, false),
    ("dW2 = dy2ᵀ h1", 512, 128, 512, true, false),
    ("dW1 = dy1ᵀ x", 512, 128, 784, true, false),
    ("256", 256, 256, 256, false, false),
    ("512", 512, 512, 512, false, false),
    ("1024", 1024, 1024, 1024, false, false),
    ("2048", 2048, 2048, 2048, false, false),
];

fn mat<T>(data: &[T], rows: usize, cols: usize, t: bool) -> Mat<'_, T> {
    if t {
        Mat::rows(data, rows).t()
    } else {
        Mat::rows(data, cols)
    }
}

fn main() {
    let peak = eras_kernels::peak::measure().f32_one;
    println!("peak of one thread: {:.1} GFLOP/s in f32", peak / 1e9);
    let best = std::env::args().any(|arg| arg == "best"); // where other programs disturb
    let numbers = |len: usize| {
        (0..len)
            .map(|i| ((i * 7919) % 2001) as f32 / 1000.0 - 1.0)
            .collect::<Vec<f32>>()
    };
    println!(
        "{:16} {:>16} {:>16} {:>16} {:>16} {:>16}",
        "ms, % of peak", "gemm 1", "ours 1", "ours 2", "bf16 1", "bf16 2"
    );
    let mut step = [0.0; 5];
    for (name, m, k, n, ta, tb) in PRODUCTS {
        let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
        let narrow = |x: &[f32]| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
        let (ah, bh) = (narrow(&a), narrow(&b));
        let flop = 2.0 * (m * k * n) as f64;
        let times = if flop > 1e9 { 9 } else { 200 };
        let mut all = vec![vec![]; 5];
        for _ in 0..times {
            for (which, all) in all.iter_mut().enumerate() {
                team::set_threads(if which == 2 || which == 4 { 2 } else { 1 });
                if which == 2 || which == 4 {
                    team::run(2, |_| {
                        std::thread::sleep(std::time::Duration::from_micros(10))
                    });
                }
                let (a, b, ah, bh) = (
                    mat(&a, m, k, ta),
                    mat(&b, k, n, tb),
                    mat(&ah, m, k, ta),
                    mat(&bh, k, n, tb),
                );
                // Twice: the first fills the caches as a step before would have.
                for last in [false, true] {
                    let start = Instant::now();
                    match which {
                        0 => gemm_crate(&mut c, (m, k, n), a, b),
                        1 | 2 => matmul(&mut c, (m, k, n), a, b, &Epilogue::default()),
                        _ => matmul_half(&mut c, (m, k, n), ah, bh, &Epilogue::default()),
                    }
                    if last {
                        all.push(start.elapsed().as_secs_f64());
                    }
                }
            }
        }
        print!("{name:16}");
        for (i, all) in all.iter_mut().enumerate() {
            all.sort_by(f64::total_cmp);
            let median = if best { all[0] } else { all[all.len() / 2] };
            if ta || tb || k == 10 || name.starts_with('d') {
                step[i] += median;
            }
            let share = flop / median / peak / [1.0, 1.0, 2.0, 2.0, 4.0][i];
            print!(" {:8.4} {:5.1} %", median * 1e3, share * 100.0);
        }
        println!();
    }
    println!("step {:?} ms", step.map(|s| s * 1e3));
}

fn gemm_crate(c: &mut [f32], (m, k, n): (usize, usize, usize), a: Mat<'_, f32>, b: Mat<'_, f32>) {
    // SAFETY: the sizes are those that the matrices were made for.
    #[expect(unsafe_code, reason = "the other crate's interface")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
