//! All storages do the same.

use std::{collections::BTreeMap, env, fs, path::PathBuf, sync::Arc};

use redb::{Database, ReadableDatabase, TableDefinition};
use repred::{
    Counter, Replica,
    journal::{Files, Memory, Redb, Storage},
};
use repred_tests::Chance;

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

/// Does anything to a storage, and compares it with a map.
fn behaves(mut storage: impl Storage, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let names = ["journal-1", "journal-2", "journal-2.new"];
    for step in 0..400 {
        let name = names[chance.within(0..3)];
        match (chance.within(0..8), model.contains_key(name)) {
            (0, _) | (_, false) => {
                storage.create(name).unwrap();
                model.insert(name.to_owned(), Vec::new());
            }
            (1, true) => {
                storage.remove(name).unwrap();
                model.remove(name);
            }
            (2, true) => {
                let to = names[chance.within(0..3)];
                if to != name {
                    storage.rename(name, to).unwrap();
                    let file = model.remove(name).unwrap();
                    model.insert(to.to_owned(), file);
                }
            }
            (3, true) => {
                let file = model.get_mut(name).unwrap();
                file.truncate(chance.within(0..file.len() + 1));
                storage.truncate(name, file.len() as u64).unwrap();
            }
            (4, true) => {
                storage.sync(name).unwrap();
                storage.sync_names().unwrap();
            }
            (_, true) => write(&mut storage, name, model.get_mut(name).unwrap(), &mut chance),
        }
        compare(&mut storage, &model, &mut chance, step);
    }
    assert!(storage.size("nothing").is_err() && storage.remove("nothing").is_err());
}

fn write(storage: &mut impl Storage, name: &str, file: &mut Vec<u8>, chance: &mut Chance) {
    let bytes: Vec<_> = (0..chance.within(1..9000)).map(|_| chance.number() as u8).collect();
    let offset = file.len() - chance.within(0..file.len().min(100) + 1);
    let count = storage.write(name, offset as u64, &bytes).unwrap();
    assert!(count > 0);
    file.resize(file.len().max(offset + count), 0);
    file[offset..offset + count].copy_from_slice(&bytes[..count]);
}

fn compare(
    storage: &mut impl Storage,
    model: &BTreeMap<String, Vec<u8>>,
    chance: &mut Chance,
    step: usize,
) {
    let mut names = storage.names().unwrap();
    names.sort();
    assert!(names.iter().eq(model.keys()), "step {step}: {names:?}");
    for (name, file) in model {
        assert_eq!(storage.size(name).unwrap(), file.len() as u64, "step {step}");
        let start = chance.within(0..file.len() + 1);
        let mut bytes = vec![0; chance.within(0..9000)];
        let mut filled = 0;
        while filled < bytes.len() {
            let at = (start + filled) as u64;
            match storage.read(name, at, &mut bytes[filled..]).unwrap() {
                0 => break,
                count => filled += count,
            }
        }
        let end = file.len().min(start + bytes.len());
        assert_eq!(bytes[..filled], file[start..end], "step {step}");
    }
}

#[test]
fn memory_passes_the_storage_tests() {
    (0..10).for_each(|seed| behaves(Memory::new(), seed));
}

#[test]
fn files_pass_the_storage_tests() {
    let place = Place::new("files");
    for seed in 0..3 {
        place.clear();
        behaves(Files::open(&place.0).unwrap(), seed);
    }
}

#[test]
fn a_database_passes_the_storage_tests() {
    let place = Place::new("database");
    for seed in 0..3 {
        place.clear();
        behaves(Redb::open(&place.0).unwrap(), seed);
    }
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
fn several_journals_and_tables_of_the_users_share_a_database() {
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
