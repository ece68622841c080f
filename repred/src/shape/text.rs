//! A shape as text: one definition for each type that has a name, in the order in which they are met.
//!
//! ```text
//! state Board
//! update BoardUpdate
//! struct Board { title: Register, cards: Map }
//! struct Register { value: str, latest: ?Stamp, is_reset: bool }
//! struct Map { entries: {u32: Card} }
//! newtype Time(u64)
//! struct Pair(u8, [str])
//! ids BoardUpdate { 15685 Title(str), 9025 Cards(MapUpdate) }
//! enum Phase { 0 Open, 1 Done(u8), 2 Moved { x: i32, y: i32 } }
//! ```
//!
//! `?T` is an option, `[T]` a sequence, `{K: V}` a map, `(A, B)` a tuple, `!T` what could not be traced. A field that has a
//! default is written `name?: T`, if the first line says that defaults are known.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Write as _;

use super::{Content, EnumKind, Field, Index, PLAIN, Shape, Type, UNKNOWN, Variant};

/// How deep types without names may nest in a text.
const DEPTH_LIMIT: usize = 64;

/// The most types in a text.
const TYPES_LIMIT: usize = 1 << 14;

/// How a shape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// As it is hashed: without what does not change an encoding.
    Bare,
    /// For people: a line for each field.
    Lines,
}

impl Shape {
    pub(super) fn text(&self, layout: Layout) -> String {
        let mut labels = Labels {
            shape: self,
            labels: BTreeMap::new(),
            order: Vec::new(),
            used: BTreeSet::new(),
        };
        labels.visit(self.state, &mut Vec::new());
        labels.visit(self.update, &mut Vec::new());
        let Labels { labels, order, .. } = labels;
        let mut printer = Printer { shape: self, labels, layout, out: String::new() };
        printer.all(&order);
        printer.out
    }

    /// The type at a place, in a few words.
    pub(super) fn show(&self, index: Index) -> String {
        let Some(ty) = self.types.get(index) else { return "?".to_owned() };
        match (ty, ty.name()) {
            (_, Some(name)) => name.to_owned(),
            (Type::Plain(name), _) => (*name).to_owned(),
            (Type::Opaque(name), _) => name.to_string(),
            (Type::Option(part), _) => format!("Option<{}>", self.show_part(*part)),
            (Type::Seq(part), _) => format!("[{}]", self.show_part(*part)),
            (Type::Map(key, value), _) => {
                format!("{{{}: {}}}", self.show_part(*key), self.show_part(*value))
            }
            (Type::Tuple(parts), _) => {
                let parts: Vec<_> = parts.iter().map(|&part| self.show_part(part)).collect();
                format!("({})", parts.join(", "))
            }
            (_, None) => "?".to_owned(),
        }
    }

    /// The same where it must not become long.
    fn show_part(&self, index: Index) -> String {
        match self.types.get(index) {
            Some(Type::Option(_) | Type::Seq(_) | Type::Map(..) | Type::Tuple(_)) => {
                "..".to_owned()
            }
            _ => self.show(index),
        }
    }

    /// Reads a shape that was written as lines.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        let mut parser = Parser { rest: text, types: Vec::new(), labels: BTreeMap::new() };
        parser.shape()
    }
}

/// What is called how.
struct Labels<'a> {
    shape: &'a Shape,
    labels: BTreeMap<Index, String>,
    order: Vec<Index>,
    used: BTreeSet<String>,
}

impl Labels<'_> {
    fn visit(&mut self, index: Index, above: &mut Vec<Index>) {
        if self.labels.contains_key(&index) {
            return;
        }
        let Some(ty) = self.shape.types.get(index) else { return };
        match ty.name() {
            Some(name) => self.label(index, name),
            // It contains itself without a name on the way.
            None if above.contains(&index) => return self.label(index, "itself"),
            None => {}
        }
        above.push(index);
        ty.any_part(|part| {
            self.visit(part, above);
            false
        });
        above.pop();
    }

    fn label(&mut self, index: Index, name: &str) {
        let is_free = |label: &str| !self.used.contains(label) && !PLAIN.contains(&label);
        let numbered = (2_u32..).map(|number| format!("{name}#{number}"));
        let mut labels = core::iter::once(name.to_owned()).chain(numbered);
        let label = labels.find(|label| is_free(label)).unwrap_or_default();
        self.used.insert(label.clone());
        self.labels.insert(index, label);
        self.order.push(index);
    }
}

