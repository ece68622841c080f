//! The code that makes a struct editable: its editor, and how what an edit has touched is put back.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericParam, Generics, WherePredicate, parse_quote};

use crate::{
    ast::{Field, Role, Struct},
    span::{around, at, carried, of_trait},
};

/// ```text
/// struct BoardEditor<__P> { __editor: Editor<Board, __P> }
///
/// impl<__P: Place<Board>> BoardEditor<__P> {
///     fn title(&mut self) -> <Register<String> as Edit>::Editor<FieldPlace<'_, Board, Register<String>, __P>> { .. }
///     fn high_score(&mut self, update: u64) -> bool { .. }
/// }
///
/// impl<__P: Place<Board>> From<Editor<Board, __P>> for BoardEditor<__P> { .. }
/// impl<__P: Place<Board>> AsMut<Editor<Board, __P>> for BoardEditor<__P> { .. }
/// impl<__P: Place<Board>> Deref for BoardEditor<__P> { .. }
/// impl<__P> Debug for BoardEditor<__P> { .. }
/// impl Edit for Board { .. }
/// ```
pub(crate) fn expand(input: &Struct<'_>) -> TokenStream {
    let editor = EditorType::new(input);
    let (definition, methods, traits) = (editor.definition(), editor.methods(), editor.traits());
    let edit = edit_trait(input);
    quote! {
        #definition
        #methods
        const _: () = { #traits #edit };
    }
}

/// The editor of the struct.
struct EditorType<'a> {
    input: &'a Struct<'a>,
    library: TokenStream,
    ident: Ident,
    /// Those under which the struct is a reducer, and the place that is edited.
    generics: Generics,
}

