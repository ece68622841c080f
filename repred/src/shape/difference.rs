//! [`ShapeDifference`]: the first place at which two shapes differ.

use alloc::{
    borrow::ToOwned,
    collections::BTreeSet,
    string::{String, ToString},
};
use core::fmt;

use super::{Content, EnumKind, Field, Index, Shape, Type, Variant};

/// What the programs of two replicas, or of a replica and a file, do not agree about: the type of something in their state
/// or in their updates, or the state that they start with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShapeDifference {
    /// At a place in the state or in an update, the two have different types.
    Type {
        /// The place, from the state's or the update's type on: `Board.cards[].priority`. Elements of sequences and
        /// values of maps are `[]`, keys of maps `[key]`, the content of a variant `::Name`.
        path: String,
        /// What is there in our program.
        ours: String,
        /// What is there in the other one.
        theirs: String,
    },
    /// The two start with different states, or default values, so that they would differ for ever.
    Start,
    /// The shapes differ, but the other side's is too large to be said, or is no text that this version can read.
    Unknown,
}

impl fmt::Display for ShapeDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type { path, ours, theirs } => {
                write!(f, "{path} is {ours} here, and {theirs} there")
            }
            Self::Start => f.write_str("the two start with different states"),
            Self::Unknown => f.write_str("the types differ"),
        }
    }
}

/// How two shapes have to be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Both are of one version: what either writes, the other reads.
    Same,
    /// Ours is of a newer version, which reads what the other has written.
    Newer,
    /// Ours is of an older version, and what it has written can be read by the other.
    Older,
}

impl Shape {
    /// The first place at which two shapes differ in a way that makes something unreadable.
    ///
    /// In a state, fields of structs are found by their names, and may stand in any order. In an update, only the
    /// variants of derived updates have ids, so everything else stays where it is. A newer version may have more fields in a
    /// state, with defaults, and more variants.
    pub(crate) fn compare(&self, theirs: &Self, relation: Relation) -> Result<(), ShapeDifference> {
        let (older, newer) = match relation {
            Relation::Same | Relation::Older => (self, theirs),
            Relation::Newer => (theirs, self),
        };
        let rule = if relation == Relation::Same { Rule::Same } else { Rule::Grown };
        let compare = |side, older_root, newer_root| {
            let mut walk = Walk {
                older,
                newer,
                rule,
                side,
                path: String::new(),
                seen: BTreeSet::new(),
                levels: LEVELS,
            };
            // The type says what is meant, and there is only one where it has no name.
            walk.path = match (newer.types.get(newer_root).and_then(Type::name), side) {
                (Some(name), _) => name.to_owned(),
                (None, Side::State) => "the state".to_owned(),
                (None, Side::Update) => "the update".to_owned(),
            };
            walk.types(older_root, newer_root)
        };
        let compared = compare(Side::State, older.state, newer.state)
            .and_then(|()| compare(Side::Update, older.update, newer.update));
        compared.map_err(|Found { path, older, newer }| {
            let (ours, theirs) = match relation {
                Relation::Same | Relation::Older => (older, newer),
                Relation::Newer => (newer, older),
            };
            ShapeDifference::Type { path, ours, theirs }
        })
    }

    /// Whether an enum with ids in both has a variant that is called like one field in the older, and like another in
    /// the newer, with the same id: the field was renamed.
    fn is_renamed(&self, newer: &Self, old: &str, new: &str) -> bool {
        let ids = |shape: &Self, field: &str| {
            let all = shape.types.iter().filter_map(|ty| match ty {
                Type::Enum { kind: EnumKind::Ids, variants, .. } => Some(variants),
                _ => None,
            });
            let called = all.flatten().filter(|variant| is_called(&variant.name, field));
            called.map(|variant| variant.number).collect::<BTreeSet<_>>()
        };
        !ids(self, old).is_disjoint(&ids(newer, new))
    }
}

/// Whether the derive calls the variant of a field so.
fn is_called(variant: &str, field: &str) -> bool {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    plain(variant) == plain(field)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Same,
    Grown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    State,
    Update,
}

struct Found {
    path: String,
    older: String,
    newer: String,
}

/// How deep the types of two shapes are compared. Those of a program are not followed as deep.
const LEVELS: usize = 256;

/// What stands for nothing in a difference.
const NOTHING: &str = "nothing";

struct Walk<'a> {
    older: &'a Shape,
    newer: &'a Shape,
    rule: Rule,
    side: Side,
    path: String,
    /// What was compared, or is being compared: types may contain themselves.
    seen: BTreeSet<(Index, Index)>,
    /// How deep the types may still nest. A peer's text may nest them deeper than any program.
    levels: usize,
}

