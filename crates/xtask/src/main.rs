//! House tasks: `cargo xtask TASK`.

fn main() {}
