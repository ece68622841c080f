//! [`Struct`] and [`Field`]: the input in the words of this crate.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{Data, DeriveInput, ExprPath, Member, Type, ext::IdentExt};

use crate::{
    attr::{FieldAttrs, StructAttrs},
    id,
    mistakes::Mistakes,
};

/// A struct to be made a reducer.
pub(crate) struct Struct<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) attrs: StructAttrs,
    pub(crate) fields: Vec<Field<'a>>,
}

/// One of its fields.
pub(crate) struct Field<'a> {
    pub(crate) original: &'a syn::Field,
    pub(crate) attrs: FieldAttrs,
    pub(crate) member: Member,
    /// The type, in which `Self` is spelled out: it is used inside other types than the struct.
    pub(crate) ty: TokenStream,
    pub(crate) role: Role,
    pub(crate) variant: Variant,
}

/// What a field is to the reducer.
pub(crate) enum Role {
    /// Its type is a reducer.
    Reducer,
    /// A function reduces updates into it.
    With { function: ExprPath, update: TokenStream, changes: TokenStream },
    /// It is no part of the replicated state.
    Local,
}

/// The variant that stands for a field, in the update and in the changes.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) id: u32,
}

impl<'a> Struct<'a> {
    /// Reads as much as can be understood; `None` if it is no struct at all.
    pub(crate) fn read(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Option<Self> {
        let Data::Struct(data) = &input.data else {
            return None;
        };
        let attrs = StructAttrs::read(&input.attrs, mistakes);
        let fields = (data.fields.iter().zip(data.fields.members()))
            .map(|(field, member)| Field::read(field, member, input, mistakes))
            .collect();
        Some(Self { input, attrs, fields })
    }

    /// The path to the library.
    pub(crate) fn library(&self) -> TokenStream {
        self.attrs.library.as_ref().map_or_else(|| quote!(::repred), ToTokens::to_token_stream)
    }

    pub(crate) fn update_ident(&self) -> Ident {
        let name = self.attrs.update.name.clone();
        name.unwrap_or_else(|| format_ident!("{}Update", self.input.ident))
    }

    pub(crate) fn changes_ident(&self) -> Ident {
        let name = self.attrs.changes.name.clone();
        name.unwrap_or_else(|| format_ident!("{}Changes", self.input.ident))
    }

    pub(crate) fn editor_ident(&self) -> Ident {
        let name = self.attrs.editor.clone();
        name.unwrap_or_else(|| format_ident!("{}Editor", self.input.ident))
    }

    /// The fields that have a variant.
    pub(crate) fn replicated(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| !matches!(field.role, Role::Local))
    }
}

impl<'a> Field<'a> {
    fn read(
        original: &'a syn::Field,
        member: Member,
        input: &DeriveInput,
        mistakes: &mut Mistakes,
    ) -> Self {
        let attrs = FieldAttrs::read(&original.attrs, mistakes);
        let spelled_out = |ty: &Type| spell_out_self(ty.to_token_stream(), input);
        let ty = spelled_out(&original.ty);
        let role = match &attrs.with {
            // Where the attributes make no sense, nothing is said about the type on top of that.
            _ if attrs.unclear || attrs.skip.is_some() => Role::Local,
            Some(function) => Role::With {
                function: function.clone(),
                update: attrs.update.as_ref().map_or_else(|| ty.clone(), spelled_out),
                changes: (attrs.changes.as_ref())
                    .map_or_else(|| quote!(::core::primitive::bool), spelled_out),
            },
            None if attrs.update.is_some() || attrs.changes.is_some() => Role::Local,
            None => Role::Reducer,
        };
        let variant = Variant::of(&member, &attrs);
        Self { original, attrs, member, ty, role, variant }
    }

    /// The method of the editor that edits it: `title`, or `field0` where the field is `0`.
    pub(crate) fn method(&self) -> Ident {
        match &self.member {
            Member::Named(ident) => ident.clone(),
            Member::Unnamed(index) => Ident::new(&format!("field{}", index.index), index.span),
        }
    }

    /// Whether its type contains the struct itself.
    pub(crate) fn is_recursive(&self, input: &DeriveInput) -> bool {
        self.attrs.recursive.is_some() || mentions(&self.ty, &[&input.ident])
    }

    /// The field's name, as messages and ids have it.
    pub(crate) fn name(&self) -> String {
        name_of(&self.member)
    }
}

impl Variant {
    fn of(member: &Member, attrs: &FieldAttrs) -> Self {
        let name = name_of(member);
        let span = match member {
            Member::Named(ident) => ident.span(),
            Member::Unnamed(index) => index.span,
        };
        let given = attrs.id.as_ref().and_then(|id| id.base10_parse().ok());
        let hashed =
            || id::of_name(&attrs.rename.as_ref().map_or_else(|| name.clone(), |old| old.value()));
        Self { ident: Ident::new(&variant_name(&name), span), id: given.unwrap_or_else(hashed) }
    }
}

fn name_of(member: &Member) -> String {
    match member {
        Member::Named(ident) => ident.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// `high_score` becomes `HighScore`; `0`, which no variant can be called, becomes `Field0`.
fn variant_name(field: &str) -> String {
    let mut name = String::new();
    for word in field.split('_') {
        let mut chars = word.chars();
        name.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(chars.as_str());
    }
    match name.as_str() {
        "Self" => "Self_".to_owned(),
        _ if name.starts_with(|first: char| first.is_ascii_digit()) || name.is_empty() => {
            format!("Field{name}")
        }
        _ => name,
    }
}

/// Replaces `Self` by the struct's name and parameters.
fn spell_out_self(tokens: TokenStream, input: &DeriveInput) -> TokenStream {
    if !mentions(&tokens, &[&format_ident!("Self")]) {
        return tokens;
    }
    let (ident, (_, arguments, _)) = (&input.ident, input.generics.split_for_impl());
    let mut tokens = tokens.into_iter().peekable();
    let mut spelled_out = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "Self" => {
                let ident = Ident::new(&ident.to_string(), word.span());
                let is_qualifier = matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
                spelled_out.extend(match is_qualifier {
                    true => quote!(<#ident #arguments>),
                    false => quote!(#ident #arguments),
                });
            }
            TokenTree::Group(group) => {
                let mut inner = proc_macro2::Group::new(
                    group.delimiter(),
                    spell_out_self(group.stream(), input),
                );
                inner.set_span(group.span());
                spelled_out.extend([TokenTree::Group(inner)]);
            }
            token => spelled_out.extend([token]),
        }
    }
    spelled_out
}

/// Whether any of `names` occurs among the tokens.
///
/// Types are searched as tokens, so that macros in them are too. Where an unrelated name is the same,
/// a bound is written that was not needed.
pub(crate) fn mentions(tokens: &TokenStream, names: &[&Ident]) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(word) => names.contains(&&word),
        TokenTree::Group(group) => mentions(&group.stream(), names),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_the_camel_case_of_its_field() {
        for (field, variant) in [
            ("title", "Title"),
            ("high_score", "HighScore"),
            ("_x2_y", "X2Y"),
            ("0", "Field0"),
            ("_1", "Field1"),
            ("self_", "Self_"),
            ("__", "Field"),
            ("größe", "Größe"),
        ] {
            assert_eq!(variant_name(field), variant);
        }
    }
}
