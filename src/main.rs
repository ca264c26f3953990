//! nuvem
fn main() {}
