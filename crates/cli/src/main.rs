//! The command `eras`.

fn main() {}
