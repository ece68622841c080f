//! [`Tree`]: a value as serde shows it, to be printed and compared without asking anything of its type.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display, Write as _},
};

use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::line::Line;
use crate::{
    encoding::EncodeError,
    id::ReplicaId,
    time::{Short, Time},
};

/// A value, as a tree. It prints much as `Debug` would.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tree {
    Leaf(String),
    /// A replica, a dot, a stamp or a time: what says who wrote something, not what.
    Name(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// A tuple, a struct or a variant. The fields of tuples have empty names.
    Record(String, Vec<(&'static str, Self)>),
}

impl Tree {
    /// A value as serde shows it.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        value.serialize(TreeBuilder)
    }

    /// What cannot be shown.
    pub(crate) fn unknown() -> Self {
        Self::Leaf("?".into())
    }

    /// Where two trees differ, with what is there in each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare(self, other, &mut String::new(), &mut found);
        found
    }

    /// As it prints, with what is not so in another tree marked.
    pub(crate) fn against(&self, other: &Self) -> Line {
        let text = mark(self, other).to_string();
        let parts = text.split(MARK).enumerate();
        parts.filter(|(_, part)| !part.is_empty()).fold(Line::default(), |line, (index, part)| {
            if index % 2 == 0 { line.plain(part) } else { line.marked(part) }
        })
    }

    /// The places at which two trees differ. Elements of lists are places by their content, entries of
    /// maps by their keys; who wrote something when does not matter.
    pub(crate) fn places(&self, other: &Self) -> BTreeSet<String> {
        let mut places = BTreeSet::new();
        touch(self, other, "", &mut places);
        places
    }

    /// Without what says who wrote something.
    fn anonymous(&self) -> String {
        let mut text = String::new();
        write_tree(self, &mut text, Names::Hidden).expect("strings take all");
        text
    }
}

/// A place where two trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// As one would write it behind the state.
    pub(crate) path: String,
    pub(crate) left: String,
    pub(crate) right: String,
}

/// What stands where the other tree has something.
const NOTHING: &str = "nothing";

fn compare(left: &Tree, right: &Tree, path: &mut String, found: &mut Vec<Difference>) {
    let length = path.len();
    match (left, right) {
        _ if left == right => {}
        (Tree::Record(name, lefts), Tree::Record(other, rights))
            if name == other && lefts.len() == rights.len() =>
        {
            for (index, ((field, left), (_, right))) in lefts.iter().zip(rights).enumerate() {
                let is_variant = name.contains("::") || name == "Some";
                match field.is_empty() {
                    true if is_variant && lefts.len() == 1 => {}
                    true => write!(path, ".{index}").expect("strings take all"),
                    false => write!(path, ".{field}").expect("strings take all"),
                }
                compare(left, right, path, found);
                path.truncate(length);
            }
        }
        (Tree::List(lefts), Tree::List(rights)) if lefts.len() == rights.len() => {
            for (index, (left, right)) in lefts.iter().zip(rights).enumerate() {
                write!(path, "[{index}]").expect("strings take all");
                compare(left, right, path, found);
                path.truncate(length);
            }
        }
        (Tree::Map(lefts), Tree::Map(rights)) => {
            let [lefts, rights] = [lefts, rights].map(|entries| {
                entries.iter().map(|(key, value)| (key, value)).collect::<BTreeMap<_, _>>()
            });
            let keys: BTreeSet<_> = lefts.keys().chain(rights.keys()).collect();
            for key in keys {
                write!(path, "[{key}]").expect("strings take all");
                match (lefts.get(key), rights.get(key)) {
                    (Some(left), Some(right)) => compare(left, right, path, found),
                    (left, right) => found.push(Difference {
                        path: path.clone(),
                        left: left.map_or(NOTHING.into(), ToString::to_string),
                        right: right.map_or(NOTHING.into(), ToString::to_string),
                    }),
                }
                path.truncate(length);
            }
        }
        _ => found.push(Difference {
            path: path.clone(),
            left: left.to_string(),
            right: right.to_string(),
        }),
    }
}

/// Stands where a difference begins and where it ends. Nothing else prints as this: strings are escaped.
const MARK: char = '\0';

