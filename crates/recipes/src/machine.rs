//! What a report says of the machine.

use eras_kernels::simd::{Isa, isa};

/// Name and value of what matters to a result and its speed.
pub(crate) fn describe(threads: usize) -> Vec<(&'static str, String)> {
    let instructions = match isa() {
        Isa::Avx512 => "AVX-512",
        Isa::Avx2 => "AVX2 and FMA",
        Isa::Baseline => "baseline",
    };
    let mut facts = vec![
        ("eras", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "system",
            format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        ),
        ("instructions", instructions.to_owned()),
        ("threads", threads.to_string()),
    ];
    if let Some(name) = processor() {
        facts.insert(2, ("processor", name));
    }
    facts
}

/// The processor's name, where the system tells it.
fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The most memory this process has used so far, in bytes, where the system tells it.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
