//! The generated code.
//!
//! Paths are absolute and traits' functions are called by their full names, because the user's module
//! may have an `Option`, an `Ok` or a `clone` of its own.

use proc_macro2::{Delimiter, Group, Ident, TokenStream};
use quote::quote;
use syn::{Generics, Path, parse_quote};

use crate::{
    ast::{Field, Role, Struct},
    bounds::narrowed,
    span::{at, carried, ends, of_reducer},
};

/// ```text
/// #[derive(Reduce)]
/// struct Board { title: Register<String>, #[reduce(with = max)] high_score: u64 }
/// ```
///
/// becomes
///
/// ```text
/// enum BoardUpdate { Title(<Register<String> as Reduce>::Update), HighScore(u64) }
/// enum BoardChanges { Title(<Register<String> as Reduce>::Changes), HighScore(bool) }
/// const _: () = {
///     impl Debug for BoardUpdate { .. }
///     impl Clone for BoardUpdate { .. }
///     impl Serialize for BoardUpdate { .. }
///     impl Variants for BoardUpdate { .. }
///     impl Deserialize<'_> for BoardUpdate { .. }
///     impl Debug for BoardChanges { .. }
///     impl Clone for BoardChanges { .. }
///     impl Changes for BoardChanges { .. }
///     impl Serialize for BoardChanges { .. }
///     impl Reduce for Board { .. }
/// };
/// ```
pub(crate) fn expand(input: &Struct<'_>) -> TokenStream {
    let update = Enum::update(input);
    let changes = Enum::changes(input);
    let definitions = [update.definition(), changes.definition()];
    let impls = [
        update.debug(),
        update.clone(),
        update.serialize(),
        update.variants(),
        update.deserialize(),
        changes.debug_if(),
        changes.clone(),
        changes.changes_trait(),
        changes.serialize_if(),
        reduce_trait(input, &update, &changes),
    ];
    quote! {
        #(#definitions)*

        // The patterns are written for their spans, see `reduce_arm`.
        #[allow(unused_mut, clippy::ref_patterns)]
        const _: () = { #(#impls)* };
    }
}

/// ```text
/// impl Reduce for Board {
///     type Update = BoardUpdate;
///     type Changes = BoardChanges;
///
///     fn reduce(&mut self, __update: BoardUpdate, __stamp: Stamp) -> BoardChanges {
///         match __update {
///             BoardUpdate::Title(mut __update) => BoardChanges::Title(..),
///             ..
///         }
///     }
///
///     fn keep_local(&mut self, __before: &mut Self) { .. }
/// }
/// ```
fn reduce_trait(input: &Struct<'_>, update: &Enum<'_>, changes: &Enum<'_>) -> TokenStream {
    let library = &update.library;
    let arms = input.replicated().map(|field| reduce_arm(field, library, update, changes));
    let keep_local = keep_local(input, library);

    let changes_bound = quote!(#library::__private::Changes);
    let mut generics = input.input.generics.clone();
    input.bind(&mut generics, input.reducers(), &quote!(#library::__private::Reduce));
    input.bind(&mut generics, input.with_updates(), &carried(library));
    input.bind(&mut generics, input.with_changes(), &changes_bound);
    let (impl_generics, arguments, where_clause) = generics.split_for_impl();

    let struct_ident = &input.input.ident;
    let (update_type, changes_type) = (update.as_type(), changes.as_type());
    quote! {
        #[automatically_derived]
        impl #impl_generics #library::__private::Reduce for #struct_ident #arguments #where_clause {
            type Update = #update_type;
            type Changes = #changes_type;

            fn reduce(
                &mut self,
                __update: #update_type,
                __stamp: #library::__private::Stamp,
            ) -> #changes_type {
                match __update { #(#arms)* }
            }

            #keep_local
        }
    }
}

/// ```text
/// BoardUpdate::Title(mut __update) => BoardChanges::Title(
///     <Register<String> as Reduce>::reduce(&mut self.title, __update, __stamp),
/// ),
/// BoardUpdate::HighScore(mut __update) => BoardChanges::HighScore(
///     ReduceWith::<u64, u64, bool, _>::reduce_with(
///         &max, &mut self.high_score, __update, __stamp,
///     ),
/// ),
/// ```
///
/// With the needless `mut`, as with the `ref` in other patterns, a variable has two tokens, so that an
/// error about it can have a span from one end of the field's type to the other.
fn reduce_arm(
    field: &Field<'_>,
    library: &TokenStream,
    update: &Enum<'_>,
    changes: &Enum<'_>,
) -> TokenStream {
    let Field { member, ty, role, variant, .. } = field;
    let (update, changes, variant) = (&update.ident, &changes.ident, &variant.ident);
    let pattern = quote!(#update::#variant(mut __update));
    let changes = quote!(#changes::#variant);
    if let Role::With { function, update, changes: returned } = role {
        let reduce_with = quote! {
            #library::__private::ReduceWith::<#ty, #update, #returned, _>::reduce_with
        };
        let reduce_with = at(function, reduce_with);
        let function = at(function, quote!(&#function));
        let arguments = quote!((#function, &mut self.#member, __update, __stamp));
        return quote!(#pattern => #changes(#reduce_with #arguments),);
    }
    let pattern = at(ty, pattern);
    let changes = at(ty, changes);
    let reduce = of_reducer(field, library, "reduce");
    let arguments = at(ty, quote!((&mut self.#member, __update, __stamp)));
    let mut reduced = Group::new(Delimiter::Parenthesis, quote!(#reduce #arguments));
    reduced.set_span(ends(ty).1);
    quote!(#pattern => #changes #reduced,)
}

/// ```text
/// fn keep_local(&mut self, __before: &mut Self) {
///     <Register<String> as Reduce>::keep_local(&mut self.title, &mut __before.title);
///     ::core::mem::swap(&mut self.cache, &mut __before.cache);
/// }
/// ```
fn keep_local(input: &Struct<'_>, library: &TokenStream) -> TokenStream {
    let fields = input.fields.iter().filter_map(|field| {
        let member = &field.member;
        let keep = match &field.role {
            Role::With { .. } => return None,
            Role::Reducer => of_reducer(field, library, "keep_local"),
            Role::Local => quote!(::core::mem::swap),
        };
        let arguments = at(&field.ty, quote!((&mut self.#member, &mut __before.#member)));
        Some(quote!(#keep #arguments;))
    });
    quote! {
        fn keep_local(&mut self, __before: &mut Self) {
            #(#fields)*
        }
    }
}

/// A generated type: the update or the changes.
struct Enum<'a> {
    input: &'a Struct<'a>,
    library: TokenStream,
    ident: Ident,
    /// How its documentation begins.
    title: &'static str,
    derive: &'a [Path],
    generics: Generics,
    variants: Vec<Variant<'a>>,
}

struct Variant<'a> {
    field: &'a Field<'a>,
    ident: &'a Ident,
    /// The type of its value.
    ty: TokenStream,
}

impl<'a> Enum<'a> {
    fn update(input: &'a Struct<'a>) -> Self {
        let library = input.library();
        let variants = Variant::all(input, |field| match &field.role {
            Role::With { update, .. } => update.clone(),
            _ => of_reducer(field, &library, "Update"),
        });
        Self {
            input,
            ident: input.update_ident(),
            title: "An update",
            derive: &input.attrs.update.derive,
            generics: Self::generics(input, &library, &variants),
            variants,
            library,
        }
    }

    fn changes(input: &'a Struct<'a>) -> Self {
        let library = input.library();
        let variants = Variant::all(input, |field| match &field.role {
            Role::With { changes, .. } => changes.clone(),
            _ => of_reducer(field, &library, "Changes"),
        });
        Self {
            input,
            ident: input.changes_ident(),
            title: "What an update changed",
            derive: &input.attrs.changes.derive,
            generics: Self::generics(input, &library, &variants),
            variants,
            library,
        }
    }

    fn generics(input: &Struct<'_>, library: &TokenStream, variants: &[Variant<'_>]) -> Generics {
        let types = variants.iter().map(|variant| variant.ty.clone()).collect();
        let mut generics = narrowed(&input.input.generics, &types);
        input.bind(&mut generics, input.reducers(), &quote!(#library::__private::Reduce));
        generics
    }

    /// `BoardUpdate<T>`
    fn as_type(&self) -> TokenStream {
        let (ident, (_, arguments, _)) = (&self.ident, self.generics.split_for_impl());
        quote!(#ident #arguments)
    }

    /// ```text
    /// /// An update of [`Board`]: an update of one of its fields.
    /// #[derive(PartialEq)]
    /// pub enum BoardUpdate {
    ///     /// An update of [`Board`]'s field `title`.
    ///     Title(<Register<String> as Reduce>::Update),
    ///     ..
    /// }
    /// ```
    fn definition(&self) -> TokenStream {
        let Self { ident, title, derive, generics, .. } = self;
        let (vis, struct_ident) = (&self.input.input.vis, &self.input.input.ident);
        let doc = format!("{title} of [`{struct_ident}`], which is that of one of its fields.");
        let variants = self.variants.iter().map(|Variant { field, ident, ty }| {
            let doc = format!("{title} of [`{struct_ident}`]'s field `{}`.", field.name());
            quote!(#[doc = #doc] #ident(#ty))
        });
        let where_clause = &generics.where_clause;
        let derive = (!derive.is_empty()).then(|| quote!(#[derive(#(#derive),*)]));
        quote! {
            #[doc = #doc]
            #derive
            #[allow(non_camel_case_types, private_bounds, private_interfaces)]
            #vis enum #ident #generics #where_clause { #(#variants),* }
        }
    }

    /// ```text
    /// impl Debug for BoardUpdate {
    ///     fn fmt(&self, __f: &mut Formatter<'_>) -> Result {
    ///         match *self {
    ///             Self::Title(ref __value) => Formatter::debug_tuple(__f, "Title").field(__value).finish(),
    ///             ..
    ///         }
    ///     }
    /// }
    /// ```
    fn debug(&self) -> TokenStream {
        let debug = quote!(::core::fmt::Debug);
        self.implement(&debug, &self.generics_where_values(&debug), &self.debug_method())
    }

    /// The same for changes, where a field's changes can be shown if its updates can. What cannot be shown is an error
    /// of the update already.
    fn debug_if(&self) -> TokenStream {
        let debug = quote!(::core::fmt::Debug);
        let generics = self.generics_if(self.generics_where_values(&debug), &debug, |field| {
            matches!(field.role, Role::Reducer)
        });
        self.implement(&debug, &generics, &self.debug_method())
    }

    fn debug_method(&self) -> TokenStream {
        let body = self.match_self(|variant| {
            let name = variant.ident.to_string();
            quote!(::core::fmt::Formatter::debug_tuple(__f, #name).field(__value).finish())
        });
        quote! {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result { #body }
        }
    }

    /// ```text
    /// impl Clone for BoardUpdate {
    ///     fn clone(&self) -> Self {
    ///         match *self {
    ///             Self::Title(ref __value) => Self::Title(Clone::clone(__value)),
    ///             ..
    ///         }
    ///     }
    /// }
    /// ```
    fn clone(&self) -> TokenStream {
        let body = self.match_self(|variant| {
            let ident = variant.ident;
            quote!(Self::#ident(::core::clone::Clone::clone(__value)))
        });
        let method = quote!(fn clone(&self) -> Self { #body });
        let bound = quote!(::core::clone::Clone);
        self.implement(&bound, &self.generics_where_values(&bound), &method)
    }

    /// ```text
    /// impl Serialize for BoardUpdate {
    ///     fn serialize<__S: Serializer>(&self, __serializer: __S) -> Result<__S::Ok, __S::Error> {
    ///         match *self {
    ///             Self::Title(ref __value) => Serializer::serialize_newtype_variant(
    ///                 __serializer, "BoardUpdate", 15685, "Title", __value,
    ///             ),
    ///             ..
    ///         }
    ///     }
    /// }
    /// ```
    fn serialize_method(&self) -> TokenStream {
        let (library, enum_name) = (&self.library, self.ident.to_string());
        let body = self.match_self(|variant| {
            let (id, name) = (variant.field.variant.id, variant.ident.to_string());
            quote!(#library::__private::serde::Serializer::serialize_newtype_variant(
                __serializer, #enum_name, #id, #name, __value
            ))
        });
        quote! {
            fn serialize<__S: #library::__private::serde::Serializer>(
                &self,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> { #body }
        }
    }

    fn serialize(&self) -> TokenStream {
        let library = &self.library;
        let serialize = quote!(#library::__private::serde::Serialize);
        self.implement(&serialize, &self.carried_generics(), &self.serialize_method())
    }

    /// The same for changes, which are shown elsewhere if what is in them can be.
    fn serialize_if(&self) -> TokenStream {
        let library = &self.library;
        let serialize = quote!(#library::__private::serde::Serialize);
        let generics = self.generics_if(self.generics.clone(), &serialize, |_| true);
        self.implement(&serialize, &generics, &self.serialize_method())
    }

    /// ```text
    /// impl Variants for BoardUpdate {
    ///     const NAME: &'static str = "BoardUpdate";
    ///     const NAMES: &'static [&'static str] = &["Title", ..];
    ///     const IDS: &'static [u32] = &[15685, ..];
    ///
    ///     fn read<'__de, __A: VariantAccess<'__de>>(__id: u32, __content: __A) -> Result<Self, __A::Error> {
    ///         match __id {
    ///             15685 => Ok(Self::Title(VariantAccess::newtype_variant(__content)?)),
    ///             ..
    ///             _ => Err(unknown_id::<Self, _>(__id)),
    ///         }
    ///     }
    /// }
    /// ```
    fn variants(&self) -> TokenStream {
        let (library, enum_name) = (&self.library, self.ident.to_string());
        let ids: Vec<_> = self.variants.iter().map(|variant| variant.field.variant.id).collect();
        let names = self.variants.iter().map(|variant| variant.ident.to_string());
        let arms = self.variants.iter().zip(&ids).map(|(variant, id)| {
            let ident = variant.ident;
            let read = at(
                variant.place(),
                quote! {
                    Self::#ident(#library::__private::serde::de::VariantAccess::newtype_variant(__content)?)
                },
            );
            quote!(#id => ::core::result::Result::Ok(#read),)
        });
        let items = quote! {
            const NAME: &'static ::core::primitive::str = #enum_name;
            const NAMES: &'static [&'static ::core::primitive::str] = &[#(#names),*];
            const IDS: &'static [::core::primitive::u32] = &[#(#ids),*];

            fn read<'__de, __A: #library::__private::serde::de::VariantAccess<'__de>>(
                __id: ::core::primitive::u32,
                __content: __A,
            ) -> ::core::result::Result<Self, __A::Error> {
                match __id {
                    #(#arms)*
                    _ => ::core::result::Result::Err(
                        #library::__private::unknown_id::<Self, __A::Error>(__id),
                    ),
                }
            }
        };
        self.implement(&quote!(#library::__private::Variants), &self.carried_generics(), &items)
    }

    /// ```text
    /// impl<'__de> Deserialize<'__de> for BoardUpdate {
    ///     fn deserialize<__D: Deserializer<'__de>>(__deserializer: __D) -> Result<Self, __D::Error> {
    ///         let _ = Self::Title;
    ///         ..
    ///         read_enum(__deserializer)
    ///     }
    /// }
    /// ```
    ///
    /// Without a mention of the variants, the type checker would find no fault with this function where
    /// a field is no reducer, and the borrow checker would then report the same again at the derive.
    fn deserialize(&self) -> TokenStream {
        let library = &self.library;
        let mentions = self.variants.iter().map(|variant| {
            let ident = variant.ident;
            let mention = at(variant.place(), quote!(Self::#ident));
            quote!(let _ = #mention;)
        });
        let method = quote! {
            fn deserialize<__D: #library::__private::serde::Deserializer<'__de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #(#mentions)*
                #library::__private::read_enum(__deserializer)
            }
        };
        let mut generics = self.carried_generics();
        generics.params.insert(0, parse_quote!('__de));
        self.implement(&quote!(#library::__private::serde::Deserialize<'__de>), &generics, &method)
    }

    /// ```text
    /// impl Changes for BoardChanges {
    ///     fn is_empty(&self) -> bool {
    ///         match *self {
    ///             Self::Title(ref __value) => Changes::is_empty(__value),
    ///             ..
    ///         }
    ///     }
    ///
    ///     fn superseded(&self, __name: &mut dyn FnMut(Dot)) {
    ///         match *self {
    ///             Self::Title(ref __value) => Changes::superseded(__value, __name),
    ///             ..
    ///         }
    ///     }
    /// }
    /// ```
    fn changes_trait(&self) -> TokenStream {
        let library = &self.library;
        let is_empty = self.match_self(|_| quote!(#library::__private::Changes::is_empty(__value)));
        let superseded =
            self.match_self(|_| quote!(#library::__private::Changes::superseded(__value, __name)));
        let methods = quote! {
            fn is_empty(&self) -> ::core::primitive::bool { #is_empty }

            fn superseded(&self, __name: &mut dyn ::core::ops::FnMut(#library::__private::Dot)) { #superseded }
        };
        let bound = quote!(#library::__private::Changes);
        let mut generics = self.generics.clone();
        self.input.bind(&mut generics, self.input.with_changes(), &bound);
        self.implement(&bound, &generics, &methods)
    }

    /// ```text
    /// match *self { Self::Title(ref __value) => .., .. }
    /// ```
    ///
    /// A reference to an enum without variants cannot be matched without an arm, but what it refers to
    /// can.
    fn match_self(&self, arm: impl Fn(&Variant<'_>) -> TokenStream) -> TokenStream {
        let arms = self.variants.iter().map(|variant| {
            let ident = variant.ident;
            let pattern = at(variant.place(), quote!(Self::#ident(ref __value)));
            let arm = at(variant.place(), arm(variant));
            quote!(#pattern => #arm,)
        });
        quote!(match *self { #(#arms)* })
    }

    fn implement(&self, of: &TokenStream, generics: &Generics, items: &TokenStream) -> TokenStream {
        let (impl_generics, _, where_clause) = generics.split_for_impl();
        let this = self.as_type();
        quote! {
            #[automatically_derived]
            impl #impl_generics #of for #this #where_clause { #items }
        }
    }

    /// The generics under which the values of all variants are `bound`.
    fn generics_where_values(&self, bound: &TokenStream) -> Generics {
        let mut generics = self.generics.clone();
        let types = self.variants.iter().map(|variant| &variant.ty);
        self.input.bind(&mut generics, types, bound);
        generics
    }

    /// `generics`, on the condition that the values of some fields are `bound`.
    ///
    /// That a field's type is a reducer is said once more. Otherwise the compiler would report a type that is none at
    /// the derive as well, where it looks at the condition.
    fn generics_if(
        &self,
        mut generics: Generics,
        bound: &TokenStream,
        is_asked: impl Fn(&Field<'_>) -> bool,
    ) -> Generics {
        let library = &self.library;
        let asked = self.variants.iter().filter(|variant| {
            is_asked(variant.field) && !variant.field.is_recursive(self.input.input)
        });
        let is_reducer = |variant: &&Variant<'_>| matches!(variant.field.role, Role::Reducer);
        let reducers = asked.clone().filter(is_reducer).map(|variant| &variant.field.ty);
        self.input.bind_if(&mut generics, reducers, &quote!(#library::__private::Reduce));
        self.input.bind_if(&mut generics, asked.map(|variant| &variant.ty), bound);
        generics
    }

    /// The generics under which serde can carry the update. What a reducer's update needs for that is
    /// part of its being a reducer.
    fn carried_generics(&self) -> Generics {
        let mut generics = self.generics.clone();
        self.input.bind(&mut generics, self.input.with_updates(), &carried(&self.library));
        generics
    }
}

impl<'a> Variant<'a> {
    /// What of the user's code an error in the value's type belongs to.
    fn place(&self) -> &TokenStream {
        match self.field.role {
            Role::With { .. } => &self.ty,
            _ => &self.field.ty,
        }
    }

    fn all(input: &'a Struct<'a>, ty: impl Fn(&Field<'_>) -> TokenStream) -> Vec<Self> {
        let variant =
            |field: &'a Field<'a>| Self { field, ident: &field.variant.ident, ty: ty(field) };
        input.replicated().map(variant).collect()
    }
}
