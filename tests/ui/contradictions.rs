use repred::{Counter, Reduce};

fn max(state: &mut u64, update: u64) -> bool {
    std::mem::replace(state, update.max(*state)) != *state
}

#[derive(Reduce)]
struct Board {
    #[reduce(skip, with = max)]
    #[serde(skip)]
    local_with: u64,
    #[reduce(skip, id = 7)]
    #[serde(skip)]
    local_id: u64,
    #[reduce(skip, rename = "old")]
    #[serde(skip)]
    local_rename: u64,
    #[reduce(update = u64)]
    only_update: u64,
    #[reduce(changes = bool)]
    only_changes: u64,
    #[reduce(id = 7, rename = "old")]
    id_and_rename: Counter,
}

fn main() {}
