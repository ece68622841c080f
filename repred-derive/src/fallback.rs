//! What is generated for input that is no struct of fields: enough for code that uses it to compile, so
//! that the only error is the one that says why.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::DeriveInput;

/// ```text
/// enum PhaseUpdate {}
/// enum PhaseChanges {}
/// impl Reduce for Phase {
///     type Update = ();
///     type Changes = bool;
///     fn reduce(&mut self, _: (), _: Stamp) -> bool { false }
/// }
/// ```
///
/// The attributes may be what is wrong, so the library is where it usually is.
pub(crate) fn stub(input: &DeriveInput) -> TokenStream {
    let (ident, vis) = (&input.ident, &input.vis);
    let (impl_generics, arguments, where_clause) = input.generics.split_for_impl();
    let update = format_ident!("{ident}Update");
    let changes = format_ident!("{ident}Changes");
    quote! {
        #[doc(hidden)]
        #[allow(dead_code)]
        #vis enum #update {}

        #[doc(hidden)]
        #[allow(dead_code)]
        #vis enum #changes {}

        #[automatically_derived]
        impl #impl_generics ::repred::Reduce for #ident #arguments #where_clause {
            type Update = ();
            type Changes = ::core::primitive::bool;

            fn reduce(&mut self, _: (), _: ::repred::Stamp) -> ::core::primitive::bool {
                false
            }
        }
    }
}
