//! The derive macro of [repred](https://docs.rs/repred), which exports it as `repred::Reduce`.

// In reading order: each uses only those above it.
mod mistakes;
mod id;
mod attr;
mod ast;
mod valid;
mod span;
mod bounds;
mod expand;
mod edit;
mod reset;
mod fallback;

use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::{ast::Struct, mistakes::Mistakes};

/// Makes a struct of reducers a reducer. Its documentation stands where users find it, at
/// [`repred::Reduce`](https://docs.rs/repred/latest/repred/derive.Reduce.html), with examples that run there.
// With `serde` among the attributes, `#[serde(skip)]` can stand beside an implementation of serde's traits
// that is written by hand.
#[proc_macro_derive(Reduce, attributes(reduce, serde))]
pub fn derive_reduce(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = Mistakes::default();
    let can_be_derived = valid::check_kind(&input, &mut mistakes);
    let code = match Struct::read(&input, &mut mistakes) {
        Some(mut input) if can_be_derived => {
            valid::check(&mut input, &mut mistakes);
            let (reduce, edit, reset) =
                (expand::expand(&input), edit::expand(&input), reset::expand(&input));
            quote!(#reduce #edit #reset)
        }
        _ => fallback::stub(&input),
    };
    let errors = mistakes.into_compile_errors();
    quote!(#code #errors).into()
}
