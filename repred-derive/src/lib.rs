//! The derive macro of [repred](https://docs.rs/repred), which exports it as `repred::Reduce`.

// In reading order: each uses only those above it.
mod mistakes;
mod id;
mod attr;
mod ast;
mod valid;
mod bounds;
mod expand;
mod edit;
mod reset;
mod fallback;

use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::{ast::Struct, mistakes::Mistakes};

/// Makes a struct of reducers a reducer.
///
/// ```
/// use repred::{Counter, Reduce, Register, Stamp, Time};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Reduce, Default, Serialize, Deserialize)]
/// struct Board {
///     title: Register<String>,
///     votes: Counter,
///     #[reduce(with = max)]
///     high_score: u64,
///     #[reduce(skip)]
///     #[serde(skip)]
///     cache: Vec<u8>,
/// }
///
/// fn max(state: &mut u64, update: u64) -> bool {
///     let is_larger = update > *state;
///     *state = update.max(*state);
///     is_larger
/// }
///
/// let mut board = Board::default();
/// let stamp = Stamp::new(Time::ZERO, 0xa.into(), 1);
/// let changes = board.reduce(BoardUpdate::HighScore(70), stamp);
/// assert!(matches!(changes, BoardChanges::HighScore(true)));
/// assert_eq!(board.high_score, 70);
/// ```
///
/// Structs with named fields, tuple structs, unit structs and generic structs can be derived, also those
/// that contain themselves in a `Box` or a map. The struct derives serde's traits as well, because its
/// state travels in snapshots. An enum is a value rather than a struct of reducers: hold it in a
/// `Register<Phase>`.
///
/// # What is generated
///
/// For the struct above, with the struct's visibility:
///
/// ```
/// # use repred::{Counter, Reduce, Register};
/// /// An update of one field.
/// pub enum BoardUpdate {
///     Title(<Register<String> as Reduce>::Update),
///     Votes(<Counter as Reduce>::Update),
///     HighScore(u64),
/// }
///
/// /// What an update changed, in the same field.
/// pub enum BoardChanges {
///     Title(<Register<String> as Reduce>::Changes),
///     Votes(<Counter as Reduce>::Changes),
///     HighScore(bool),
/// }
/// ```
///
/// The variants are the fields' names in camel case; those of a tuple struct are `Field0`, `Field1` and
/// so on. Both types are `Debug` and `Clone`, so what is in them must be, too; but a parameter of a generic
/// struct need not, and then neither is the type. A parameter that only local fields mention is no
/// parameter of these types. The changes hand up what the field's changes say: whether they are empty,
/// and which updates they have superseded. They are serialized if those of the fields can be.
///
/// The update implements serde's `Serialize` and `Deserialize`. In formats with names, such as JSON, it is
/// `{"Votes":1}`; in others, a variant is its *id*.
///
/// # Ids
///
/// Stored updates and those of other versions of the program are read by their variants' ids, so a
/// field's id must stay what it is. It comes from the field's name: a hash from 128 to 16383, which is two
/// bytes as a varint. So fields can be reordered and added at will. When a field is renamed,
/// `#[reduce(rename = "old_name")]` keeps its id. With `#[reduce(id = 7)]` a field has an id that is
/// independent of its name, and one byte long. Two fields with the same id are an error.
///
/// # Editing
///
/// `BoardEditor` edits a `Board`: it dereferences to one, and has a method for each field, as visible as the
/// field, that returns the editor of the field's type. The method of a field with a function takes an update.
/// `as_mut()` is for updates that are made by hand.
///
/// ```
/// # use repred::{Counter, Reduce, Register, Replica};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Reduce, Default, Serialize, Deserialize)]
/// # struct Board {
/// #     title: Register<String>,
/// #     votes: Counter,
/// #     #[reduce(with = max)]
/// #     high_score: u64,
/// # }
/// # fn max(state: &mut u64, update: u64) -> bool {
/// #     let is_larger = update > *state;
/// #     *state = update.max(*state);
/// #     is_larger
/// # }
/// let board = Replica::new(Board::default());
/// board.edit(|board| {
///     board.title().set("Groceries");
///     board.votes().add(1);
///     board.high_score(70);
///     board.as_mut().update(BoardUpdate::Votes(2));
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A struct can be edited if the types of its fields can (`repred::edit::Edit`), and it can be a value of a
/// [`Map`](../repred/struct.Map.html) if those can and it has a default (`repred::types::Reset`). If two structs
/// contain each other, the compiler comes to no end with that, and says that it overflows: mark one of the
/// fields by which it goes round with `#[reduce(recursive)]`.
///
/// # Attributes of fields
///
/// | attribute | meaning |
/// |---|---|
/// | *none* | the field's type implements `Reduce` |
/// | `#[reduce(with = path)]` | a function reduces updates into the field: `fn(&mut Field, Update) -> Changes`, or `fn(&mut Field, Update, Stamp) -> Changes` |
/// | `#[reduce(with = path, update = Type)]` | the type of that function's update, if it is not the field's |
/// | `#[reduce(with = path, changes = Type)]` | the type of its changes, if it is not `bool` |
/// | `#[reduce(skip)]` | the field is local: no update reaches it, and it stays as it is when a snapshot replaces the state. `#[serde(skip)]` must be there as well |
/// | `#[reduce(id = 7)]` | the field's id, from 0 to 127 |
/// | `#[reduce(rename = "old_name")]` | the id is that of the old name |
/// | `#[reduce(recursive)]` | the field's type contains the struct by way of another struct |
///
/// # Attributes of the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `#[reduce(update(name = "Edit"))]` | what the update is called |
/// | `#[reduce(update(derive(PartialEq, Eq)))]` | what it derives beside `Debug` and `Clone` |
/// | `#[reduce(changes(name = "..", derive(..)))]` | the same for the changes |
/// | `#[reduce(editor(name = ".."))]` | what the editor is called |
/// | `#[reduce(crate = "my::repred")]` | the path to this library, if it is not `::repred` |
///
/// What is derived on top must do with the bounds that std's derives write, which are too weak for most
/// generic structs.
///
/// ```
/// use repred::{Counter, Reduce, Stamp, Time, types::ValueChanges};
///
/// #[derive(Reduce, Default)]
/// #[reduce(update(name = "Ballot", derive(PartialEq)), changes(derive(PartialEq)))]
/// struct Poll {
///     #[reduce(id = 0)]
///     yes: Counter,
///     #[reduce(rename = "against")]
///     no: Counter,
/// }
///
/// let mut poll = Poll::default();
/// let changes = poll.reduce(Ballot::Yes(1), Stamp::new(Time::ZERO, 0xa.into(), 1));
/// assert_eq!(changes, PollChanges::Yes(ValueChanges::changed(0, 1, None)));
/// ```
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
