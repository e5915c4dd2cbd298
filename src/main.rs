//! Thin door of the `carillon` binary.
fn main() {}
