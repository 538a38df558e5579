//! The `containerdns` program.

fn main() {}