/// The left tree, with marks around what is not so in the right one.
fn mark(left: &Tree, right: &Tree) -> Tree {
    let text = |tree: &Tree| Tree::Leaf(format!("{MARK}{tree}{MARK}"));
    match (left, right) {
        _ if left == right => left.clone(),
        (Tree::Record(name, lefts), Tree::Record(other, rights))
            if name == other && lefts.len() == rights.len() =>
        {
            let pairs = lefts.iter().zip(rights);
            let fields = pairs.map(|((field, left), (_, right))| (*field, mark(left, right)));
            Tree::Record(name.clone(), fields.collect())
        }
        (Tree::List(lefts), Tree::List(rights)) if lefts.len() == rights.len() => {
            Tree::List(lefts.iter().zip(rights).map(|(left, right)| mark(left, right)).collect())
        }
        (Tree::Map(lefts), Tree::Map(rights)) if !lefts.is_empty() => {
            let entries = lefts.iter().map(|(key, value)| {
                match rights.iter().find(|(other, _)| other == key) {
                    Some((_, other)) => (key.clone(), mark(value, other)),
                    None => (text(key), text(value)),
                }
            });
            Tree::Map(entries.collect())
        }
        _ => text(left),
    }
}

fn touch(left: &Tree, right: &Tree, path: &str, places: &mut BTreeSet<String>) {
    match (left, right) {
        _ if left == right => {}
        (Tree::Record(name, lefts), Tree::Record(other, rights))
            if name == other && lefts.len() == rights.len() =>
        {
            for (index, ((field, left), (_, right))) in lefts.iter().zip(rights).enumerate() {
                // That a stamp changes says that something beside it was written.
                if !matches!(left, Tree::Name(_)) || lefts.len() == 1 {
                    touch(left, right, &format!("{path}.{field}{index}"), places);
                }
            }
        }
        (Tree::List(lefts), Tree::List(rights)) => {
            let [lefts, rights] =
                [lefts, rights].map(|elements| elements.iter().collect::<BTreeSet<_>>());
            for element in lefts.symmetric_difference(&rights) {
                places.insert(format!("{path}[{}]", element.anonymous()));
            }
        }
        (Tree::Map(lefts), Tree::Map(rights)) => {
            let [lefts, rights] = [lefts, rights].map(|entries| {
                entries.iter().map(|(key, value)| (key, value)).collect::<BTreeMap<_, _>>()
            });
            for key in lefts.keys().chain(rights.keys()).collect::<BTreeSet<_>>() {
                let path = format!("{path}[{}]", key.anonymous());
                match (lefts.get(key), rights.get(key)) {
                    (Some(left), Some(right)) => touch(left, right, &path, places),
                    _ => drop(places.insert(path)),
                }
            }
        }
        _ => drop(places.insert(path.to_owned())),
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_tree(self, f, Names::Shown)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Shown,
    Hidden,
}

fn write_tree(tree: &Tree, f: &mut impl fmt::Write, names: Names) -> fmt::Result {
    match tree {
        Tree::Leaf(text) => f.write_str(text),
        Tree::Name(_) if names == Names::Hidden => f.write_char('•'),
        Tree::Name(text) => f.write_str(text),
        Tree::List(elements) => {
            f.write_char('[')?;
            for (index, element) in elements.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                write_tree(element, f, names)?;
            }
            f.write_char(']')
        }
        Tree::Map(entries) => {
            f.write_char('{')?;
            for (index, (key, value)) in entries.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { ", " })?;
                write_tree(key, f, names)?;
                f.write_str(": ")?;
                write_tree(value, f, names)?;
            }
            f.write_char('}')
        }
        Tree::Record(name, fields) => write_record(name, fields, f, names),
    }
}

