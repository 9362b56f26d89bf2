//! The most memory that this process ever held.

use std::fs;

/// The most resident memory this process had until now, in 10⁶ bytes; `None` where the system does not tell.
///
/// Linux tells it as `VmHWM` ("high water mark") in `/proc/self/status`. It counts the program itself, the threads'
/// stacks as far as they were touched, and what the pool of buffers keeps.
#[must_use]
pub fn peak_rss_mb() -> Option<f64> {
    parse(&fs::read_to_string("/proc/self/status").ok()?)
}

/// The line is `VmHWM:     5384 kB`, of 1024 bytes each.
fn parse(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kib_become_mb() {
        let status = "Name:\teras\nVmPeak:\t  999 kB\nVmHWM:\t   50000 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse(status), Some(51.2));
        assert_eq!(parse("Name:\teras\n"), None);
        assert_eq!(parse("VmHWM:\tmany kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn touching_memory_raises_it_and_freeing_does_not_lower_it() {
        let before = peak_rss_mb().unwrap();
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        drop(block);
        let after = peak_rss_mb().unwrap();
        // Other tests may have raised it before by as much as they held at once.
        assert!(
            after >= 64.0 && after >= before,
            "{before} MB, then {after} MB"
        );
    }
}
