//! A map of one's own, outside the library, that does everything the library's [`Map`](repred::Map) does: its
//! public interface is enough for nested editing, failed edits, undo, removals by what their author has seen, and
//! superseding.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Deref,
    path::Path,
};

use repred::{
    Changes, Counter, Dot, Map, Reduce, Register, Replica, Set, Stamp, Time, UndoLog, Undone,
    edit::{Edit, Editor, Inverse, Keyed, KeyedPlace, Place, Rollback},
    testing::{Laws, Simulation},
    types::{Dots, Reset, ResetDetail},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// No value is the default. Some are not present: they remember what was reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OwnMap<K: Ord, V> {
    entries: BTreeMap<K, V>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum OwnUpdate<K, U> {
    Entry(K, Box<U>),
    Remove(K, Dots, ResetDetail),
}

#[derive(Clone, Debug)]
struct OwnChanges<C> {
    has_changed: bool,
    of_value: Option<Box<C>>,
    superseded: Vec<Dot>,
}

impl<C: Changes> Changes for OwnChanges<C> {
    fn is_empty(&self) -> bool {
        !self.has_changed
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.iter().copied().for_each(&mut *name);
        if let Some(changes) = &self.of_value {
            changes.superseded(name);
        }
    }
}

trait Key: Ord + Clone + Serialize + DeserializeOwned + Send + 'static {}

impl<K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Key for K {}

impl<K: Ord, V> Default for OwnMap<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

/// The latest dot of each origin behind a value.
fn dots_of<V: Reset>(value: &V) -> Dots {
    let mut dots = Dots::new();
    value.seen(&mut |dot| {
        dots.insert(dot);
    });
    dots
}

impl<K: Key, V: Reset> OwnMap<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).filter(|value| value.is_present())
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().filter(|(_, value)| value.is_present()).map(|(key, _)| key)
    }

    fn removal(&self, key: K) -> OwnUpdate<K, V::Update> {
        let value = self.entries.get(&key);
        let (seen, detail) = (value.map(dots_of), value.map(Reset::detail));
        OwnUpdate::Remove(key, seen.unwrap_or_default(), detail.unwrap_or_default())
    }

    fn change<T>(&mut self, key: &K, change: impl FnOnce(&mut V) -> T) -> T {
        let mut value = self.entries.remove(key).unwrap_or_default();
        let changed = change(&mut value);
        if !value.is_default() {
            self.entries.insert(key.clone(), value);
        }
        changed
    }
}

impl<K: Key, V: Reset> Reduce for OwnMap<K, V> {
    type Update = OwnUpdate<K, V::Update>;
    type Changes = OwnChanges<V::Changes>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        match update {
            OwnUpdate::Entry(key, update) => {
                let changes = self.change(&key, |value| value.reduce_resettable(*update, stamp));
                let has_changed = !changes.is_empty();
                OwnChanges { has_changed, of_value: Some(Box::new(changes)), superseded: vec![] }
            }
            OwnUpdate::Remove(key, mut seen, detail) => {
                seen.insert(Dot::new(stamp.origin(), stamp.dot.seq - 1));
                let mut superseded = Vec::new();
                let has_changed = self.change(&key, |value| {
                    value.reset(&seen, &detail, &mut |dot| superseded.push(dot))
                });
                OwnChanges { has_changed, of_value: None, superseded }
            }
        }
    }
}

impl<K: Key, V: Reset> Reset for OwnMap<K, V> {
    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.entries.values().for_each(|value| value.seen(see));
    }

    fn detail(&self) -> ResetDetail {
        ResetDetail::entries(self.entries.iter().map(|(key, value)| (key, value.detail())))
    }

    fn reset(
        &mut self,
        seen: &Dots,
        detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        let details: BTreeMap<K, _> = detail.to_map();
        let mut keys: Vec<_> = self.entries.keys().chain(details.keys()).cloned().collect();
        keys.sort();
        keys.dedup();
        let mut has_changed = false;
        for key in keys {
            let detail = details.get(&key).copied().unwrap_or(&ResetDetail::None);
            has_changed |= self.change(&key, |value| value.reset(seen, detail, superseded));
        }
        has_changed
    }

    fn is_present(&self) -> bool {
        self.keys().next().is_some()
    }

    fn is_default(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Key, V: Reset + Edit + Clone> Edit for OwnMap<K, V> {
    type Editor<P: Place<Self>> = OwnEditor<K, V, P>;

    fn rollback(&self, update: &Self::Update, _stamp: Stamp) -> Rollback<Self> {
        let (OwnUpdate::Entry(key, _) | OwnUpdate::Remove(key, ..)) = update;
        let (key, value) = (key.clone(), self.entries.get(key).cloned());
        Box::new(move |map| match value {
            Some(value) => drop(map.entries.insert(key, value)),
            None => drop(map.entries.remove(&key)),
        })
    }

    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let of_value = |key: K, updates: Vec<V::Update>| {
            let entry = move |update| OwnUpdate::Entry(key.clone(), Box::new(update));
            updates.into_iter().map(entry).collect::<Vec<_>>()
        };
        match update {
            OwnUpdate::Remove(key, ..) => {
                let (key, rebuilt) = (key.clone(), self.get(key).map(Edit::rebuild));
                let rebuilt = rebuilt.unwrap_or(Some(Vec::new()))?;
                Some(Box::new(move |map, _| match map.get(&key) {
                    Some(_) => Vec::new(),
                    None => of_value(key, rebuilt),
                }))
            }
            OwnUpdate::Entry(key, update) => {
                let (key, absent) = (key.clone(), V::default());
                let was_present = self.get(&key).is_some();
                let inverse = self.get(&key).unwrap_or(&absent).inverse(update, stamp)?;
                Some(Box::new(move |map, is_ours| {
                    let Some(value) = map.get(&key) else { return Vec::new() };
                    match dots_of(value).excluding(stamp.origin()).is_empty() && !was_present {
                        true => vec![map.removal(key)],
                        false => of_value(key, inverse(value, is_ours)),
                    }
                }))
            }
        }
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        let mut updates = Vec::new();
        for key in self.keys() {
            for update in self.get(key)?.rebuild()? {
                updates.push(OwnUpdate::Entry(key.clone(), Box::new(update)));
            }
        }
        Some(updates)
    }
}

