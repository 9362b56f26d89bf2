//! `#[derive(Module)]`: visits the fields of a struct in order, under their names.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Index, Member, parse_macro_input, parse_quote};

/// Implements `Module` by visiting all fields in order, under their names (a tuple struct's under their
/// numbers). A field whose type holds no parameters and is no plain setting is marked `#[module(skip)]`.
///
/// Type parameters are taken to be modules. What cannot be derived does not compile:
///
/// ```compile_fail,E0277
/// use eras::prelude::*;
///
/// #[derive(Module)]
/// struct Net {
///     layer: Linear,
///     cell: std::cell::Cell<u8>, // no module, no plain setting, not skipped
/// }
/// ```
///
/// ```compile_fail
/// use eras::prelude::*;
///
/// #[derive(Module)]
/// enum Net { A(Linear) } // Module can be derived for structs only
/// ```
///
/// ```compile_fail
/// use eras::prelude::*;
///
/// #[derive(Module)]
/// struct Net {
///     #[module(freeze)]
///     layer: Linear, // the only word known here is `skip`
/// }
/// ```
///
/// ```
/// use eras::prelude::*;
///
/// #[derive(Module)]
/// struct Net {
///     layer: Linear,
///     #[module(skip)]
///     cell: std::cell::Cell<u8>,
/// }
/// ```
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(mut input: DeriveInput) -> Result<Tokens, Error> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "Module can be derived for structs only",
        ));
    };
    let (names, members) = visited(&data.fields)?;
    for parameter in input.generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::eras::nn::Module));
    }
    let (name, (generics, types, clause)) = (&input.ident, input.generics.split_for_impl());
    Ok(quote! {
        impl #generics ::eras::nn::Module for #name #types #clause {
            fn visit(&self, path: &mut ::eras::nn::Path, visitor: &mut dyn ::eras::nn::Visitor) {
                #( path.within(#names, |path| ::eras::nn::Module::visit(&self.#members, path, visitor)); )*
            }
            fn visit_mut(&mut self, path: &mut ::eras::nn::Path, visitor: &mut dyn ::eras::nn::VisitorMut) {
                #( path.within(#names, |path| ::eras::nn::Module::visit_mut(&mut self.#members, path, visitor)); )*
            }
        }
    })
}

/// The fields that are not skipped: their names and how they are reached.
fn visited(fields: &Fields) -> Result<(Vec<String>, Vec<Member>), Error> {
    let mut names = Vec::new();
    let mut members = Vec::new();
    for (i, field) in fields.iter().enumerate() {
        let mut skip = false;
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
            attribute.parse_nested_meta(|meta| {
                skip |= meta.path.is_ident("skip");
                if skip {
                    Ok(())
                } else {
                    Err(meta.error("the only word known here is `skip`"))
                }
            })?;
        }
        if skip {
            continue;
        }
        let (name, member) = match &field.ident {
            Some(ident) => (
                ident.to_string().trim_start_matches("r#").to_owned(),
                Member::Named(ident.clone()),
            ),
            None => (i.to_string(), Member::Unnamed(Index::from(i))),
        };
        names.push(name);
        members.push(member);
    }
    Ok((names, members))
}
