//! What `#[reduce(..)]` says, and what `#[serde(..)]` says about leaving a field out.

use std::fmt::Display;

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, ExprPath, LitInt, LitStr, Path, Token, Type,
    ext::IdentExt,
    meta::ParseNestedMeta,
    parse::{Parse, ParseStream},
    token,
};

use crate::mistakes::Mistakes;

const ON_STRUCT: &str = "a struct can have `crate = \"path\"`, `update(name = \"Name\", \
                         derive(Trait))`, `changes(name = \"Name\", derive(Trait))` and \
                         `editor(name = \"Name\")`";
const ON_EDITOR: &str = "an editor can have `name = \"Name\"`";
const ON_TYPE: &str = "a generated type can have `name = \"Name\"` and `derive(Trait)`";
const ON_FIELD: &str = "a field can have `skip`, `with = path`, `update = Type`, \
                        `changes = Type`, `id = 7`, `rename = \"old_name\"` and `recursive`";

/// The attributes of the struct.
#[derive(Default)]
pub(crate) struct StructAttrs {
    /// The path to the library, if it is not `::repred`.
    pub(crate) library: Option<Path>,
    pub(crate) update: TypeAttrs,
    pub(crate) changes: TypeAttrs,
    /// What the editor is called.
    pub(crate) editor: Option<Ident>,
}

/// What is wanted of a generated type.
#[derive(Default)]
pub(crate) struct TypeAttrs {
    pub(crate) name: Option<Ident>,
    /// What to derive beside `Debug` and `Clone`.
    pub(crate) derive: Vec<Path>,
}

/// The attributes of a field. Of the words that take no value, the word itself is kept, to point at.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) skip: Option<Path>,
    /// Its type contains the struct by way of another one.
    pub(crate) recursive: Option<Path>,
    pub(crate) with: Option<ExprPath>,
    pub(crate) update: Option<Type>,
    pub(crate) changes: Option<Type>,
    pub(crate) id: Option<LitInt>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) serde: SerdeAttrs,
    /// Part of it could not be understood, so nothing can be said about the field's role.
    pub(crate) unclear: bool,
}

/// The words of `#[serde(..)]` that leave a field out.
#[derive(Default)]
pub(crate) struct SerdeAttrs {
    pub(crate) skip: Option<Path>,
    pub(crate) skip_serializing: Option<Path>,
    pub(crate) skip_deserializing: Option<Path>,
    pub(crate) skip_serializing_if: Option<Path>,
}

impl StructAttrs {
    pub(crate) fn read(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        let (mut update, mut changes) = (None, None);
        for_each_key(attrs, mistakes, |key| match key.name().as_str() {
            "crate" => {
                let path = key.parsed_string("the path to repred in quotes, `crate = \"path\"`");
                key.set(&mut this.library, path);
            }
            "update" => {
                let attrs = TypeAttrs::read(key);
                key.set(&mut update, attrs);
            }
            "changes" => {
                let attrs = TypeAttrs::read(key);
                key.set(&mut changes, attrs);
            }
            "editor" => {
                let name = editor_name(key);
                key.set(&mut this.editor, name);
            }
            "skip" | "with" | "id" | "rename" => key.refuse("is for fields", ON_STRUCT),
            _ => key.refuse("is unknown", ON_STRUCT),
        });
        this.update = update.unwrap_or_default();
        this.changes = changes.unwrap_or_default();
        this
    }
}

/// `editor(name = "Name")`
fn editor_name(key: &mut Key<'_, '_>) -> Option<Ident> {
    let mut name = None;
    key.list("`editor(name = \"Name\")`", |key| match key.name().as_str() {
        "name" => {
            let value = key.parsed_string("a name in quotes, `name = \"Name\"`");
            key.set(&mut name, value);
        }
        _ => key.refuse("is unknown", ON_EDITOR),
    })?;
    name
}

impl TypeAttrs {
    fn read(key: &mut Key<'_, '_>) -> Option<Self> {
        let mut name = None;
        let mut derive = Vec::new();
        let wanted = format!("`{}(name = \"Name\", derive(Trait))`", key.name());
        key.list(&wanted, |key| match key.name().as_str() {
            "name" => {
                let value = key.parsed_string("a name in quotes, `name = \"Name\"`");
                key.set(&mut name, value);
            }
            "derive" => {
                key.list("`derive(Trait)`", |key| match key.name().as_str() {
                    "Debug" | "Clone" => {
                        key.refuse("is derived anyway", "`derive` is for what comes on top of it");
                    }
                    _ => derive.extend(key.alone()),
                });
            }
            _ => key.refuse("is unknown", ON_TYPE),
        })?;
        Some(Self { name, derive })
    }
}

