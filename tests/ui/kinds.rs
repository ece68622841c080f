use repred::{Reduce, Register};

#[derive(Reduce)]
enum Phase {
    Open,
    Closed,
}

#[derive(Reduce)]
union Bits {
    float: f32,
    bits: u32,
}

#[derive(Reduce)]
struct Page<'a, T> {
    title: Register<&'a str>,
    content: Register<T>,
}

fn needs<R: Reduce>(_: R) {}

fn main() {
    needs(Phase::Open);
}
