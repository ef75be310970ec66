//! The radgram program.

fn main() {}
