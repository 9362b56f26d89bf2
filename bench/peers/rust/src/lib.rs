//! What the two programs share: arguments, the clock, the line they print.

use std::time::Instant;

/// `--workload NAME --threads N --seconds S --device NAME`
pub struct Args {
    pub workload: String,
    pub threads: usize,
    pub seconds: f64,
    /// Burn only: `flex` or `ndarray`.
    pub device: String,
}

impl Args {
    /// Reads the command line, and tells `rayon` the number of threads before anybody asks for its pool.
    pub fn parse() -> Self {
        let mut args = Self {
            workload: "mlp".into(),
            threads: 2,
            seconds: 5.0,
            device: "flex".into(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words
                .next()
                .unwrap_or_else(|| panic!("{name} wants a value"));
            match name.as_str() {
                "--workload" => args.workload = value,
                "--threads" => args.threads = value.parse().expect("--threads wants a number"),
                "--seconds" => args.seconds = value.parse().expect("--seconds wants a number"),
                "--device" => args.device = value,
                _ => panic!("unknown argument {name}"),
            }
        }
        assert!(
            ["mlp", "cnn"].contains(&args.workload.as_str()),
            "these programs know the workloads mlp and cnn only"
        );
        // SAFETY: no other thread has been started yet.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", args.threads.to_string()) };
        args
    }
}

/// Runs `step` for a fifth of the time to warm up, then for the whole of it, and prints the line of results.
pub fn measure(args: &Args, mut step: impl FnMut()) {
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < args.seconds / 5.0 {
        step();
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed().as_secs_f64() < args.seconds || times.len() < 10 {
        let began = Instant::now();
        step();
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!(
        r#"{{"workload":"{}","median_ms":{:.4},"best_ms":{:.4},"rss_mb":{:.1},"threads":{},"steps":{}}}"#,
        args.workload,
        times[times.len() / 2],
        times[0],
        peak_rss_mb(),
        args.threads,
        times.len()
    );
}

/// Peak resident memory of this process in MB (10⁶ bytes), as Linux counts it.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|l| l.starts_with("VmHWM:"))
        .expect("VmHWM");
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number of kB");
    kib * 1024.0 / 1e6
}

/// A batch of noise and labels, the same every time: `x (128, 784)` in [0, 1), `y (128)` in 0..10. For `cnn` the rows are
/// pictures `(1, 28, 28)`.
pub fn batch() -> (Vec<f32>, Vec<u32>) {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    };
    let x = (0..128 * 784)
        .map(|_| next() as f32 / (1 << 24) as f32)
        .collect();
    let y = (0..128).map(|_| next() % 10).collect();
    (x, y)
}
