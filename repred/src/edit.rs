//! [`Edit`]: changing a replicated state as if it were plain data, and [`Editor`], which does.

use std::{fmt, marker::PhantomData, ops::Deref};

use crate::{id::ReplicaId, reduce::Reduce, stamp::Stamp, time::Time};

/// A reducer that is edited like plain data, in steps that are atomic.
///
/// The derive and all ready-made types implement it. A reducer of your own takes part with a few lines:
///
/// ```
/// use repred::{Edit, Editor, PutBack, Reduce, Replica, Stamp};
/// use serde::{Deserialize, Serialize};
///
/// /// The highest bid, and by whose number.
/// #[derive(Clone, Copy, Default, Serialize, Deserialize)]
/// struct Bid(u64, u32);
///
/// impl Reduce for Bid {
///     type Update = (u64, u32);
///     type Changes = bool;
///
///     fn reduce(&mut self, (amount, bidder): (u64, u32), _stamp: Stamp) -> bool {
///         let is_higher = (amount, bidder) > (self.0, self.1);
///         if is_higher {
///             *self = Self(amount, bidder);
///         }
///         is_higher
///     }
/// }
///
/// impl Edit for Bid {
///     type Editor<'a> = Editor<'a, Self>;
///
///     fn before(&self, _update: &(u64, u32), _stamp: Stamp) -> PutBack<Self> {
///         let before = *self;
///         Box::new(move |bid| *bid = before)
///     }
/// }
///
/// let bids = Replica::new(Bid::default());
/// bids.edit(|bid| bid.update((70, 1)))?;
/// let refused = bids.try_edit(|bid| {
///     bid.update((90, 2));
///     if bid.0 > 80 { Err("too much") } else { Ok(()) }
/// });
/// assert!(refused.is_err());
/// assert_eq!(bids.read(|bid| bid.0)?, 70);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be edited",
    label = "`edit` and `try_edit` do not know how to put this back when an edit fails",
    note = "write its updates with `update` and `update_all`; or implement `repred::Edit` for it, which takes a few lines: \
            `type Editor<'a> = repred::Editor<'a, Self>` and a `before` that keeps what an update may change",
    note = "a derived struct can be edited if every field's type can, and if plain fields, those with \
            `#[reduce(with = ..)]`, are `Clone`"
)]
pub trait Edit: Reduce<Update: Send> + Sized + 'static {
    /// What an edit of this is done with: [`Editor`] itself, or a type around one that has methods.
    type Editor<'a>: From<Editor<'a, Self>>;

    /// Keeps what `update` may change, so that it can be put back if the edit fails. The update has not been
    /// reduced yet.
    ///
    /// What it returns is called when everything that was reduced after the update has been put back. It must then
    /// leave the state exactly as it was, stamps included. It should keep no more than the update touches: it
    /// is made for each update of an edit.
    fn before(&self, update: &Self::Update, stamp: Stamp) -> PutBack<Self>;

    /// How `update` is taken back later, by other updates; `None`, by default, if it cannot be. The update has not
    /// been reduced yet. See [`UndoLog`](crate::UndoLog).
    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let _ = (update, stamp);
        None
    }

    /// Updates that make of a default what is there, as far as one sees it; `None`, by default, if there are
    /// none. They bring back what is taken out of a [`Map`](crate::Map) when that is undone.
    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        None
    }
}

/// Puts back what an update has changed; see [`Edit::before`].
pub type PutBack<R> = Box<dyn FnOnce(&mut R)>;

/// Says which updates take one back, in the state as it is by then: others may have written since. See
/// [`Edit::inverse`].
pub type Inverse<R> = Box<dyn FnOnce(&R) -> Vec<<R as Reduce>::Update> + Send>;