impl<K: Key, V: Reset + Edit + Clone> Keyed<K> for OwnMap<K, V> {
    type Value = V;

    fn find(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    fn wrap(key: &K, update: V::Update) -> Self::Update {
        OwnUpdate::Entry(key.clone(), Box::new(update))
    }
}

/// The methods that the library's map has on `Editor` itself.
struct OwnEditor<K: Ord, V, P> {
    editor: Editor<OwnMap<K, V>, P>,
}

impl<K: Key, V: Reset + Edit + Clone, P: Place<OwnMap<K, V>>> OwnEditor<K, V, P> {
    fn entry(&mut self, key: K) -> V::Editor<KeyedPlace<'_, OwnMap<K, V>, K, P>> {
        self.editor.keyed(key)
    }

    fn remove(&mut self, key: &K) -> bool {
        let Some(value) = self.get(key) else { return false };
        let seen = dots_of(value).excluding(self.editor.origin());
        let removal = OwnUpdate::Remove(key.clone(), seen, value.detail());
        self.editor.update(removal)
    }
}

impl<K: Ord, V, P> From<Editor<OwnMap<K, V>, P>> for OwnEditor<K, V, P> {
    fn from(editor: Editor<OwnMap<K, V>, P>) -> Self {
        Self { editor }
    }
}

impl<K: Key, V: Reset, P: Place<OwnMap<K, V>>> Deref for OwnEditor<K, V, P> {
    type Target = OwnMap<K, V>;

    fn deref(&self) -> &OwnMap<K, V> {
        &self.editor
    }
}

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Card {
    text: Register<u8>,
    votes: Counter,
    tags: Set<u8>,
    parts: OwnMap<u8, Counter>,
}

type Cards = OwnMap<u8, Card>;

#[test]
fn its_parts_are_edited_like_plain_data() {
    let cards = Replica::new(Cards::default());
    cards
        .edit(|cards| {
            let mut card = cards.entry(7);
            card.text().set(3);
            card.parts().entry(1).add(5);
            assert_eq!(card.parts.get(&1).map(Counter::value), Some(5));
        })
        .unwrap();
    assert_eq!(cards.read(|cards| *cards.get(&7).unwrap().text.value()), Ok(3));
    assert!(cards.edit(|cards| cards.remove(&7)).unwrap());
    assert_eq!(cards.read(|cards| cards.keys().count()), Ok(0));
}

#[test]
fn an_edit_that_fails_leaves_it_as_it_was() {
    let cards = Replica::new(Cards::default());
    cards.edit(|cards| cards.entry(7).parts().entry(1).add(5)).unwrap();
    let before = cards.read(Clone::clone).unwrap();
    let failed = cards.try_edit(|cards| {
        cards.entry(7).parts().entry(2).add(1);
        cards.entry(8).tags().insert(1);
        cards.remove(&7);
        Err::<(), _>("no")
    });
    assert!(failed.is_err());
    assert_eq!(cards.read(Clone::clone).unwrap(), before);
}

#[test]
fn a_removal_takes_back_what_its_author_had_seen_and_nothing_else() {
    let stamp = |origin: u128, seq| Stamp::new(Time::from_micros(seq), origin.into(), seq);
    let add = |n| OwnUpdate::Entry(7, Box::new(CardUpdate::Votes(n)));
    let mut cards = Cards::default();
    cards.reduce(add(5), stamp(0xa, 1));
    let removal = cards.removal(7);
    cards.reduce(add(3), stamp(0xb, 1));
    cards.reduce(removal, stamp(0xc, 2));
    assert_eq!(cards.get(&7).map(|card| card.votes.value()), Some(3));
}