fn write_record(
    name: &str,
    fields: &[(&'static str, Tree)],
    f: &mut impl fmt::Write,
    names: Names,
) -> fmt::Result {
    f.write_str(name)?;
    let is_named = fields.first().is_some_and(|(field, _)| !field.is_empty());
    if fields.is_empty() {
        return f.write_str(if name.is_empty() { "()" } else { "" });
    }
    f.write_str(if is_named { " { " } else { "(" })?;
    for (index, (field, value)) in fields.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        if is_named {
            write!(f, "{field}: ")?;
        }
        write_tree(value, f, names)?;
    }
    f.write_str(if is_named { " }" } else { ")" })
}

/// The serializer that makes a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeBuilder;

/// A tree to which parts are added.
#[derive(Debug)]
pub(crate) struct CompoundBuilder {
    name: String,
    fields: Vec<(&'static str, Tree)>,
    keys: Vec<Tree>,
}

impl CompoundBuilder {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), fields: Vec::new(), keys: Vec::new() }
    }

    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.fields.push((name, Tree::of(value)?));
        Ok(())
    }

    fn elements(self) -> Vec<Tree> {
        self.fields.into_iter().map(|(_, element)| element).collect()
    }

    fn record(self) -> Tree {
        let is = |names: &[&str]| {
            self.fields.len() == names.len()
                && self.fields.iter().zip(names).all(|((field, _), name)| field == name)
        };
        match (self.name.as_str(), &self.fields[..]) {
            ("Dot", [(_, origin), (_, seq)]) if is(&["origin", "seq"]) => {
                Tree::Name(format!("{origin}.{seq}"))
            }
            ("Stamp", [(_, time), (_, dot)]) if is(&["time", "dot"]) => {
                Tree::Name(format!("{dot}@{time}"))
            }
            _ => Tree::Record(self.name, self.fields),
        }
    }
}

/// What serializes as what it prints as.
macro_rules! leaves {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<Tree, EncodeError> {
            Ok(Tree::Leaf(format!("{value:?}")))
        }
    )*};
}

impl Serializer for TreeBuilder {
    type Ok = Tree;
    type Error = EncodeError;
    type SerializeSeq = CompoundBuilder;
    type SerializeTuple = CompoundBuilder;
    type SerializeTupleStruct = CompoundBuilder;
    type SerializeTupleVariant = CompoundBuilder;
    type SerializeMap = CompoundBuilder;
    type SerializeStruct = CompoundBuilder;
    type SerializeStructVariant = CompoundBuilder;

    // What chooses its form by this has the form it has on the wire.
    fn is_human_readable(&self) -> bool {
        false
    }

    leaves! {
        serialize_bool bool;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
        serialize_char char;
        serialize_str &str;
        serialize_bytes &[u8];
    }