/// Edits a state, or a part of one: it dereferences to what is there, and methods write.
///
/// What is written can be read at once. Each write is an [update](Reduce::Update), reduced as every other
/// replica will reduce it. What goes wrong with one, such as that it is too large, is kept to the end
/// of the edit, which then does nothing and returns the error; so writing looks as if it could not fail.
///
/// The ready-made types have methods here: `Editor<'_, Counter>` has [`add`](Editor::add), and so on. The
/// editor of a derived struct has a method for each field. All of them build on [`update`](Self::update),
/// [`field`](Self::field) and [`part`](Self::part), as one of your own can.
pub struct Editor<'a, R: Reduce> {
    place: Box<dyn Place<R> + 'a>,
}

impl<'a, R: Reduce> Editor<'a, R> {
    pub(crate) fn new(place: impl Place<R> + 'a) -> Self {
        Self { place: Box::new(place) }
    }

    /// Writes an update, and says whether the state has changed by that.
    pub fn update(&mut self, update: R::Update) -> bool {
        self.place.update(update)
    }

    /// Makes the whole edit fail with [`UpdateError::Refused`](crate::UpdateError::Refused): for an editor
    /// that is asked to write what must not be written.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.place.refuse(why.into());
    }

    /// The replica that the updates are written by.
    pub fn origin(&self) -> ReplicaId {
        self.place.origin()
    }

    /// The wall time of the edit.
    pub fn now(&self) -> Time {
        self.place.now()
    }
}

impl<R: Reduce> Editor<'_, R> {
    /// The editor of a part that is always there: where it is, and which update of the whole an update of it is.
    ///
    /// ```
    /// use repred::{Counter, Editor, Reduce};
    ///
    /// #[derive(Reduce, Default)]
    /// struct Poll {
    ///     yes: Counter,
    /// }
    ///
    /// // What the derive writes for a field.
    /// fn yes<'e>(poll: &'e mut Editor<'_, Poll>) -> Editor<'e, Counter> {
    ///     poll.field(|poll| &poll.yes, PollUpdate::Yes)
    /// }
    /// ```
    pub fn field<C: Edit>(
        &mut self,
        find: fn(&R) -> &C,
        wrap: fn(C::Update) -> R::Update,
    ) -> C::Editor<'_> {
        Editor::new(Field { whole: &mut *self.place, find, wrap }).into()
    }

    /// The editor of a part that may not be there yet: what is not there reads as the default.
    pub fn part<C: Edit + Default>(
        &mut self,
        find: impl Fn(&R) -> Option<&C> + 'static,
        wrap: impl Fn(C::Update) -> R::Update + 'static,
    ) -> C::Editor<'_> {
        let absent = C::default();
        Editor::new(Part { whole: &mut *self.place, find, wrap, absent }).into()
    }
}

impl<R: Reduce> Deref for Editor<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.place.state()
    }
}

impl<R: Reduce + fmt::Debug> fmt::Debug for Editor<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Editor").field(self.place.state()).finish()
    }
}

/// A value, or something borrowed of which one is made: `&str` for `String`.
///
/// What `Into` is not used for, because it makes numbers hard to write: `set(7)` would ask which of the many
/// numbers that a `u32` can be made of is meant.
///
/// ```
/// use repred::{Register, Replica};
///
/// Replica::new(Register::<String>::default()).edit(|title| title.set("Groceries"))?;
/// Replica::new(Register::<u32>::default()).edit(|number| number.set(7))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoOwned<T> {
    /// The value.
    fn into_owned(self) -> T;
}

impl<T> IntoOwned<T> for T {
    fn into_owned(self) -> T {
        self
    }
}

impl IntoOwned<String> for &str {
    fn into_owned(self) -> String {
        self.to_owned()
    }
}

impl IntoOwned<String> for &String {
    fn into_owned(self) -> String {
        self.clone()
    }
}

impl IntoOwned<Box<str>> for &str {
    fn into_owned(self) -> Box<str> {
        self.into()
    }
}

impl<T: Clone> IntoOwned<Vec<T>> for &[T] {
    fn into_owned(self) -> Vec<T> {
        self.to_vec()
    }
}

