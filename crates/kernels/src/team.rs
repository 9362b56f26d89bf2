//! Placeholder of the team: one thread.

/// How many threads share the work.
pub fn threads() -> usize {
    1
}

/// Sets how many threads share the work from now on.
pub fn set_threads(_n: usize) {}

/// Calls `work(i)` once for each `i < tasks`, on any thread, and returns when all are done.
pub fn run(tasks: usize, work: impl Fn(usize) + Sync) {
    for i in 0..tasks {
        work(i);
    }
}
