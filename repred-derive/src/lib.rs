//! The derive macro of [repred](https://docs.rs/repred); use it as `repred::Reduce`.

mod ast;
mod attr;
mod bounds;
mod expand;
mod fallback;
mod id;
mod mistakes;
mod valid;

use quote::quote;
use syn::{DeriveInput, parse_macro_input};

/// TODO
#[proc_macro_derive(Reduce, attributes(reduce, serde))]
pub fn derive_reduce(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    let mut mistakes = mistakes::Mistakes::default();
    let is_struct = valid::check_kind(&input, &mut mistakes);
    let code = match ast::Struct::read(&input, &mut mistakes) {
        Some(input) if is_struct => {
            valid::check(&input, &mut mistakes);
            expand::expand(&input)
        }
        _ => fallback::stub(&input),
    };
    let errors = mistakes.into_compile_errors();
    quote!(#code #errors).into()
}