/// Where an editor reads and writes.
pub(crate) trait Place<R: Reduce> {
    fn state(&self) -> &R;
    fn update(&mut self, update: R::Update) -> bool;
    fn refuse(&mut self, why: String);
    fn origin(&self) -> ReplicaId;
    fn now(&self) -> Time;
}

impl<R: Reduce, P: Place<R> + ?Sized> Place<R> for &mut P {
    fn state(&self) -> &R {
        (**self).state()
    }

    fn update(&mut self, update: R::Update) -> bool {
        (**self).update(update)
    }

    fn refuse(&mut self, why: String) {
        (**self).refuse(why);
    }

    fn origin(&self) -> ReplicaId {
        (**self).origin()
    }

    fn now(&self) -> Time {
        (**self).now()
    }
}

/// A part of what another editor edits.
struct Field<'a, R: Reduce, C: Reduce> {
    whole: &'a mut (dyn Place<R> + 'a),
    find: fn(&R) -> &C,
    wrap: fn(C::Update) -> R::Update,
}

impl<R: Reduce, C: Reduce> Place<C> for Field<'_, R, C> {
    fn state(&self) -> &C {
        (self.find)(self.whole.state())
    }

    fn update(&mut self, update: C::Update) -> bool {
        self.whole.update((self.wrap)(update))
    }

    fn refuse(&mut self, why: String) {
        self.whole.refuse(why);
    }

    fn origin(&self) -> ReplicaId {
        self.whole.origin()
    }

    fn now(&self) -> Time {
        self.whole.now()
    }
}

/// A part that may not be there.
struct Part<'a, R: Reduce, C, F, W> {
    whole: &'a mut (dyn Place<R> + 'a),
    find: F,
    wrap: W,
    /// What is read where nothing is.
    absent: C,
}

impl<R, C, F, W> Place<C> for Part<'_, R, C, F, W>
where
    R: Reduce,
    C: Reduce,
    F: Fn(&R) -> Option<&C>,
    W: Fn(C::Update) -> R::Update,
{
    fn state(&self) -> &C {
        (self.find)(self.whole.state()).unwrap_or(&self.absent)
    }

    fn update(&mut self, update: C::Update) -> bool {
        self.whole.update((self.wrap)(update))
    }

    fn refuse(&mut self, why: String) {
        self.whole.refuse(why);
    }

    fn origin(&self) -> ReplicaId {
        self.whole.origin()
    }

    fn now(&self) -> Time {
        self.whole.now()
    }
}

/// A reducer behind a pointer is edited as what it points to.
impl<R: Edit> Edit for Box<R> {
    type Editor<'a> = BoxEditor<'a, R>;

    fn before(&self, update: &Self::Update, stamp: Stamp) -> PutBack<Self> {
        let put_back = (**self).before(update, stamp);
        Box::new(move |state| put_back(state))
    }

    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let inverse = (**self).inverse(update, stamp)?;
        Some(Box::new(move |state| inverse(state).into_iter().map(Box::new).collect()))
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        Some((**self).rebuild()?.into_iter().map(Box::new).collect())
    }
}

/// Edits what a box holds: see [`inner`](Self::inner).
pub struct BoxEditor<'a, R: Reduce> {
    editor: Editor<'a, Box<R>>,
    of: PhantomData<R>,
}

impl<R: Edit> BoxEditor<'_, R> {
    /// The editor of what the box holds.
    pub fn inner(&mut self) -> R::Editor<'_> {
        self.editor.field(|state| &**state, Box::new)
    }
}

impl<'a, R: Reduce> From<Editor<'a, Box<R>>> for BoxEditor<'a, R> {
    fn from(editor: Editor<'a, Box<R>>) -> Self {
        Self { editor, of: PhantomData }
    }
}

impl<R: Reduce> Deref for BoxEditor<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.editor
    }
}

impl<R: Reduce + fmt::Debug> fmt::Debug for BoxEditor<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.editor.fmt(f)
    }
}