struct Printer<'a> {
    shape: &'a Shape,
    labels: BTreeMap<Index, String>,
    layout: Layout,
    out: String,
}

impl Printer<'_> {
    fn all(&mut self, order: &[Index]) {
        if self.shape.knows_defaults && self.layout == Layout::Lines {
            self.out.push_str("defaults\n");
        }
        for (word, index) in [("state ", self.shape.state), ("update ", self.shape.update)] {
            self.out.push_str(word);
            self.part(index);
            self.out.push('\n');
        }
        for &index in order {
            self.definition(index);
            self.out.push('\n');
        }
    }

    fn definition(&mut self, index: Index) {
        let shape = self.shape;
        let ty = &shape.types[index];
        let word = match ty {
            Type::Newtype(..) => "newtype ",
            Type::Enum { kind: EnumKind::Ids, .. } => "ids ",
            Type::Enum { kind: EnumKind::Places, .. } => "enum ",
            Type::Unit(_) | Type::TupleStruct(..) | Type::Struct(..) => "struct ",
            _ => "type ",
        };
        self.out.push_str(word);
        let label = self.labels[&index].clone();
        self.name(&label);
        match ty {
            Type::Unit(_) => {}
            Type::Newtype(_, part) => self.tuple(&[*part]),
            Type::TupleStruct(_, parts) => self.tuple(parts),
            Type::Struct(_, fields) => self.fields(fields, true),
            Type::Enum { variants, .. } => {
                self.out.push_str(" {");
                for variant in variants {
                    self.line(true);
                    let _ = write!(self.out, "{} ", variant.number);
                    self.name(&variant.name);
                    match &variant.content {
                        Content::Unknown | Content::Unit => {}
                        Content::Newtype(part) => {
                            self.out.push_str(" of ");
                            self.part(*part);
                        }
                        Content::Tuple(parts) => self.tuple(parts),
                        Content::Struct(fields) => self.fields(fields, false),
                    }
                    self.out.push(',');
                }
                self.close(true);
            }
            ty => {
                self.out.push(' ');
                self.unnamed(ty);
            }
        }
    }

    fn tuple(&mut self, parts: &[Index]) {
        self.out.push('(');
        for (at, &part) in parts.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            self.part(part);
        }
        self.out.push(')');
    }

    fn fields(&mut self, fields: &[Field], has_lines: bool) {
        self.out.push_str(" {");
        for field in fields {
            self.line(has_lines);
            self.name(&field.name);
            let has_default = field.has_default && self.layout == Layout::Lines;
            self.out.push_str(if has_default { "?: " } else { ": " });
            self.part(field.ty);
            self.out.push(',');
        }
        self.close(has_lines);
    }

    fn line(&mut self, has_lines: bool) {
        let is_line = has_lines && self.layout == Layout::Lines;
        self.out.push_str(if is_line { "\n    " } else { " " });
    }

    fn close(&mut self, has_lines: bool) {
        let is_line = has_lines && self.layout == Layout::Lines;
        self.out.push_str(if is_line { "\n}" } else { " }" });
    }

    fn part(&mut self, index: Index) {
        if let Some(label) = self.labels.get(&index) {
            let label = label.clone();
            return self.name(&label);
        }
        match self.shape.types.get(index) {
            Some(ty) => self.unnamed(ty),
            None => self.out.push_str("!\"?\""),
        }
    }

    fn unnamed(&mut self, ty: &Type) {
        match ty {
            Type::Plain(name) => self.out.push_str(name),
            Type::Opaque(name) => {
                self.out.push('!');
                self.quoted(name);
            }
            Type::Option(part) => {
                self.out.push('?');
                self.part(*part);
            }
            Type::Seq(part) => {
                self.out.push('[');
                self.part(*part);
                self.out.push(']');
            }
            Type::Map(key, value) => {
                self.out.push('{');
                self.part(*key);
                self.out.push_str(": ");
                self.part(*value);
                self.out.push('}');
            }
            Type::Tuple(parts) => self.tuple(parts),
            _ => {}
        }
    }

    fn name(&mut self, name: &str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'#';
        if !name.is_empty() && name.bytes().all(is_plain) {
            self.out.push_str(name);
        } else {
            self.quoted(name);
        }
    }

    fn quoted(&mut self, name: &str) {
        self.out.push('"');
        for char in name.chars() {
            if matches!(char, '"' | '\\') {
                self.out.push('\\');
            }
            self.out.push(char);
        }
        self.out.push('"');
    }
}

