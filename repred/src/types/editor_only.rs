//! [`EditorOnly`]: what the compiler says to whoever edits a field, and not its editor.
//!
//! In an edit, `board.title` reads the title and `board.title()` edits it. Without its parentheses,
//! `board.title.set("Groceries")` would be told that a register has no method `set`, which is of no help. So each
//! ready-made type has the methods of its editor, too, hidden from the documentation, with a condition that
//! nothing fulfils and that says what to write.

/// Implemented by nothing, so that the hidden methods of ready-made types cannot be called.
#[diagnostic::on_unimplemented(
    message = "a field is read without parentheses and edited with them: `board.title().set(..)`, not `board.title.set(..)`",
    label = "this edits: put `()` after the field's name, or get an editor from `Replica::edit`",
    note = "`board.title()` is a method of the editor that the closure of `Replica::edit` or `Replica::try_edit` is given; \
            without a replica, `reduce` writes an update"
)]
pub trait EditorOnly {
    /// What the hidden methods return, since they cannot be called.
    fn never<T>(&self) -> T;
}

/// Gives a type the methods of its editor: their names, each with a letter for every argument.
macro_rules! editor_only {
    ($($method:ident($($argument:ident),*) $(-> $returned:ty)?),+ $(,)?) => {$(
        #[doc(hidden)]
        pub fn $method<$($argument),*>(&self, $(_: $argument),*) $(-> $returned)?
        where
            for<'any> Self: EditorOnly,
        {
            self.never()
        }
    )+};
}

pub(super) use editor_only;
