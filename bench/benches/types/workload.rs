//! [`Kind`]: the types that are compared, and what is done to each of them.

use repred_bench::Workload;

/// A type, as every library has it or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Max,
    Register,
    MultiRegister,
    LwwMap,
    GrowSet,
    Set,
    Map,
    Events,
}

/// One operation. Keys and elements are of ten bytes.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Adds one to the counter.
    Add,
    /// Raises the maximum to a value.
    Raise(u64),
    /// Writes the register.
    Write(u64),
    /// Writes a key of the map of plain values.
    Put(String, u64),
    /// Adds an element to the set.
    Insert(String),
    /// Removes an element from the set, which is there.
    Remove(String),
    /// Writes the register of a card.
    Text(String, u64),
    /// Adds one to the counter of a card.
    Vote(String),
    /// Appends an event.
    Push(u64),
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Counter,
        Self::Max,
        Self::Register,
        Self::MultiRegister,
        Self::LwwMap,
        Self::GrowSet,
        Self::Set,
        Self::Map,
        Self::Events,
    ];

    /// The type, and what is done to it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Counter => "Counter: additions of 1",
            Self::Max => "Max: each value is larger",
            Self::Register => "Register: writes",
            Self::MultiRegister => "MultiRegister: writes by one author",
            Self::LwwMap => "LwwMap: writes, some ten of each key",
            Self::GrowSet => "GrowSet: additions of new elements",
            Self::Set => "Set: three additions, then a removal",
            Self::Map => {
                "Map of { Register, Counter }: a write, then an addition, some five of both for each key"
            }
            Self::Events => "Events: appended in order",
        }
    }

    /// So many operations, the same at each run.
    pub(crate) fn ops(self, count: usize) -> Vec<Op> {
        let key = |index: usize| format!("key{index:07}");
        let each = |op: fn(u64) -> Op| (1..=count as u64).map(op).collect();
        match self {
            Self::Counter => each(|_| Op::Add),
            Self::Max => each(Op::Raise),
            Self::Register | Self::MultiRegister => each(Op::Write),
            Self::Events => each(Op::Push),
            Self::GrowSet => (0..count).map(|index| Op::Insert(key(index))).collect(),
            Self::Set => (0..count)
                .map(|index| match index % 4 {
                    3 => Op::Remove(key(index - 3)),
                    _ => Op::Insert(key(index)),
                })
                .collect(),
            Self::LwwMap => {
                let writes = Workload::new(count, count / 10);
                writes.updates().map(|(key, value)| Op::Put(key, value)).collect()
            }
            Self::Map => {
                let cards = Workload::new(count / 2, count / 10);
                let both =
                    |(key, value): (String, u64)| [Op::Text(key.clone(), value), Op::Vote(key)];
                cards.updates().flat_map(both).collect()
            }
        }
    }

    /// What memory is divided by.
    pub(crate) fn elements(self, value: u64) -> u64 {
        match self {
            Self::Counter | Self::Max | Self::Register | Self::MultiRegister => 1,
            Self::LwwMap | Self::GrowSet | Self::Set | Self::Map | Self::Events => value,
        }
    }
}