impl Walk<'_> {
    fn types(&mut self, older: Index, newer: Index) -> Result<(), Found> {
        let Some(levels) = self.levels.checked_sub(1) else { return self.differ(older, newer) };
        self.levels = levels;
        let compared = self.parts(older, newer);
        self.levels += 1;
        compared
    }

    fn parts(&mut self, older: Index, newer: Index) -> Result<(), Found> {
        if !self.seen.insert((older, newer)) {
            return Ok(());
        }
        let (old, new) = (self.older, self.newer);
        let (Some(old), Some(new)) = (old.types.get(older), new.types.get(newer)) else {
            return self.differ(older, newer);
        };
        // A newtype is encoded as what is in it. Its name tells metres from feet where nothing may have changed.
        if self.rule == Rule::Grown {
            match (old, new) {
                (Type::Newtype(_, old), Type::Newtype(_, new)) => return self.types(*old, *new),
                (Type::Newtype(_, old), _) => return self.types(*old, newer),
                (_, Type::Newtype(_, new)) => return self.types(older, *new),
                _ => {}
            }
        } else if old.name() != new.name() {
            return self.differ(older, newer);
        }
        match (old, new) {
            (Type::Plain(old), Type::Plain(new)) if old == new => Ok(()),
            (Type::Opaque(old), Type::Opaque(new)) if old == new => Ok(()),
            (Type::Unit(_), Type::Unit(_)) => Ok(()),
            (Type::Option(old), Type::Option(new)) => self.types(*old, *new),
            (Type::Newtype(_, old), Type::Newtype(_, new)) => self.types(*old, *new),
            (Type::Seq(old), Type::Seq(new)) => self.at("[]", *old, *new),
            (Type::Map(old_key, old_value), Type::Map(new_key, new_value)) => {
                self.at("[key]", *old_key, *new_key)?;
                self.at("[]", *old_value, *new_value)
            }
            (Type::Tuple(old), Type::Tuple(new))
            | (Type::TupleStruct(_, old), Type::TupleStruct(_, new)) => self.tuples(old, new),
            (Type::Struct(_, old), Type::Struct(name, new)) => match self.side {
                Side::State => self.named(name, old, new),
                Side::Update => self.in_order(name, old, new),
            },
            (
                Type::Enum { kind: old_kind, variants: old, .. },
                Type::Enum { kind: new_kind, variants: new, .. },
            ) if old_kind == new_kind => self.variants(*new_kind, old, new),
            _ => self.differ(older, newer),
        }
    }

    fn at(&mut self, step: &str, older: Index, newer: Index) -> Result<(), Found> {
        let length = self.path.len();
        self.path.push_str(step);
        let result = self.types(older, newer);
        self.path.truncate(length);
        result
    }

    fn differ(&self, older: Index, newer: Index) -> Result<(), Found> {
        let (mut older, mut newer) = (self.older.show(older), self.newer.show(newer));
        if older == newer {
            older.push_str(" of another kind");
            newer.push_str(" of one kind");
        }
        Err(Found { path: self.path.clone(), older, newer })
    }

    /// What only one of the two has.
    fn lacks(&self, step: &str, older: &str, newer: &str) -> Result<(), Found> {
        let (older, newer) = (older.to_owned(), newer.to_owned());
        Err(Found { path: format!("{}{step}", self.path), older, newer })
    }

    fn tuples(&mut self, older: &[Index], newer: &[Index]) -> Result<(), Found> {
        for (at, (&old, &new)) in older.iter().zip(newer).enumerate() {
            self.at(&format!(".{at}"), old, new)?;
        }
        if older.len() == newer.len() {
            return Ok(());
        }
        let [older, newer] = [older, newer].map(|parts| format!("a tuple of {}", parts.len()));
        Err(Found { path: self.path.clone(), older, newer })
    }

    /// The fields of a struct in a state, which are found by their names.
    fn named(&mut self, name: &str, older: &[Field], newer: &[Field]) -> Result<(), Found> {
        let is_in =
            |field: &Field, fields: &[Field]| fields.iter().any(|other| other.name == field.name);
        for (at, old) in older.iter().enumerate() {
            let new = newer.iter().find(|new| new.name == old.name).or_else(|| {
                let new = newer.get(at).filter(|new| !is_in(new, older))?;
                let is_renamed = self.rule == Rule::Grown
                    && self.older.is_renamed(self.newer, &old.name, &new.name)
                    && stays_in_place(older, newer);
                is_renamed.then_some(new)
            });
            let step = format!(".{}", old.name);
            match new {
                Some(new) => self.at(step_of(name, newer, &step), old.ty, new.ty)?,
                None => return self.lacks(&step, &self.older.show(old.ty), NOTHING),
            }
        }
        for (at, new) in newer.iter().enumerate() {
            let was_renamed = older.get(at).is_some_and(|old| !is_in(old, newer));
            if is_in(new, older) || was_renamed {
                continue;
            }
            let step = format!(".{}", new.name);
            let ty = self.newer.show(new.ty);
            if self.rule == Rule::Same {
                return self.lacks(&step, NOTHING, &ty);
            }
            if self.newer.knows_defaults && !new.has_default {
                return self.lacks(&step, NOTHING, &format!("{ty} without #[serde(default)]"));
            }
        }
        Ok(())
    }

    /// The fields of a struct in an update, or of a variant, of which only the values are encoded.
    fn in_order(&mut self, name: &str, older: &[Field], newer: &[Field]) -> Result<(), Found> {
        for (old, new) in older.iter().zip(newer) {
            if old.name != new.name {
                let [old, new] =
                    [old, new].map(|field| format!("a struct with `{}` in this place", field.name));
                return self.lacks("", &old, &new);
            }
            let step = format!(".{}", new.name);
            self.at(step_of(name, newer, &step), old.ty, new.ty)?;
        }
        let (old, new) = (older.get(newer.len()), newer.get(older.len()));
        match (old, new) {
            (Some(old), _) => {
                let ty = self.older.show(old.ty);
                self.lacks(&format!(".{}", old.name), &ty, NOTHING)
            }
            (_, Some(new)) => {
                let ty = self.newer.show(new.ty);
                self.lacks(&format!(".{}", new.name), NOTHING, &ty)
            }
            (None, None) => Ok(()),
        }
    }

    fn variants(
        &mut self,
        kind: EnumKind,
        older: &[Variant],
        newer: &[Variant],
    ) -> Result<(), Found> {
        for old in older {
            let step = format!("::{}", old.name);
            let Some(new) = newer.iter().find(|new| new.number == old.number) else {
                return self.lacks(&step, &variant(old, kind), NOTHING);
            };
            let may_be_renamed = kind == EnumKind::Ids && self.rule == Rule::Grown;
            if old.name != new.name && !may_be_renamed {
                return self.lacks("", &variant(old, kind), &variant(new, kind));
            }
            let length = self.path.len();
            self.path.push_str(&step);
            self.contents(&old.content, &new.content)?;
            self.path.truncate(length);
        }
        let is_new = |new: &&Variant| older.iter().all(|old| old.number != new.number);
        match newer.iter().find(is_new) {
            Some(new) if self.rule == Rule::Same => {
                self.lacks(&format!("::{}", new.name), NOTHING, &variant(new, kind))
            }
            _ => Ok(()),
        }
    }

    fn contents(&mut self, older: &Content, newer: &Content) -> Result<(), Found> {
        match (older, newer) {
            (Content::Unknown | Content::Unit, Content::Unknown | Content::Unit) => Ok(()),
            (Content::Newtype(old), Content::Newtype(new)) => self.types(*old, *new),
            (Content::Tuple(old), Content::Tuple(new)) => self.tuples(old, new),
            (Content::Struct(old), Content::Struct(new)) => self.in_order("", old, new),
            (old, new) => {
                let older = content(self.older, old);
                let newer = content(self.newer, new);
                Err(Found { path: self.path.clone(), older, newer })
            }
        }
    }
}

