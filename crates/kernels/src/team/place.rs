//! Keeping a helper off the processor of the thread that it helps.
//!
//! A scheduler that sees two threads mostly asleep may run both on one processor (Linux does, measured on a virtual
//! machine of two), and then the helper only helps when the caller pauses. Nothing is pinned for longer than a helper
//! sleeps: a mask is narrowed for a moment, so that the system moves the thread, and put back.

#[cfg(target_os = "linux")]
mod linux {
    /// One bit for each processor, as in the C library's `cpu_set_t`.
    type Mask = [u64; 16];

    unsafe extern "C" {
        safe fn sched_getcpu() -> i32;
        fn sched_getaffinity(thread: i32, size: usize, mask: *mut Mask) -> i32;
        fn sched_setaffinity(thread: i32, size: usize, mask: *const Mask) -> i32;
    }

    /// The processor that runs this thread.
    pub(in crate::team) fn here() -> Option<usize> {
        usize::try_from(sched_getcpu()).ok()
    }

    /// As long as it lives, this thread runs elsewhere.
    pub(in crate::team) struct Elsewhere(Option<Mask>);

    /// Moves this thread to another processor than `cpu`, if it may use another.
    pub(in crate::team) fn avoid(cpu: usize) -> Elsewhere {
        let mut mask: Mask = [0; 16];
        let size = size_of::<Mask>();
        // SAFETY: `mask` has `size` bytes to write to; 0 is this thread.
        if cpu >= 1024 || unsafe { sched_getaffinity(0, size, &raw mut mask) } != 0 {
            return Elsewhere(None);
        }
        let mut others = mask;
        others[cpu / 64] &= !(1 << (cpu % 64));
        // SAFETY: `others` has `size` bytes to read. A mask without processors is refused.
        let moved = unsafe { sched_setaffinity(0, size, &raw const others) } == 0;
        Elsewhere(moved.then_some(mask))
    }

    impl Drop for Elsewhere {
        fn drop(&mut self) {
            if let Some(mask) = &self.0 {
                // SAFETY: `mask` has as many bytes to read; it is what the thread had before.
                unsafe { sched_setaffinity(0, size_of::<Mask>(), mask) };
            }
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{avoid, here};

/// Unknown.
#[cfg(not(target_os = "linux"))]
pub(super) fn here() -> Option<usize> {
    None
}

/// Nothing to do: [`here`] never tells a processor.
#[cfg(not(target_os = "linux"))]
pub(super) fn avoid(_cpu: usize) {}