    fn serialize_none(self) -> Result<Tree, EncodeError> {
        Ok(Tree::Leaf("None".into()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, EncodeError> {
        Ok(Tree::Record("Some".into(), vec![("", Tree::of(value)?)]))
    }

    fn serialize_unit(self) -> Result<Tree, EncodeError> {
        Ok(Tree::Leaf("()".into()))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Tree, EncodeError> {
        Ok(Tree::Leaf(name.into()))
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Tree, EncodeError> {
        Ok(Tree::Leaf(format!("{name}::{variant}")))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Tree, EncodeError> {
        let inner = Tree::of(value)?;
        Ok(match (name, &inner) {
            ("ReplicaId", Tree::Record(_, bytes)) => Tree::Name(replica(bytes)),
            ("Dots", _) => inner,
            ("Time", Tree::Leaf(ticks)) => Tree::Name(time(ticks)),
            _ => Tree::Record(name.into(), vec![("", inner)]),
        })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, EncodeError> {
        Ok(Tree::Record(format!("{name}::{variant}"), vec![("", Tree::of(value)?)]))
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(""))
    }

    fn serialize_tuple(self, _length: usize) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(""))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(format!("{name}::{variant}")))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(""))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(name))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<CompoundBuilder, EncodeError> {
        Ok(CompoundBuilder::new(format!("{name}::{variant}")))
    }
}

/// An id from the bytes it consists of, as `Debug` shows it.
fn time(ticks: &str) -> String {
    ticks.parse().map_or("?".into(), |ticks| Short(Time::from_ticks(ticks)).to_string())
}

fn replica(bytes: &[(&'static str, Tree)]) -> String {
    let byte = |tree: &Tree| match tree {
        Tree::Leaf(text) => text.parse::<u8>().ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = bytes.iter().map(|(_, tree)| byte(tree)).collect();
    let bytes = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.map_or("?".into(), |bytes| format!("{:?}", ReplicaId::from_bytes(bytes)))
}

/// Parts without names, and with.
macro_rules! parts {
    ($($trait:ident $method:ident => $end:expr;)*) => {$(
        impl $trait for CompoundBuilder {
            type Ok = Tree;
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.add("", value)
            }

            fn end(self) -> Result<Tree, EncodeError> {
                Ok($end(self))
            }
        }
    )*};
    ($($trait:ident;)*) => {$(
        impl $trait for CompoundBuilder {
            type Ok = Tree;
            type Error = EncodeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), EncodeError> {
                self.add(name, value)
            }

            fn end(self) -> Result<Tree, EncodeError> {
                Ok(self.record())
            }
        }
    )*};
}

parts! {
    SerializeSeq serialize_element => |builder: CompoundBuilder| Tree::List(builder.elements());
    SerializeTuple serialize_element => CompoundBuilder::record;
    SerializeTupleStruct serialize_field => CompoundBuilder::record;
    SerializeTupleVariant serialize_field => CompoundBuilder::record;
}

parts! {
    SerializeStruct;
    SerializeStructVariant;
}

impl SerializeMap for CompoundBuilder {
    type Ok = Tree;
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.keys.push(Tree::of(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.add("", value)
    }

    fn end(mut self) -> Result<Tree, EncodeError> {
        let keys = std::mem::take(&mut self.keys);
        Ok(Tree::Map(keys.into_iter().zip(self.elements()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        stamp::{Dot, Stamp},
        time::Time,
        types::Register,
    };

    #[derive(Serialize, Default)]
    struct Board {
        title: Register<String>,
        points: BTreeMap<u8, (i8, Option<char>)>,
        tags: BTreeSet<&'static str>,
        shape: Option<Shape>,
        adds: BTreeMap<Dot, &'static str>,
    }

    #[derive(Serialize)]
    enum Shape {
        Circle(u8),
        Square { side: u8 },
    }

    fn tree(value: &impl Serialize) -> Tree {
        Tree::of(value).unwrap()
    }

    #[test]
    fn a_value_prints_much_as_debug_would() {
        let mut board = Board { shape: Some(Shape::Square { side: 2 }), ..Board::default() };
        board.points.insert(1, (-1, Some('x')));
        board.adds.insert(Dot::new(0xa.into(), 3), "jim");
        board.tags.insert("new");
        assert_eq!(
            tree(&board).to_string(),
            "Board { title: Register { value: \"\", latest: None, is_reset: false }, points: {1: (-1, Some('x'))}, \
             tags: [\"new\"], shape: Some(Shape::Square { side: 2 }), adds: {a.3: \"jim\"} }"
        );
        let stamp = Stamp::new(Time::from_micros(7), 0xb.into(), 2);
        assert_eq!(tree(&stamp).to_string(), "b.2@7");
    }

    #[test]
    fn differences_have_paths() {
        let left = Board { shape: Some(Shape::Circle(1)), ..Board::default() };
        let mut right = Board { shape: Some(Shape::Circle(2)), ..Board::default() };
        right.points.insert(4, (0, None));
        let found = tree(&left).differences(&tree(&right));
        let found: Vec<_> =
            found.iter().map(|found| (&*found.path, &*found.left, &*found.right)).collect();
        assert_eq!(found, [(".points[4]", "nothing", "(0, None)"), (".shape", "1", "2")]);
    }

    #[test]
    fn parts_missing_from_the_other_tree_are_marked() {
        let marked = |left: &Tree, right: &Tree| {
            let parts = left.against(right).parts;
            let marked = parts.into_iter().filter(|part| part.is_marked).map(|part| part.text);
            marked.collect::<Vec<_>>()
        };
        let left = tree(&BTreeMap::from([(1, ("a", 2)), (3, ("\0", 4))]));
        let right = tree(&BTreeMap::from([(1, ("b", 2))]));
        assert_eq!(marked(&left, &right), ["\"a\"", "3", "(\"\\0\", 4)"]);
        assert_eq!(marked(&right, &left), ["\"b\""]);
        assert_eq!(left.against(&right).to_string(), left.to_string());
        assert_eq!(marked(&tree(&vec![1, 2]), &tree(&vec![1])), ["[1, 2]"]);
    }

    #[test]
    fn places_do_not_depend_on_the_author() {
        let add = |dot: u64, name| {
            let mut board = Board::default();
            board.adds.insert(Dot::new(0xa.into(), dot), name);
            tree(&Board::default()).places(&tree(&board))
        };
        assert_eq!(add(1, "jim"), add(2, "pam"));
        let tag = |tag| tree(&BTreeSet::<&str>::new()).places(&tree(&BTreeSet::from([tag])));
        assert_eq!(tag("x"), tag("x"));
        assert_ne!(tag("x"), tag("y"));
    }
}
