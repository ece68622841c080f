//! The command `repred`.

fn main() {}