/// A text that is no shape, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// How many bytes were left.
    pub(crate) left: usize,
}

struct Parser<'a> {
    rest: &'a str,
    types: Vec<Type>,
    labels: BTreeMap<String, Index>,
}

impl Parser<'_> {
    fn shape(&mut self) -> Result<Shape, ParseError> {
        let knows_defaults = self.eats_word("defaults");
        self.word("state")?;
        let state = self.part(0)?;
        self.word("update")?;
        let update = self.part(0)?;
        while !self.is_at_end() {
            self.definition()?;
        }
        // What was used has to be defined.
        if self.types.iter().any(|ty| matches!(ty, Type::Opaque(name) if name.is_empty())) {
            return Err(self.error());
        }
        let types = core::mem::take(&mut self.types);
        Ok(Shape { types, state, update, knows_defaults, has_unordered: false })
    }

    fn definition(&mut self) -> Result<(), ParseError> {
        let word = self.name()?;
        let label = self.name()?;
        let name = match label.split_once('#') {
            Some((name, number)) if number.parse::<u32>().is_ok() => name.to_owned(),
            _ => label.clone(),
        };
        let ty = match word.as_str() {
            "newtype" => {
                self.sign('(')?;
                let part = self.part(0)?;
                self.sign(')')?;
                Type::Newtype(name.into(), part)
            }
            "struct" if self.peeks('(') => Type::TupleStruct(name.into(), self.tuple(0)?),
            "struct" if self.peeks('{') => Type::Struct(name.into(), self.fields()?),
            "struct" => Type::Unit(name.into()),
            "enum" => {
                let variants = self.variants()?;
                Type::Enum { name: name.into(), kind: EnumKind::Places, variants }
            }
            "ids" => {
                let variants = self.variants()?;
                Type::Enum { name: name.into(), kind: EnumKind::Ids, variants }
            }
            "type" => self.unnamed(0)?,
            _ => return Err(self.error()),
        };
        let index = self.labelled(&label)?;
        match &mut self.types[index] {
            Type::Opaque(name) if name.is_empty() => self.types[index] = ty,
            _ => return Err(self.error()),
        }
        Ok(())
    }

    fn variants(&mut self) -> Result<Vec<Variant>, ParseError> {
        self.sign('{')?;
        let mut variants = Vec::new();
        while !self.eats('}') {
            let number = self.name()?.parse().map_err(|_| self.error())?;
            let name = self.name()?.into();
            let content = match self.peek() {
                Some('(') => Content::Tuple(self.tuple(0)?),
                Some('{') => Content::Struct(self.fields()?),
                Some(',') => Content::Unit,
                _ => {
                    self.word("of")?;
                    Content::Newtype(self.part(0)?)
                }
            };
            self.sign(',')?;
            variants.push(Variant { name, number, content });
        }
        Ok(variants)
    }

    fn fields(&mut self) -> Result<Vec<Field>, ParseError> {
        self.sign('{')?;
        let mut fields = Vec::new();
        while !self.eats('}') {
            let name = self.name()?.into();
            let has_default = self.eats('?');
            self.sign(':')?;
            fields.push(Field { name, ty: self.part(0)?, has_default });
            self.sign(',')?;
        }
        Ok(fields)
    }

    fn tuple(&mut self, depth: usize) -> Result<Vec<Index>, ParseError> {
        self.sign('(')?;
        let mut parts = Vec::new();
        while !self.eats(')') {
            if !parts.is_empty() {
                self.sign(',')?;
            }
            parts.push(self.part(depth)?);
        }
        Ok(parts)
    }

    fn part(&mut self, depth: usize) -> Result<Index, ParseError> {
        if matches!(self.peek(), Some('?' | '[' | '{' | '(' | '!')) {
            let ty = self.unnamed(depth)?;
            return self.add(ty);
        }
        let is_quoted = self.peeks('"');
        let name = self.name()?;
        match PLAIN.into_iter().find(|plain| *plain == name) {
            Some(plain) if !is_quoted => self.add(Type::Plain(plain)),
            _ => self.labelled(&name),
        }
    }

    fn unnamed(&mut self, depth: usize) -> Result<Type, ParseError> {
        if depth == DEPTH_LIMIT {
            return Err(self.error());
        }
        let depth = depth + 1;
        if self.eats('?') {
            return Ok(Type::Option(self.part(depth)?));
        }
        if self.eats('[') {
            let part = self.part(depth)?;
            self.sign(']')?;
            return Ok(Type::Seq(part));
        }
        if self.eats('{') {
            let key = self.part(depth)?;
            self.sign(':')?;
            let value = self.part(depth)?;
            self.sign('}')?;
            return Ok(Type::Map(key, value));
        }
        if self.eats('!') {
            let name = self.name()?;
            // Without a name, it is what a label stands for that is not defined yet.
            return if name.is_empty() { Err(self.error()) } else { Ok(Type::Opaque(name.into())) };
        }
        Ok(Type::Tuple(self.tuple(depth)?))
    }

    fn labelled(&mut self, label: &str) -> Result<Index, ParseError> {
        if let Some(&index) = self.labels.get(label) {
            return Ok(index);
        }
        let index = self.add(Type::Opaque("".into()))?;
        self.labels.insert(label.to_owned(), index);
        Ok(index)
    }

    fn add(&mut self, ty: Type) -> Result<Index, ParseError> {
        if self.types.len() >= TYPES_LIMIT {
            return Err(self.error());
        }
        self.types.push(ty);
        debug_assert!(self.types.len() < UNKNOWN);
        Ok(self.types.len() - 1)
    }

    // ---- tokens ----

    fn error(&self) -> ParseError {
        ParseError { left: self.rest.len() }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn peeks(&mut self, sign: char) -> bool {
        self.peek() == Some(sign)
    }

    fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn eats(&mut self, sign: char) -> bool {
        let is_there = self.peeks(sign);
        if is_there {
            self.rest = &self.rest[sign.len_utf8()..];
        }
        is_there
    }

    fn sign(&mut self, sign: char) -> Result<(), ParseError> {
        if self.eats(sign) { Ok(()) } else { Err(self.error()) }
    }

    fn eats_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let is_there = !self.peeks('"') && self.name().is_ok_and(|name| name == word);
        if !is_there {
            self.rest = before;
        }
        is_there
    }

    fn word(&mut self, word: &str) -> Result<(), ParseError> {
        if self.eats_word(word) { Ok(()) } else { Err(self.error()) }
    }

    fn name(&mut self) -> Result<String, ParseError> {
        if !self.eats('"') {
            let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '#');
            let end = self.rest.find(|char| !is_plain(char)).unwrap_or(self.rest.len());
            if end == 0 {
                return Err(self.error());
            }
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(name.to_owned());
        }
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(name);
                }
                '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
                char => name.push(char),
            }
        }
        Err(self.error())
    }
}