#[test]
fn what_it_holds_is_what_a_map_of_the_library_holds() {
    let (own, ready) = (Replica::new(Cards::default()), Replica::new(Map::<u8, Card>::default()));
    own.edit(|cards| {
        cards.entry(7).votes().add(2);
        cards.entry(8).tags().insert(1);
        cards.remove(&7);
    })
    .unwrap();
    ready
        .edit(|cards| {
            cards.entry(7).votes().add(2);
            cards.entry(8).tags().insert(1);
            cards.remove(&7);
        })
        .unwrap();
    let own_keys = own.read(|cards| cards.keys().copied().collect::<Vec<_>>()).unwrap();
    assert_eq!(own_keys, ready.read(|cards| cards.keys().copied().collect::<Vec<_>>()).unwrap());
    // Both have superseded the same entries.
    assert_eq!(own.history_len(), ready.history_len());
}

#[test]
fn an_edit_and_a_removal_are_undone() {
    let cards = Replica::new(Cards::default());
    cards.edit(|cards| cards.entry(7).votes().add(5)).unwrap();
    let votes = || cards.read(|cards| cards.get(&7).map(|card| card.votes.value())).unwrap();

    let mut log = UndoLog::new(&cards);
    log.edit(|cards| cards.entry(7).votes().add(2)).unwrap();
    assert_eq!(votes(), Some(7));
    assert_eq!(log.undo(), Ok(Undone::Edit));
    assert_eq!(votes(), Some(5));

    log.edit(|cards| cards.remove(&7)).unwrap();
    assert_eq!(votes(), None);
    assert_eq!(log.undo(), Ok(Undone::Edit));
    assert_eq!(votes(), Some(5));

    log.edit(|cards| cards.entry(8).votes().add(1)).unwrap();
    assert_eq!(log.undo(), Ok(Undone::Edit));
    assert_eq!(cards.read(|cards| cards.get(&8).cloned()), Ok(None));
}

#[test]
fn it_keeps_the_laws() {
    Laws::of(Cards::default).editable().check();
}

#[test]
fn it_survives_the_simulator() {
    Simulation::of(Cards::default).check();
}

/// The rest of the promise: what the ready-made types import from the library, and the methods that they call, users
/// can import and call.
#[test]
fn the_ready_made_types_use_the_public_interface_alone() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../repred/src");
    let read = |file: &str| fs::read_to_string(source.join(file)).unwrap();
    let words = |code: &str| -> Vec<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        code.split(|c| !is_part(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let after = |code: &str, start: &str| -> Vec<String> {
        code.split(start).skip(1).flat_map(|rest| words(rest.split(';').next().unwrap())).collect()
    };

    let (lib, types, edit) = (read("lib.rs"), read("types/mod.rs"), read("edit.rs"));
    let (lib, _) = lib.split_once("mod __private").unwrap();
    let mut public: BTreeSet<String> = after(lib, "pub use self::").into_iter().collect();
    public.extend(after(&types, "pub use crate::"));
    for item in ["\npub struct ", "\npub trait ", "\npub type "] {
        public.extend(edit.split(item).skip(1).map(|rest| words(rest)[0].clone()));
    }
    assert!(["Reduce", "Editor", "Reset"].iter().all(|name| public.contains(*name)), "{public:?}");

    let layers = ["id", "time", "stamp", "dots", "changes", "reduce", "edit", "reset"];
    // The clock of `time` is no method of what types use, and has names that iterators have, too.
    let private: BTreeSet<String> = layers
        .iter()
        .filter(|layer| **layer != "time")
        .flat_map(|layer| {
            let code = read(&format!("{layer}.rs"));
            let hidden = code.split("pub(crate) ").skip(1).filter_map(|rest| {
                let name = rest.trim_start_matches("const ").strip_prefix("fn ")?;
                Some(words(name)[0].clone())
            });
            hidden.collect::<Vec<_>>()
        })
        .collect();
    assert!(private.contains("new"), "that of an editor was not found: {private:?}");

    let mut files = 0;
    for file in fs::read_dir(source.join("types")).unwrap() {
        let path = file.unwrap().path();
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for word in after(code, "\nuse crate::") {
            let is_known = layers.contains(&&*word) || public.contains(&word);
            assert!(is_known, "{} imports `{word}`, which users cannot", path.display());
        }
        for name in &private {
            let is_called = [format!(".{name}("), format!("Editor::{name}(")];
            let is_called = is_called.iter().any(|call| code.contains(call));
            assert!(!is_called, "{} calls `{name}`, which users cannot", path.display());
        }
        files += 1;
    }
    assert!(files > 15, "the types were not found");
}
