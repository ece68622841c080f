//! Files, memory and databases as storages.

use std::{env, fs, path::PathBuf, sync::Arc};

use redb::{Database, ReadableDatabase, TableDefinition};
use repred::{
    Counter, Replica,
    journal::{Files, Memory, Redb, Storage},
    testing,
};

/// A place in the file system that is gone when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = Self(env::temp_dir().join(format!("repred-{name}-{}", std::process::id())));
        place.clear();
        place
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_file(&self.0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}

#[test]
fn memory_passes_the_storage_check() {
    let disk = Memory::new();
    testing::storage::check(|| disk.clone());
}

#[test]
fn files_pass_the_storage_check() {
    let place = Place::new("files");
    testing::storage::check(|| Files::open(&place.0).unwrap());
}

#[test]
fn a_database_passes_the_storage_check() {
    let place = Place::new("database");
    testing::storage::check(|| Redb::open(&place.0).unwrap());
}

#[test]
fn a_replica_lives_in_a_database() {
    let place = Place::new("votes");
    for count in 1..4 {
        let votes = Replica::builder(Counter::default());
        let votes = votes.open_in(Redb::open(&place.0).unwrap()).unwrap();
        votes.update(1).unwrap().wait().unwrap();
        assert_eq!(votes.read(|votes| votes.value()).unwrap(), count);
        if count == 2 {
            votes.compact().unwrap();
        }
        assert!(Redb::open(&place.0).is_err(), "somebody uses it");
    }
}

#[test]
fn several_journals_and_other_tables_share_a_database() {
    let place = Place::new("shared");
    let database = Arc::new(Database::create(&place.0).unwrap());
    let open = |name| Redb::new(Arc::clone(&database), name);
    let votes = |name| Replica::builder(Counter::default()).open_in(open(name).unwrap()).unwrap();
    let (tea, coffee) = (votes("tea"), votes("coffee"));
    tea.update(1).unwrap();
    coffee.update(2).unwrap();
    tea.compact().unwrap();
    let mine: TableDefinition<'_, &str, u64> = TableDefinition::new("mine");
    let transaction = database.begin_write().unwrap();
    transaction.open_table(mine).unwrap().insert("answer", 42).unwrap();
    transaction.commit().unwrap();
    let refused = open("tea").map(drop).unwrap_err();
    assert!(refused.to_string().contains("\"tea\" in this database is open already"), "{refused}");
    drop(tea);
    assert_eq!(votes("tea").read(|votes| votes.value()).unwrap(), 1);
    drop(coffee);
    assert_eq!(votes("coffee").read(|votes| votes.value()).unwrap(), 2);
    assert!(open("milk").unwrap().names().unwrap().is_empty());
    let read = database.begin_read().unwrap().open_table(mine).unwrap();
    assert_eq!(read.get("answer").unwrap().unwrap().value(), 42);
}
