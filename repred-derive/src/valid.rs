//! The checks that look at more than one attribute at a time.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Data, DeriveInput};

use crate::{
    ast::{Field, Role, Struct, Variant},
    id,
    mistakes::Mistakes,
};

/// Notes why `input` cannot be a reducer whatever its attributes say; `false` if so.
pub(crate) fn check_kind(input: &DeriveInput, mistakes: &mut Mistakes) -> bool {
    let name = &input.ident;
    let before = mistakes.len();
    match &input.data {
        Data::Struct(_) => {}
        Data::Enum(data) => mistakes.note(
            data.enum_token,
            format_args!(
                "an enum has no fields to reduce into; wrap it: a field of type `Register<{name}>` \
                 replicates the whole enum, last writer wins"
            ),
        ),
        Data::Union(data) => mistakes.note(
            data.union_token,
            format_args!(
                "a union has no fields to reduce into; wrap what is in it: a field of type \
                 `Register<T>` replicates a whole value, last writer wins"
            ),
        ),
    }
    for parameter in input.generics.lifetimes() {
        mistakes.note(
            &parameter.lifetime,
            "a replicated state owns its data, because updates come from other machines: use owned \
             types, such as `String` for `&str`, and remove the lifetime",
        );
    }
    mistakes.len() == before
}

/// Notes what contradicts itself in the struct, and takes out what the compiler would report again.
pub(crate) fn check(input: &mut Struct<'_>, mistakes: &mut Mistakes) {
    check_names(input, mistakes);
    for field in &input.fields {
        check_words(field, mistakes);
        check_given_id(field, mistakes);
        check_serde(field, mistakes);
    }
    check_variants(input, mistakes);
}

fn check_names(input: &mut Struct<'_>, mistakes: &mut Mistakes) {
    let names = [input.update_ident(), input.changes_ident(), input.editor_ident()];
    let struct_ident = &input.input.ident;
    let before = mistakes.len();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            mistakes.note(
                name,
                "the update, the changes and the editor are three types: give them different names",
            );
        }
        if name == struct_ident {
            mistakes.note(name, "this is the name of the struct itself: choose another one");
        }
    }
    if mistakes.len() > before {
        input.attrs.update.name = None;
        input.attrs.changes.name = None;
        input.attrs.editor = None;
    }
}

/// Words that exclude each other.
fn check_words(field: &Field<'_>, mistakes: &mut Mistakes) {
    let attrs = &field.attrs;
    if attrs.skip.is_some() {
        if let Some(with) = &attrs.with {
            mistakes.note(
                with,
                "a field with `skip` is not reduced into: remove `with`, or remove `skip`",
            );
        }
        if let Some(recursive) = &attrs.recursive {
            mistakes.note(
                recursive,
                "a field with `skip` is not reduced into: remove `recursive`, or remove `skip`",
            );
        }
        if let Some(id) = &attrs.id {
            mistakes.note(id, "a field with `skip` has no updates that need an id: remove `id`");
        }
        if let Some(old_name) = &attrs.rename {
            mistakes.note(
                old_name,
                "a field with `skip` has no updates that need an id: remove `rename`",
            );
        }
    } else if let (Some(_), Some(old_name)) = (&attrs.id, &attrs.rename) {
        mistakes.note(old_name, "`id` says which id the field has: remove `rename`");
    }
    if attrs.with.is_none() {
        for (word, ty) in [("update", &attrs.update), ("changes", &attrs.changes)] {
            if let Some(ty) = ty {
                mistakes.note(
                    ty,
                    format_args!(
                        "`{word}` is the type of a function's {word}: name the function too, \
                         `with = path`, or remove `{word}`"
                    ),
                );
            }
        }
    }
}

fn check_given_id(field: &Field<'_>, mistakes: &mut Mistakes) {
    let Some(id) = &field.attrs.id else { return };
    if !id.base10_parse().is_ok_and(|id| id::GIVEN.contains(&id)) {
        mistakes.note(
            id,
            "an id is a number from 0 to 127; fields without one get theirs from their names",
        );
    }
}

/// Snapshots are written by serde, which must leave out the same fields as updates do.
fn check_serde(field: &Field<'_>, mistakes: &mut Mistakes) {
    let (name, serde) = (field.name(), &field.attrs.serde);
    if field.attrs.skip.is_some() {
        let is_left_out = serde.skip.is_some()
            || serde.skip_serializing.is_some() && serde.skip_deserializing.is_some();
        if !is_left_out {
            mistakes.note(
                field.original,
                format_args!(
                    "`{name}` is local, so snapshots must leave it out: add `#[serde(skip)]`"
                ),
            );
        }
    } else if let Some(word) = serde
        .skip
        .as_ref()
        .or(serde.skip_serializing.as_ref())
        .or(serde.skip_deserializing.as_ref())
    {
        mistakes.note(
            word,
            format_args!(
                "`{name}` is replicated, but snapshots would lose it: add `#[reduce(skip)]` if it \
                 is local, or remove this"
            ),
        );
    } else if let Some(word) = &serde.skip_serializing_if {
        mistakes.note(
            word,
            format_args!(
                "`{name}` is replicated, and snapshots have no names in them, so that a field left \
                 out now and then makes them unreadable: remove this"
            ),
        );
    }
}

/// No two fields may share an id or a name.
fn check_variants(input: &mut Struct<'_>, mistakes: &mut Mistakes) {
    for (id, fields) in sharing(input, |variant| variant.id) {
        let names = listed(&fields);
        for field in fields {
            mistakes.note(
                &field.member,
                format_args!(
                    "{names} have the same id, {id}: give the newer one another id, from 0 to 127, \
                     with `#[reduce(id = n)]`"
                ),
            );
        }
    }
    let by_name = sharing(input, |variant| variant.ident.to_string());
    for (variant, fields) in &by_name {
        let names = listed(fields);
        for field in fields {
            mistakes.note(
                &field.member,
                format_args!(
                    "{names} have the same variant, `{variant}`: rename one of them (with \
                     `#[reduce(rename = \"old_name\")]` it keeps its id)"
                ),
            );
        }
    }
    if !by_name.is_empty() {
        let mut seen = BTreeSet::new();
        for field in &mut input.fields {
            if !seen.insert(field.variant.ident.to_string()) {
                field.role = Role::Local;
            }
        }
    }
}

/// The fields whose variants have the same key, if there is more than one with it.
fn sharing<'f, 'a, K: Ord>(
    input: &'f Struct<'a>,
    key: impl Fn(&Variant) -> K,
) -> BTreeMap<K, Vec<&'f Field<'a>>> {
    let mut fields = BTreeMap::<K, Vec<_>>::new();
    for field in input.replicated() {
        fields.entry(key(&field.variant)).or_default().push(field);
    }
    fields.retain(|_, fields| fields.len() > 1);
    fields
}

fn listed(fields: &[&Field<'_>]) -> String {
    let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name())).collect();
    names.join(" and ")
}
