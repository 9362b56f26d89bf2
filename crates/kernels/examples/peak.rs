//! Prints what this machine can do at best: `cargo run --release -p eras-kernels --example peak`.
#![expect(
    clippy::print_stdout,
    reason = "a program that prints its measurements"
)]

fn main() {
    println!("{:#.3?}", eras_kernels::peak::measure());
}
