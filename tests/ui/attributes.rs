use repred::{Counter, Reduce};

fn max(state: &mut u64, update: u64) -> bool {
    std::mem::replace(state, update.max(*state)) != *state
}

#[derive(Reduce)]
#[reduce(skip)]
#[reduce(tag = "kind", update = Vec<u8>)]
#[reduce(crate = repred, changes(nam = "Change", derive = Eq))]
struct OnTheStruct {
    votes: Counter,
}

#[derive(Reduce)]
#[reduce(update(name = "an update"), update(name = "Vote"), crate = "repred", crate = "repred")]
#[reduce(changes(derive(Clone, PartialEq)))]
struct TwiceOnTheStruct {
    votes: Counter,
}

#[derive(Reduce)]
#[reduce(update(name = "Both"), changes(name = "Both"))]
struct OneName {
    votes: Counter,
}

#[derive(Reduce)]
struct OnFields {
    #[reduce(skipp)]
    unknown: Vec<u8>,
    #[reduce(crate = "repred")]
    of_structs: Vec<u8>,
    #[reduce(skip = true)]
    flag: Vec<u8>,
    #[reduce(with = "max")]
    quoted: u64,
    #[reduce(with = |state, update| max(state, update))]
    closure: u64,
    #[reduce(with)]
    without_value: u64,
    #[reduce(id = "seven")]
    quoted_id: Counter,
    #[reduce(rename = old_name)]
    unquoted: Counter,
    #[reduce(update(name = "Vote"))]
    of_a_type: Counter,
    #[reduce()]
    empty: Counter,
    #[reduce]
    bare: Counter,
    #[reduce(id = 1, id = 2)]
    twice: Counter,
    #[reduce(with = max)]
    #[reduce(with = max)]
    twice_apart: u64,
}

fn main() {}
