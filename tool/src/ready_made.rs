//! The ready-made types, which the command recognises by their schema.

use repred::{
    And, Counter, DisableFlag, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, Min,
    MultiRegister, Or, Reduce, Register, Replicated, Schema, Set, TwoPhaseSet,
};

use crate::{
    format,
    show::{Show, json},
};

/// A ready-made type.
pub(crate) struct ReadyMade {
    schema: Schema,
    /// Its name in full. The schema may have a shortened one.
    pub(crate) name: String,
    pub(crate) show: Show,
}

/// The ready-made type that has this schema when none is given.
pub(crate) fn find(schema: &Schema) -> Option<ReadyMade> {
    table().into_iter().find(|known| known.schema == *schema)
}

fn entry<R: Replicated>() -> ReadyMade {
    let name = format::without_paths(std::any::type_name::<R>());
    ReadyMade { schema: Schema::of::<R>(), name, show: json::<<R as Reduce>::Update> }
}

/// Entries for a type with each of some parameters.
macro_rules! of_each {
    ($table:ident, $Type:ident: $($parameter:ty),*) => {
        $table.extend([$(entry::<$Type<$parameter>>()),*])
    };
}

/// Entries for a type with each of some pairs of parameters.
macro_rules! of_pairs {
    ($table:ident, $Type:ident: $(($key:ty, $value:ty)),*) => {
        $table.extend([$(entry::<$Type<$key, $value>>()),*])
    };
}

fn table() -> Vec<ReadyMade> {
    let mut table = vec![
        entry::<Counter>(),
        entry::<GrowCounter>(),
        entry::<Flag>(),
        entry::<DisableFlag>(),
        entry::<And>(),
        entry::<Or>(),
        entry::<Register<bool>>(),
        entry::<MultiRegister<bool>>(),
        entry::<Register<f64>>(),
        entry::<Map<String, Set<String>>>(),
        entry::<Map<String, Counter>>(),
        entry::<Map<String, Flag>>(),
        entry::<Map<String, Register<String>>>(),
    ];
    of_each!(table, GrowSet: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, Set: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, TwoPhaseSet: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, Register: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, MultiRegister: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, Events: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, Max: String, u8, u16, u32, u64, i32, i64);
    of_each!(table, Min: String, u8, u16, u32, u64, i32, i64);
    of_pairs!(table, LwwMap: (String, String), (String, u32), (String, u64), (String, i64));
    of_pairs!(table, LwwMap: (String, bool), (u32, String), (u64, String), (u64, u64));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_recognised_by_its_schema() {
        let table = table();
        for (place, known) in table.iter().enumerate() {
            let first = table.iter().position(|other| other.schema == known.schema);
            assert_eq!(first, Some(place), "{}", known.name);
        }
        let found = find(&Schema::of::<LwwMap<String, u32>>());
        assert_eq!(found.map(|found| found.name).as_deref(), Some("LwwMap<String, u32>"));
        assert!(find(&Schema::new("board", 1)).is_none());
    }
}
