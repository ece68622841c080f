//! Where the compiler reports a mistake in generated code: what the code does with a field has the span of the
//! field's type. An error of the same text at the same place is shown once, so a wrong type is one error, in
//! however many places the code uses it.

use std::iter;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};

use crate::ast::Field;

pub(crate) fn carried(library: &TokenStream) -> TokenStream {
    quote!(#library::__private::serde::Serialize + #library::__private::serde::de::DeserializeOwned)
}

/// `<Register<String> as Reduce>::Update`
pub(crate) fn of_reducer(field: &Field<'_>, library: &TokenStream, item: &str) -> TokenStream {
    of_trait(field, library, "Reduce", item)
}

/// `<Register<String> as Edit>::rollback`
pub(crate) fn of_trait(
    field: &Field<'_>,
    library: &TokenStream,
    of: &str,
    item: &str,
) -> TokenStream {
    let (of, item) = (format_ident!("{of}"), format_ident!("{item}"));
    let path = quote!(<__inner as #library::__private::#of>::#item);
    around(&field.ty, &field.ty, path)
}

/// `tokens` as if they had been written where `place` is.
pub(crate) fn at(place: &impl ToTokens, tokens: TokenStream) -> TokenStream {
    let (start, end) = ends(place);
    respanned(tokens, start, end)
}

/// The same with `inner` in the place of `__inner`. It keeps its own spans: a `$crate` in a type means another crate
/// under another span.
pub(crate) fn around(
    place: &impl ToTokens,
    inner: &TokenStream,
    tokens: TokenStream,
) -> TokenStream {
    fn filled(tokens: TokenStream, inner: &TokenStream) -> TokenStream {
        let filled = tokens.into_iter().map(|token| match token {
            TokenTree::Ident(word) if word == "__inner" => inner.clone(),
            TokenTree::Group(group) => {
                let mut filled = Group::new(group.delimiter(), filled(group.stream(), inner));
                filled.set_span(group.span());
                TokenTree::Group(filled).into()
            }
            token => token.into(),
        });
        filled.collect()
    }
    filled(at(place, tokens), inner)
}

/// Variables that come from outside the code about one field. If a macro has made the struct, a span from there
/// would make other variables of them.
const OUTER: [&str; 14] = [
    "self",
    "__before",
    "__content",
    "__detail",
    "__f",
    "__has_changed",
    "__name",
    "__see",
    "__seen",
    "__serializer",
    "__stamp",
    "__superseded",
    "__updates",
    "__editor",
];

/// Gives the first token the span `start`, and all others the span `end`: the compiler joins what is
/// between, which macros cannot.
fn respanned(tokens: TokenStream, start: Span, end: Span) -> TokenStream {
    let spans = iter::once(start).chain(iter::repeat(end));
    let respanned = tokens.into_iter().zip(spans).map(|(token, span)| {
        let mut token = match token {
            TokenTree::Ident(word) if OUTER.iter().any(|name| word == name) => {
                return TokenTree::Ident(word);
            }
            TokenTree::Group(group) => {
                Group::new(group.delimiter(), respanned(group.stream(), start, end)).into()
            }
            token => token,
        };
        token.set_span(span);
        token
    });
    respanned.collect()
}

/// The spans of the first and the last token.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut tokens = tokens.to_token_stream().into_iter();
    let start = tokens.next().map_or_else(Span::call_site, |token| token.span());
    (start, tokens.last().map_or(start, |token| token.span()))
}
