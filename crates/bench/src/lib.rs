//! What this machine can do at best, and what share of it each workload reaches: `eras bench`.
//!
//! [`run`] measures the machine's limits (multiply-adds per second in f32 and bf16, bytes copied per second), then each
//! of the [`workloads`]: warm-up, then samples until the time is up, of which median and best are told, the median as a
//! share of the limit that the workload runs into (see [`Kind`]), and the peak of resident memory of a process that ran
//! this workload and nothing else.
//!
//! Nothing here prints: [`Measurement::to_json`] and [`Measurement::row`] say what there is to print.

// What `#[derive(Module)]` writes names `::eras::nn`: here that is the layers' crate.
extern crate eras_nn as eras;

mod clock;
mod machine;
mod measurement;
mod memory;
mod run;
mod workload;
mod workloads;

pub use measurement::{Kind, Measurement};
pub use memory::peak_rss_mb;
pub use run::{Options, run};
pub use workload::{Workload, workloads};
