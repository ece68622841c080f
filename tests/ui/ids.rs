use repred::{Counter, Reduce};

#[derive(Reduce)]
struct Given {
    #[reduce(id = 7)]
    up: Counter,
    #[reduce(id = 7)]
    down: Counter,
    #[reduce(id = 128)]
    too_large: Counter,
    #[reduce(id = -1)]
    negative: Counter,
}

#[derive(Reduce)]
struct Renamed {
    votes: Counter,
    #[reduce(rename = "votes")]
    all_votes: Counter,
}

#[derive(Reduce)]
struct SameVariant {
    up_votes: Counter,
    up__votes: Counter,
}

fn main() {}
