//! The code by which a struct can be a value of a map: each field is reset by itself.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    ast::{Field, Struct},
    span::{around, of_trait},
};

/// ```text
/// impl Reset for Board
/// where
///     for<'__any> Register<String>: Reset,
///     for<'__any> Self: Default,
/// {
///     fn reduce_resettable(..) -> BoardChanges { match __update { .. } }
///     fn seen(&self, __see: &mut dyn FnMut(Dot)) { Reset::seen(&self.title, __see); .. }
///     fn detail(&self) -> ResetDetail { ResetDetail::of_ids([(15685, Reset::detail(&self.title)), ..]) }
///     fn reset(..) -> bool { Reset::reset(&mut self.title, __seen, __detail.of_id(15685), __superseded) | .. }
///     fn is_present(&self) -> bool { Reset::is_present(&self.title) || .. }
///     fn is_default(&self) -> bool { Reset::is_default(&self.title) && .. }
/// }
/// ```
///
/// What a function has reduced into a plain field cannot be taken back, so a struct with one gets none.
pub(crate) fn expand(input: &Struct<'_>) -> TokenStream {
    if input.plain_fields().next().is_some() {
        return TokenStream::new();
    }
    let library = input.library();
    let reset = quote!(#library::__private::Reset);
    let mut generics = input.input.generics.clone();
    input.bind(&mut generics, input.reducers(), &quote!(#library::__private::Reduce));
    input.bind_if(&mut generics, input.other_reducers(), &reset);
    input.bind_if(&mut generics, [&quote!(Self)], &quote!(::core::default::Default));
    let (impl_generics, arguments, where_clause) = generics.split_for_impl();
    let ident = &input.input.ident;

    // What the code does with each field, `__inner` being the trait's function for its type.
    let each = |item: &str, code: &dyn Fn(&Field<'_>) -> TokenStream| -> Vec<TokenStream> {
        let with_field = |field: &Field<'_>| {
            around(&field.ty, &of_trait(field, &library, "Reset", item), code(field))
        };
        input.replicated().map(with_field).collect()
    };
    let arms = each("reduce_resettable", &|field| reduce_arm(field, input));
    let seen = each("seen", &|Field { member, .. }| quote!(__inner(&self.#member, __see);));
    let details = each("detail", &|Field { member, variant, .. }| {
        let id = variant.id;
        quote!((#id, __inner(&self.#member)))
    });
    // By the ids of the fields, which stay when fields are moved or added in a newer version of the program.
    let resets = each("reset", &|Field { member, variant, .. }| {
        let id = variant.id;
        quote! {
            __has_changed |= __inner(
                &mut self.#member,
                __seen,
                #library::__private::ResetDetail::of_id(__detail, #id),
                __superseded,
            );
        }
    });
    let present = each("is_present", &|Field { member, .. }| quote!(__inner(&self.#member)));
    let default = each("is_default", &|Field { member, .. }| quote!(__inner(&self.#member)));
    quote! {
        #[automatically_derived]
        // Where there is no field, nothing is reset.
        #[allow(unused_mut, unused_variables)]
        impl #impl_generics #reset for #ident #arguments #where_clause {
            fn reduce_resettable(
                &mut self,
                __update: <Self as #library::__private::Reduce>::Update,
                __stamp: #library::__private::Stamp,
            ) -> <Self as #library::__private::Reduce>::Changes {
                match __update { #(#arms)* }
            }

            fn seen(&self, __see: &mut dyn ::core::ops::FnMut(#library::__private::Dot)) {
                #(#seen)*
            }

            fn detail(&self) -> #library::__private::ResetDetail {
                #library::__private::ResetDetail::of_ids([#(#details),*])
            }

            fn reset(
                &mut self,
                __seen: &#library::__private::Dots,
                __detail: &#library::__private::ResetDetail,
                __superseded: &mut dyn ::core::ops::FnMut(#library::__private::Dot),
            ) -> ::core::primitive::bool {
                let mut __has_changed = false;
                #(#resets)*
                __has_changed
            }

            fn is_present(&self) -> ::core::primitive::bool {
                false #(|| #present)*
            }

            fn is_default(&self) -> ::core::primitive::bool {
                true #(&& #default)*
            }
        }
    }
}

/// ```text
/// BoardUpdate::Title(__update) => BoardChanges::Title(
///     Reset::reduce_resettable(&mut self.title, __update, __stamp),
/// ),
/// ```
fn reduce_arm(field: &Field<'_>, input: &Struct<'_>) -> TokenStream {
    let (update, changes) = (input.update_ident(), input.changes_ident());
    let Field { member, variant, .. } = field;
    let variant = &variant.ident;
    quote! {
        #update::#variant(__update) => #changes::#variant(
            __inner(&mut self.#member, __update, __stamp),
        ),
    }
}
