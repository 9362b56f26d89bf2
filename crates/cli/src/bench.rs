//! `eras bench`.

use crate::args::{BenchArgs, Format};
use crate::output;
use eras_bench::{Measurement, Options, run};
use eras_tensor::Result;

/// Prints the machine's limits and each workload as it is measured.
pub(crate) fn bench(args: BenchArgs) -> Result<()> {
    let options = Options {
        only: args.only,
        threads: args.threads.map(usize::from),
        seconds: args.seconds,
        no_peak: args.no_peak,
        // Each workload runs in a process of its own, so that its memory is its own.
        program: std::env::current_exe().ok(),
    };
    if args.format == Format::Text {
        output::line(&Measurement::head());
    }
    run(&options, &mut |m| {
        output::line(&if args.format == Format::Json {
            m.to_json()
        } else {
            m.row()
        })
    })
}