/// Whether fields were renamed, if they were, where they stood: only so does a reader find them.
fn stays_in_place(older: &[Field], newer: &[Field]) -> bool {
    let mut places = older.iter().zip(newer);
    older.len() <= newer.len()
        && places.all(|(old, new)| {
            old.name == new.name
                || !newer.iter().any(|new| new.name == old.name)
                    && !older.iter().any(|old| old.name == new.name)
        })
}

/// What a field adds to a path: nothing where a type has it to hold all it is.
fn step_of<'a>(name: &str, fields: &[Field], step: &'a str) -> &'a str {
    match (name, step) {
        ("Register", ".value") | (_, ".entries") if fields.len() == 1 || name == "Register" => "",
        _ => step,
    }
}

fn variant(variant: &Variant, kind: EnumKind) -> String {
    let word = if kind == EnumKind::Ids { "id" } else { "variant" };
    format!("{} ({word} {})", variant.name, variant.number)
}

fn content(shape: &Shape, content: &Content) -> String {
    match content {
        Content::Unknown | Content::Unit => "a variant without content".to_owned(),
        Content::Newtype(part) => shape.show(*part),
        Content::Tuple(parts) => format!("a tuple of {}", parts.len()),
        Content::Struct(fields) => {
            let names = fields.iter().map(|field| field.name.to_string());
            format!("a struct with {}", names.collect::<alloc::vec::Vec<_>>().join(", "))
        }
    }
}