impl FieldAttrs {
    pub(crate) fn read(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut this = Self::default();
        let mistakes_before = mistakes.len();
        for_each_key(attrs, mistakes, |key| match key.name().as_str() {
            "skip" => {
                let word = key.alone();
                key.set(&mut this.skip, word);
            }
            "recursive" => {
                let word = key.alone();
                key.set(&mut this.recursive, word);
            }
            "with" => {
                let path = key.value("the path of a function without quotes, `with = path`");
                key.set(&mut this.with, path);
            }
            "update" => {
                let ty = key.value("the type of the field's updates, `update = Type`");
                key.set(&mut this.update, ty);
            }
            "changes" => {
                let ty = key.value("the type the function returns, `changes = Type`");
                key.set(&mut this.changes, ty);
            }
            "id" => {
                let id = key.value("a number from 0 to 127, `id = 7`");
                key.set(&mut this.id, id);
            }
            "rename" => {
                let name = key.value("the field's old name in quotes, `rename = \"old_name\"`");
                key.set(&mut this.rename, name);
            }
            "crate" => key.refuse("is for the struct", ON_FIELD),
            _ => key.refuse("is unknown", ON_FIELD),
        });
        this.unclear = mistakes.len() > mistakes_before;
        this.serde = SerdeAttrs::read(attrs);
        this
    }
}

impl SerdeAttrs {
    /// Mistakes in these are for serde's own derive to report.
    fn read(attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            let _ = attr.parse_nested_meta(|meta| {
                pass_value(meta.input);
                match meta.path.to_token_stream().to_string().as_str() {
                    "skip" => this.skip = Some(meta.path),
                    "skip_serializing" => this.skip_serializing = Some(meta.path),
                    "skip_deserializing" => this.skip_deserializing = Some(meta.path),
                    "skip_serializing_if" => this.skip_serializing_if = Some(meta.path),
                    _ => {}
                }
                Ok(())
            });
        }
        this
    }
}

/// One `key`, `key = value` or `key(..)`.
struct Key<'a, 'm> {
    meta: ParseNestedMeta<'a>,
    mistakes: &'m mut Mistakes,
}

fn for_each_key(
    attrs: &[Attribute],
    mistakes: &mut Mistakes,
    mut read: impl FnMut(&mut Key<'_, '_>),
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("reduce")) {
        let parsed = attr.parse_nested_meta(|meta| {
            read(&mut Key { meta, mistakes });
            Ok(())
        });
        if let Err(error) = parsed {
            mistakes.note_error(error);
        }
    }
}

impl Key<'_, '_> {
    fn name(&self) -> String {
        self.meta.path.to_token_stream().to_string()
    }

    /// The word, if it stands alone.
    fn alone(&mut self) -> Option<Path> {
        if !self.is_at_end() {
            let name = self.name();
            self.expected(format_args!("`{name}` alone"));
            return None;
        }
        Some(self.meta.path.clone())
    }

    /// The value after `=`, if it is what is wanted.
    fn value<T: Parse>(&mut self, wanted: impl Display) -> Option<T> {
        let value = self.meta.value().and_then(T::parse);
        if value.is_err() || !self.is_at_end() {
            self.expected(wanted);
            return None;
        }
        value.ok()
    }

    /// The value after `=` with its quotes taken off.
    fn parsed_string<T: Parse>(&mut self, wanted: &str) -> Option<T> {
        let string: LitStr = self.value(wanted)?;
        let value = string.parse();
        if value.is_err() {
            self.mistakes.note(string, format_args!("expected {wanted}"));
        }
        value.ok()
    }

    /// Reads what is in the parentheses; `None` if there are none.
    fn list(&mut self, wanted: &str, mut read: impl FnMut(&mut Key<'_, '_>)) -> Option<()> {
        if !self.meta.input.peek(token::Paren) {
            self.expected(wanted);
            return None;
        }
        let parsed = self.meta.parse_nested_meta(|meta| {
            read(&mut Key { meta, mistakes: self.mistakes });
            Ok(())
        });
        parsed.map_err(|error| self.mistakes.note_error(error)).ok()
    }

    /// Fills the slot, unless this was said before.
    fn set<T>(&mut self, slot: &mut Option<T>, value: Option<T>) {
        if slot.is_some() {
            let name = self.name();
            self.mistakes
                .note(&self.meta.path, format_args!("`{name}` was said before; say it once"));
            return;
        }
        *slot = value;
    }

    fn refuse(&mut self, why: &str, allowed: &str) {
        pass_value(self.meta.input);
        let name = self.name();
        self.mistakes.note(&self.meta.path, format_args!("`{name}` {why}: {allowed}"));
    }

    fn expected(&mut self, wanted: impl Display) {
        pass_value(self.meta.input);
        self.mistakes.note_error(self.meta.error(format_args!("expected {wanted}")));
    }

    fn is_at_end(&self) -> bool {
        self.meta.input.is_empty() || self.meta.input.peek(Token![,])
    }
}

/// Goes on behind a value that cannot be read, to where the next key is: a comma alone does not tell, as
/// the parameters of a closure have them too.
fn pass_value(input: ParseStream<'_>) {
    while !input.is_empty() && !is_before_key(input) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

fn is_before_key(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let is_word = ahead.parse::<Token![,]>().is_ok() && ahead.call(Ident::parse_any).is_ok();
    is_word
        && (ahead.is_empty()
            || ahead.peek(Token![,])
            || ahead.peek(Token![=])
            || ahead.peek(token::Paren))
}
