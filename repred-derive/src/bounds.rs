//! The generics of what is generated: the struct's own, and what its fields' types ask of them.
//!
//! Only types that mention a parameter get a where clause; a bound such as `Register<String>: Reduce` holds or
//! does not, and is an error at the field in the latter case. Nor do types that mention the struct itself:
//! whether a map of trees can be reduced depends on whether a tree can, which is what is being said.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    GenericParam, Generics, Token, TypeParamBound, WherePredicate, parse_quote,
    punctuated::Punctuated,
};

use crate::{
    ast::{Role, Struct, mentions},
    span::at,
};

/// The struct's generics without the parameters that `types` do not mention, which an enum of these types
/// could not have.
pub(crate) fn narrowed(generics: &Generics, types: &TokenStream) -> Generics {
    let (kept, dropped): (Vec<_>, Vec<_>) =
        (generics.params.iter()).partition(|param| mentions(types, &[name(param)]));
    let mut dropped: Vec<_> = dropped.into_iter().map(name).collect();
    let nothing_dropped = dropped.is_empty();
    // In a bound, it would be the enum.
    let itself = Ident::new("Self", proc_macro2::Span::call_site());
    dropped.push(&itself);
    let is_kept = |tokens: &dyn ToTokens| !mentions(&tokens.to_token_stream(), &dropped);

    let params = kept.into_iter().cloned().map(|mut param| {
        match &mut param {
            GenericParam::Type(param) => {
                param.attrs.clear();
                param.bounds = (std::mem::take(&mut param.bounds).into_iter())
                    .filter(|bound: &TypeParamBound| is_kept(bound))
                    .collect();
                param.default = param.default.take().filter(|_| nothing_dropped);
            }
            GenericParam::Const(param) => {
                param.attrs.clear();
                param.default = param.default.take().filter(|_| nothing_dropped);
            }
            GenericParam::Lifetime(_) => {}
        }
        param
    });
    let mut narrowed = Generics { params: params.collect(), ..Generics::default() };
    let predicates: Punctuated<WherePredicate, Token![,]> = (generics.where_clause.iter())
        .flat_map(|clause| &clause.predicates)
        .filter(|predicate| is_kept(predicate))
        .cloned()
        .collect();
    narrowed.make_where_clause().predicates = predicates;
    narrowed
}

/// The name of a type or const parameter; lifetimes are refused before.
fn name(param: &GenericParam) -> &Ident {
    match param {
        GenericParam::Type(param) => &param.ident,
        GenericParam::Const(param) => &param.ident,
        GenericParam::Lifetime(param) => &param.lifetime.ident,
    }
}

impl Struct<'_> {
    /// Adds `ty: bound` for those of the types that need it.
    pub(crate) fn bind<'t>(
        &self,
        generics: &mut Generics,
        types: impl IntoIterator<Item = &'t TokenStream>,
        bound: &TokenStream,
    ) {
        let params: Vec<_> = self.input.generics.params.iter().map(name).collect();
        let needing = types
            .into_iter()
            .filter(|ty| mentions(ty, &params) && !mentions(ty, &[&self.input.ident]));
        let predicates = needing.map(|ty| -> WherePredicate {
            let bound = at(ty, bound.clone());
            parse_quote!(#ty: #bound)
        });
        generics.make_where_clause().predicates.extend(predicates);
    }

    /// Adds `for<'__any> ty: bound` for each of the types.
    ///
    /// The code that needs it is there if the types can do it, and not otherwise. Without a lifetime, which
    /// stands for nothing, a bound of types that mention no parameter is not conditional but an error.
    pub(crate) fn bind_if<'t>(
        &self,
        generics: &mut Generics,
        types: impl IntoIterator<Item = &'t TokenStream>,
        bound: &TokenStream,
    ) {
        let predicates = types.into_iter().map(|ty| -> WherePredicate {
            let (start, bound) = (at(ty, quote!(for<'__any>)), at(ty, bound.clone()));
            parse_quote!(#start #ty: #bound)
        });
        generics.make_where_clause().predicates.extend(predicates);
    }

    /// The types of the fields that are reducers.
    pub(crate) fn reducers(&self) -> impl Iterator<Item = &TokenStream> {
        self.fields
            .iter()
            .filter_map(|field| matches!(field.role, Role::Reducer).then_some(&field.ty))
    }

    /// The same, without those that contain the struct itself: whether they can do something depends on whether
    /// it can, which is what is being said.
    pub(crate) fn other_reducers(&self) -> impl Iterator<Item = &TokenStream> {
        self.fields.iter().filter_map(|field| {
            let is_other = !field.is_recursive(self.input);
            (is_other && matches!(field.role, Role::Reducer)).then_some(&field.ty)
        })
    }

    /// The types of the fields into which functions reduce.
    pub(crate) fn plain_fields(&self) -> impl Iterator<Item = &TokenStream> {
        self.fields
            .iter()
            .filter_map(|field| matches!(field.role, Role::With { .. }).then_some(&field.ty))
    }

    /// The types of the updates that functions take.
    pub(crate) fn with_updates(&self) -> impl Iterator<Item = &TokenStream> {
        self.fields.iter().filter_map(|field| match &field.role {
            Role::With { update, .. } => Some(update),
            _ => None,
        })
    }

    /// The types of the changes that functions return.
    pub(crate) fn with_changes(&self) -> impl Iterator<Item = &TokenStream> {
        self.fields.iter().filter_map(|field| match &field.role {
            Role::With { changes, .. } => Some(changes),
            _ => None,
        })
    }
}
