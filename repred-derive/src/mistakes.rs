//! [`Mistakes`]: everything that is wrong with the input, reported together.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
///
/// A check notes what is wrong and goes on, so that one compilation shows all of it.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<syn::Error>);

impl Mistakes {
    /// Notes a mistake in `what`, and what to write instead.
    pub(crate) fn note(&mut self, what: impl ToTokens, instead: impl Display) {
        self.0.push(syn::Error::new_spanned(what, instead));
    }

    /// Notes what syn could not parse.
    pub(crate) fn note_error(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A `compile_error!` for each.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.into_iter().map(syn::Error::into_compile_error).collect()
    }
}