impl<'a> EditorType<'a> {
    fn new(input: &'a Struct<'a>) -> Self {
        let library = input.library();
        let mut generics = reducer_generics(input);
        let (ident, (_, arguments, _)) =
            (&input.input.ident, input.input.generics.split_for_impl());
        let place: GenericParam = parse_quote!(__P: #library::__private::Place<#ident #arguments>);
        generics.params.push(place);
        Self { input, library, ident: input.editor_ident(), generics }
    }

    /// `Board<T>`
    fn edited(&self) -> TokenStream {
        let (ident, (_, arguments, _)) =
            (&self.input.input.ident, self.input.input.generics.split_for_impl());
        quote!(#ident #arguments)
    }

    fn definition(&self) -> TokenStream {
        let Self { library, ident, .. } = self;
        let (vis, edited) = (&self.input.input.vis, self.edited());
        let doc = format!(
            "Edits a [`{}`]: it reads as one, and has a method for each field that edits it.",
            self.input.input.ident
        );
        let (impl_generics, _, where_clause) = self.generics.split_for_impl();
        quote! {
            #[doc = #doc]
            // Not all fields need be edited, and the fields' types may be more private than the struct.
            #[allow(dead_code, private_bounds, private_interfaces, clippy::type_complexity)]
            #vis struct #ident #impl_generics #where_clause {
                __editor: #library::__private::Editor<#edited, __P>,
            }
        }
    }

    fn methods(&self) -> TokenStream {
        let ident = &self.ident;
        let (impl_generics, arguments, where_clause) = self.generics.split_for_impl();
        let methods = self.input.replicated().map(|field| self.method(field));
        quote! {
            #[automatically_derived]
            #[allow(dead_code, private_bounds, private_interfaces, clippy::type_complexity)]
            impl #impl_generics #ident #arguments #where_clause { #(#methods)* }
        }
    }

    /// ```text
    /// let _ = BoardUpdate::Title;
    /// ```
    ///
    /// Without a mention of the fields that are reducers, the type checker would find no fault with a method where one
    /// is none, and the borrow checker would then report it again at the derive.
    fn mentions(&self) -> TokenStream {
        let update = self.input.update_ident();
        let reducers = self.input.replicated().filter(|field| matches!(field.role, Role::Reducer));
        let mention = |field: &Field<'_>| {
            let variant = &field.variant.ident;
            let mention = at(&field.ty, quote!(#update::#variant));
            quote!(let _ = #mention;)
        };
        reducers.map(mention).collect()
    }

    /// ```text
    /// fn title(&mut self) -> <Register<String> as Edit>::Editor<FieldPlace<'_, Board, Register<String>, __P>>
    /// where
    ///     for<'__any> Register<String>: Edit,
    /// {
    ///     Editor::field(&mut self.__editor, |__state| &__state.title, BoardUpdate::Title)
    /// }
    /// ```
    fn method(&self, field: &Field<'_>) -> TokenStream {
        let Self { library, .. } = self;
        let Field { member, ty, original, role, variant, .. } = field;
        let (vis, name) = (&original.vis, field.method());
        let (update, variant) = (self.input.update_ident(), &variant.ident);
        if let Role::With { update: update_type, .. } = role {
            let doc = format!(
                "Reduces an update into the field `{}`, and says whether that changed anything.",
                field.name()
            );
            let mentions = self.mentions();
            return quote! {
                #[doc = #doc]
                #vis fn #name(&mut self, __update: #update_type) -> ::core::primitive::bool {
                    #mentions
                    let __update = #update::#variant(__update);
                    #library::__private::Editor::update(&mut self.__editor, __update)
                }
            };
        }
        let (doc, edited) = (format!("The editor of the field `{}`.", field.name()), self.edited());
        let mut conditions = Generics::default();
        match field.is_recursive(self.input.input) {
            // Whether a map of trees can be edited depends on whether a tree can.
            true => edit_conditions(self.input, &mut conditions),
            false => self.input.bind_if(&mut conditions, [ty], &quote!(#library::__private::Edit)),
        }
        let conditions = &conditions.where_clause;
        let editor = of_trait(field, library, "Edit", "Editor");
        let place = quote!(<#library::__private::FieldPlace<'_, #edited, __inner, __P>>);
        let place = around(ty, ty, place);
        let body = quote! {
            #library::__private::Editor::field::<__inner>(
                &mut self.__editor,
                |__state| &__state.#member,
                #update::#variant,
            )
        };
        let body = around(ty, ty, body);
        quote! {
            #[doc = #doc]
            #vis fn #name(&mut self) -> #editor #place
            #conditions
            {
                #body
            }
        }
    }

    fn traits(&self) -> TokenStream {
        let Self { library, ident, .. } = self;
        let (edited, name) = (self.edited(), ident.to_string());
        let (impl_generics, arguments, where_clause) = self.generics.split_for_impl();
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#library::__private::Editor<#edited, __P>>
                for #ident #arguments #where_clause
            {
                fn from(__editor: #library::__private::Editor<#edited, __P>) -> Self {
                    Self { __editor }
                }
            }

            /// For updates that are made by hand.
            #[automatically_derived]
            impl #impl_generics ::core::convert::AsMut<#library::__private::Editor<#edited, __P>>
                for #ident #arguments #where_clause
            {
                fn as_mut(&mut self) -> &mut #library::__private::Editor<#edited, __P> {
                    &mut self.__editor
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::ops::Deref for #ident #arguments #where_clause {
                type Target = #edited;

                fn deref(&self) -> &#edited {
                    &self.__editor
                }
            }

            #[automatically_derived]
            impl #impl_generics ::core::fmt::Debug for #ident #arguments #where_clause {
                fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    ::core::fmt::Formatter::debug_struct(__f, #name).finish_non_exhaustive()
                }
            }
        }
    }
}

/// The generics under which the struct is a reducer, without defaults.
fn reducer_generics(input: &Struct<'_>) -> Generics {
    let library = input.library();
    let mut generics = input.input.generics.clone();
    for param in &mut generics.params {
        match param {
            syn::GenericParam::Type(param) => param.default = None,
            syn::GenericParam::Const(param) => param.default = None,
            syn::GenericParam::Lifetime(_) => {}
        }
    }
    input.bind(&mut generics, input.reducers(), &quote!(#library::__private::Reduce));
    input.bind(&mut generics, input.with_updates(), &carried(&library));
    input.bind(&mut generics, input.with_changes(), &quote!(#library::__private::Changes));
    generics
}

/// ```text
/// impl Edit for Board
/// where
///     for<'__any> Register<String>: Edit,
///     for<'__any> u64: Clone + 'static,
///     for<'__any> BoardUpdate: Send,
/// {
///     type Editor<__P: Place<Self>> = BoardEditor<__P>;
///     fn rollback(..) -> .. { match *__update { .. } }
///     fn inverse(..) -> .. { match *__update { .. } }
///     fn rebuild(..) -> .. { .. }
/// }
/// ```
fn edit_trait(input: &Struct<'_>) -> TokenStream {
    let library = input.library();
    let (ident, editor) = (&input.input.ident, input.editor_ident());
    let mut generics = reducer_generics(input);
    edit_conditions(input, &mut generics);
    let (impl_generics, arguments, where_clause) = generics.split_for_impl();
    let editor_arguments = editor_arguments(input);
    let (rollback, inverse, rebuild) = (rollback(input), inverse(input), rebuild(input));
    quote! {
        #[automatically_derived]
        impl #impl_generics #library::__private::Edit for #ident #arguments #where_clause {
            type Editor<__P: #library::__private::Place<Self>> = #editor<#editor_arguments>;

            #rollback
            #inverse
            #rebuild
        }
    }
}

/// What has to hold for the struct to be editable.
fn edit_conditions(input: &Struct<'_>, generics: &mut Generics) {
    let library = input.library();
    input.bind_if(generics, input.other_reducers(), &quote!(#library::__private::Edit));
    let cloned = quote!(::core::clone::Clone + 'static);
    input.bind_if(generics, input.plain_fields(), &cloned);
    if !input.fields.iter().any(|field| field.is_recursive(input.input)) {
        let (ident, (_, arguments, _)) =
            (&input.input.ident, input.input.generics.split_for_impl());
        let update = quote!(<#ident #arguments as #library::__private::Reduce>::Update);
        input.bind_if(generics, [&update], &quote!(::core::marker::Send));
    }
    let lasting = input.input.generics.type_params().map(|param| -> WherePredicate {
        let param = &param.ident;
        parse_quote!(#param: 'static)
    });
    generics.make_where_clause().predicates.extend(lasting);
}

/// `T, N, __P` of `<T, const N: usize>`
fn editor_arguments(input: &Struct<'_>) -> TokenStream {
    let params = input.input.generics.params.iter().map(|param| match param {
        syn::GenericParam::Type(param) => param.ident.clone(),
        syn::GenericParam::Const(param) => param.ident.clone(),
        syn::GenericParam::Lifetime(param) => format_ident!("{}", param.lifetime.ident),
    });
    quote!(#(#params,)* __P)
}

/// ```text
/// fn rollback(&self, __update: &BoardUpdate, __stamp: Stamp) -> Rollback<Self> {
///     match *__update {
///         BoardUpdate::Title(ref __update) => {
///             let __roll_back = Edit::rollback(&self.title, __update, __stamp);
///             Box::new(move |__state| __roll_back(&mut __state.title))
///         }
///         BoardUpdate::HighScore(_) => {
///             let __before = Clone::clone(&self.high_score);
///             Box::new(move |__state| __state.high_score = __before)
///         }
///     }
/// }
/// ```
fn rollback(input: &Struct<'_>) -> TokenStream {
    let (library, update) = (input.library(), input.update_ident());
    let arms = input.replicated().map(|field| {
        let Field { member, ty, role, variant, .. } = field;
        let variant = &variant.ident;
        if let Role::With { .. } = role {
            let arm = quote! {
                #update::#variant(_) => {
                    let __before = ::core::clone::Clone::clone(&self.#member);
                    #library::__private::Box::new(move |__state: &mut Self| __state.#member = __before)
                }
            };
            return at(ty, arm);
        }
        let arm = quote! {
            #update::#variant(ref __update) => {
                let __roll_back = __inner(&self.#member, __update, __stamp);
                #library::__private::Box::new(move |__state: &mut Self| __roll_back(&mut __state.#member))
            }
        };
        around(ty, &of_trait(field, &library, "Edit", "rollback"), arm)
    });
    quote! {
        fn rollback(
            &self,
            __update: &<Self as #library::__private::Reduce>::Update,
            __stamp: #library::__private::Stamp,
        ) -> #library::__private::Rollback<Self> {
            match *__update { #(#arms)* }
        }
    }
}

/// ```text
/// fn inverse(&self, __update: &BoardUpdate, __stamp: Stamp) -> Option<Inverse<Self>> {
///     match *__update {
///         BoardUpdate::Title(ref __update) => {
///             let __inverse = Edit::inverse(&self.title, __update, __stamp)?;
///             Some(Box::new(move |__state, __is_ours| {
///                 __inverse(&__state.title, __is_ours).into_iter().map(BoardUpdate::Title).collect()
///             }))
///         }
///         BoardUpdate::HighScore(_) => None,
///     }
/// }
/// ```
fn inverse(input: &Struct<'_>) -> TokenStream {
    let (library, update) = (input.library(), input.update_ident());
    let is_ours = quote! {
        &dyn ::core::ops::Fn(#library::__private::Dot) -> ::core::primitive::bool
    };
    let arms = input.replicated().map(|field| {
        let Field { member, ty, role, variant, .. } = field;
        let variant = &variant.ident;
        if let Role::With { .. } = role {
            return quote!(#update::#variant(_) => ::core::option::Option::None,);
        }
        let arm = quote! {
            #update::#variant(ref __update) => {
                let __inverse = __inner(&self.#member, __update, __stamp)?;
                ::core::option::Option::Some(#library::__private::Box::new(
                    move |__state: &Self, __is_ours: #is_ours| {
                        ::core::iter::Iterator::collect(::core::iter::Iterator::map(
                            ::core::iter::IntoIterator::into_iter(
                                __inverse(&__state.#member, __is_ours),
                            ),
                            #update::#variant,
                        ))
                    },
                ))
            }
        };
        around(ty, &of_trait(field, &library, "Edit", "inverse"), arm)
    });
    quote! {
        fn inverse(
            &self,
            __update: &<Self as #library::__private::Reduce>::Update,
            __stamp: #library::__private::Stamp,
        ) -> ::core::option::Option<#library::__private::Inverse<Self>> {
            match *__update { #(#arms)* }
        }
    }
}

/// ```text
/// fn rebuild(&self) -> Option<Vec<BoardUpdate>> {
///     let mut __updates = Vec::new();
///     __updates.extend(Edit::rebuild(&self.title)?.into_iter().map(BoardUpdate::Title));
///     Some(__updates)
/// }
/// ```
fn rebuild(input: &Struct<'_>) -> TokenStream {
    let (library, update) = (input.library(), input.update_ident());
    let body = if input.plain_fields().next().is_some() {
        // Nobody knows which updates a function would need to make a field what it is.
        quote!(::core::option::Option::None)
    } else {
        let parts = input.replicated().map(|field| {
            let Field { member, ty, variant, .. } = field;
            let variant = &variant.ident;
            let part = quote! {
                ::core::iter::Extend::extend(&mut __updates, ::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(__inner(&self.#member)?),
                    #update::#variant,
                ));
            };
            around(ty, &of_trait(field, &library, "Edit", "rebuild"), part)
        });
        quote! {
            let mut __updates = #library::__private::Vec::new();
            #(#parts)*
            ::core::option::Option::Some(__updates)
        }
    };
    quote! {
        // Where there is no field, nothing is extended.
        #[allow(unused_mut)]
        fn rebuild(
            &self,
        ) -> ::core::option::Option<#library::__private::Vec<<Self as #library::__private::Reduce>::Update>> {
            #body
        }
    }
}
