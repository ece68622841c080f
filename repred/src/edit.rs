//! [`Edit`], the trait of states that are edited like plain data, and [`Editor`], what they are edited with.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};
use core::{fmt, marker::PhantomData, ops::Deref};

use crate::{
    id::ReplicaId,
    reduce::Reduce,
    stamp::{Dot, Stamp},
    time::Time,
};

/// A reducer that is edited like plain data, in steps that are atomic.
///
/// The derive and all ready-made types implement it. A reducer of your own needs a few lines:
///
/// ```
/// use repred::{Reduce, Replica, Stamp, edit::{Edit, Editor, Place, Rollback}};
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
///     type Editor<P: Place<Self>> = Editor<Self, P>;
///
///     fn rollback(&self, _update: &(u64, u32), _stamp: Stamp) -> Rollback<Self> {
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
    note = "write its updates with `update` and `update_all`; or implement `repred::edit::Edit` for it, which takes a few lines: \
            `type Editor<P: repred::edit::Place<Self>> = repred::edit::Editor<Self, P>` and a `rollback` that keeps what an update may change",
    note = "a derived struct can be edited if every field's type can, and if plain fields, those with \
            `#[reduce(with = ..)]`, are `Clone`"
)]
pub trait Edit: Reduce<Update: Send> + Sized + 'static {
    /// The editor of this type: [`Editor`] itself, or a type around one that has methods of its own.
    type Editor<P: Place<Self>>: From<Editor<Self, P>>;

    /// How `update` is rolled back if the edit fails. Called before the update is reduced.
    ///
    /// The function that it returns is called when everything that was reduced after the update has been rolled back.
    /// It must leave the state exactly as it was, stamps included. It should hold no more than the update touches,
    /// because there is one for each update of an edit.
    fn rollback(&self, update: &Self::Update, stamp: Stamp) -> Rollback<Self>;

    /// How `update` is undone later, by other updates; `None`, by default, if it cannot be. Called before the update
    /// is reduced. `UndoLog` uses it.
    ///
    /// ```
    /// use repred::{Counter, Stamp, Time, edit::Edit};
    ///
    /// let votes = Counter::default();
    /// let undo = votes.inverse(&3, Stamp::new(Time::ZERO, 0xa.into(), 1)).unwrap();
    /// assert_eq!(undo(&votes, &|_| true), [-3]);
    /// ```
    #[doc(alias = "undo")]
    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let _ = (update, stamp);
        None
    }

    /// The updates that turn the default into what this state shows; `None`, by default, if there are none. They
    /// bring a value back when its removal from a [`Map`](crate::Map) is undone.
    ///
    /// ```
    /// use repred::{Counter, Reduce, Stamp, Time, edit::Edit};
    ///
    /// let mut votes = Counter::default();
    /// votes.reduce(3, Stamp::new(Time::ZERO, 0xa.into(), 1));
    /// assert_eq!(votes.rebuild(), Some(vec![3]));
    /// ```
    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        None
    }
}

/// Undoes an update of an edit that fails; see [`Edit::rollback`].
pub type Rollback<R> = Box<dyn FnOnce(&mut R)>;

/// Returns the updates that undo one, for the state as it is by then; see [`Edit::inverse`].
///
/// Others may have written since. The second argument says of a dot whether it belongs to the edits that are being
/// undone, or to their undoing: what anybody else has written stands.
pub type Inverse<R> =
    Box<dyn FnOnce(&R, &dyn Fn(Dot) -> bool) -> Vec<<R as Reduce>::Update> + Send>;

/// Edits a state, or a part of one: it dereferences to the state, and its methods write.
///
/// What is written can be read at once. Each write is an [update](Reduce::Update), and is reduced as every other
/// replica will reduce it. If an update cannot be written, because it is too large, say, the error is kept to the
/// end of the edit, which then changes nothing and returns the error. So no write returns a `Result`.
///
/// The editors of the ready-made types have their methods here: that of a `Counter` has [`add`](Editor::add), and so
/// on. The editor of a derived struct has a method for each field. All of them build on [`update`](Self::update),
/// [`field`](Self::field) and [`keyed`](Self::keyed), and so can those of your own.
///
/// A function that takes an editor names its place: [`DynPlace`], with which an edit begins, or, with
/// `impl Place<Poll>`, any.
///
/// ```
/// use repred::{Counter, Reduce, Register, Replica, edit::DynPlace};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Reduce, Default, Serialize, Deserialize)]
/// struct Poll {
///     question: Register<String>,
///     votes: Counter,
/// }
///
/// fn begin(poll: &mut PollEditor<DynPlace<'_, Poll>>) {
///     poll.question().set("tea or coffee?");
///     poll.votes().add(1);
/// }
///
/// let poll = Replica::new(Poll::default());
/// poll.edit(begin)?;
/// assert_eq!(poll.read(|poll| poll.votes.value())?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Editor<R, P> {
    place: P,
    of: PhantomData<fn() -> R>,
}

impl<R: Reduce, P: Place<R>> Editor<R, P> {
    pub(crate) fn new(place: P) -> Self {
        Self { place, of: PhantomData }
    }

    /// Writes an update. Returns whether the state has changed.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert!(votes.edit(|votes| votes.update(3))?);
    /// assert!(!votes.edit(|votes| votes.update(0))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(&mut self, update: R::Update) -> bool {
        self.place.update(update)
    }

    /// Makes the whole edit fail with [`UpdateError::Refused`](crate::error::UpdateError::Refused): for an editor
    /// that is asked to write what must not be written.
    pub fn refuse(&mut self, why: impl Into<String>) {
        self.place.refuse(why.into());
    }

    /// The id of the replica that writes the updates.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(votes.edit(|votes| votes.origin())?, votes.id()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn origin(&self) -> ReplicaId {
        self.place.origin()
    }

    /// The wall time of the edit.
    ///
    /// ```
    /// use repred::{Counter, Replica, Time};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert!(votes.edit(|votes| votes.now())? > Time::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn now(&self) -> Time {
        self.place.now()
    }

    /// The editor of a part that is always there. `find` borrows the part from the state; `wrap` turns an update of
    /// the part into an update of the whole state.
    ///
    /// ```
    /// use repred::{Counter, Reduce, Replica, edit::{Edit, Editor, Place}};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Reduce, Default, Serialize, Deserialize)]
    /// struct Poll {
    ///     yes: Counter,
    /// }
    ///
    /// // What the derive writes for a field.
    /// fn vote(poll: &mut Editor<Poll, impl Place<Poll>>) {
    ///     poll.field(|poll| &poll.yes, PollUpdate::Yes).add(1);
    /// }
    ///
    /// let poll = Replica::new(Poll::default());
    /// poll.edit(|poll| vote(poll.as_mut()))?;
    /// assert_eq!(poll.read(|poll| poll.yes.value())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn field<C: Edit>(
        &mut self,
        find: fn(&R) -> &C,
        wrap: fn(C::Update) -> R::Update,
    ) -> C::Editor<FieldPlace<'_, R, C, P>> {
        Editor::new(FieldPlace { whole: &mut self.place, find, wrap }).into()
    }

    /// The editor of a part that may not exist yet, such as the value of a key. It reads as the default until it is
    /// written. [`Keyed`] says where it is.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.keyed("tea".to_string()).add(3))?; // what `votes.entry("tea")` does
    /// assert_eq!(votes.read(|votes| votes.get("tea").map(|votes| votes.value()))?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keyed<K>(&mut self, key: K) -> <R::Value as Edit>::Editor<KeyedPlace<'_, R, K, P>>
    where
        R: Keyed<K>,
    {
        Editor::new(KeyedPlace { whole: &mut self.place, key, absent: R::Value::default() }).into()
    }

    /// The same editor, with its place behind a pointer: for recursive functions, whose types would otherwise be
    /// infinite.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use repred::{Counter, Reduce, Replica, edit::DynPlace};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Reduce, Default, Serialize, Deserialize)]
    /// struct Tree {
    ///     visits: Counter,
    ///     children: BTreeMap<String, Tree>,
    /// }
    ///
    /// fn visit(tree: &mut TreeEditor<DynPlace<'_, Tree>>, path: &[&str]) {
    ///     tree.visits().add(1);
    ///     if let [child, path @ ..] = path {
    ///         let mut children = tree.children();
    ///         let mut child = children.entry(*child);
    ///         visit(&mut child.as_mut().as_dyn(), path);
    ///     }
    /// }
    ///
    /// let tree = Replica::new(Tree::default());
    /// tree.edit(|tree| visit(tree, &["a", "b"]))?;
    /// assert_eq!(tree.read(|tree| tree.children["a"].children["b"].visits.value())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_dyn(&mut self) -> R::Editor<DynPlace<'_, R>>
    where
        R: Edit,
    {
        let place: DynPlace<'_, R> = &mut self.place;
        Editor::new(place).into()
    }
}

impl<R: Reduce, P: Place<R>> Deref for Editor<R, P> {
    type Target = R;

    fn deref(&self) -> &R {
        self.place.state()
    }
}

impl<R: Reduce + fmt::Debug, P: Place<R>> fmt::Debug for Editor<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Editor").field(self.place.state()).finish()
    }
}

/// A value, or something borrowed that one is made from, such as `&str` for `String`.
///
/// `Into` would make numbers hard to write: for `set(7)` the compiler would ask which of the many types that a `u32`
/// can be made from is meant.
///
/// ```
/// use repred::{Register, Replica};
///
/// Replica::new(Register::<String>::default()).edit(|title| title.set("Groceries"))?;
/// Replica::new(Register::<u32>::default()).edit(|number| number.set(7))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{T}` is what is written here, not `{Self}`",
    label = "expected `{T}`, or something borrowed that one is made from: `&str` for `String`, `&[T]` for `Vec<T>`"
)]
pub trait IntoValue<T> {
    /// The value.
    fn into_value(self) -> T;
}

impl<T> IntoValue<T> for T {
    fn into_value(self) -> T {
        self
    }
}

impl IntoValue<String> for &str {
    fn into_value(self) -> String {
        self.to_owned()
    }
}

impl IntoValue<String> for &String {
    fn into_value(self) -> String {
        self.clone()
    }
}

impl IntoValue<Box<str>> for &str {
    fn into_value(self) -> Box<str> {
        self.into()
    }
}

impl<T: Clone> IntoValue<Vec<T>> for &[T] {
    fn into_value(self) -> Vec<T> {
        self.to_vec()
    }
}

/// Where an [`Editor`] reads and writes: a state that is being edited, or a part of one. Nothing but this module
/// needs to implement it.
pub trait Place<R: Reduce> {
    /// The state, or the part.
    fn state(&self) -> &R;

    /// Writes an update. Returns whether the state has changed.
    fn update(&mut self, update: R::Update) -> bool;

    /// Makes the whole edit fail.
    fn refuse(&mut self, why: String);

    /// The id of the replica that writes the updates.
    fn origin(&self) -> ReplicaId;

    /// The wall time of the edit.
    fn now(&self) -> Time;
}

/// A place behind a pointer.
pub type DynPlace<'a, R> = &'a mut (dyn Place<R> + 'a);

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

/// A part hands these on to the whole.
macro_rules! as_the_whole {
    () => {
        fn refuse(&mut self, why: String) {
            self.whole.refuse(why);
        }

        fn origin(&self) -> ReplicaId {
            self.whole.origin()
        }

        fn now(&self) -> Time {
            self.whole.now()
        }
    };
}

/// The place of a part that always exists; see [`Editor::field`].
pub struct FieldPlace<'a, R: Reduce, C: Reduce, P> {
    whole: &'a mut P,
    find: fn(&R) -> &C,
    wrap: fn(C::Update) -> R::Update,
}

impl<R: Reduce, C: Reduce, P: Place<R>> Place<C> for FieldPlace<'_, R, C, P> {
    fn state(&self) -> &C {
        (self.find)(self.whole.state())
    }

    fn update(&mut self, update: C::Update) -> bool {
        self.whole.update((self.wrap)(update))
    }

    as_the_whole! {}
}

impl<R: Reduce, C: Reduce, P> fmt::Debug for FieldPlace<'_, R, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldPlace").finish_non_exhaustive()
    }
}

/// A reducer with parts that have keys and need not exist, such as a map; see [`Editor::keyed`].
pub trait Keyed<K>: Reduce {
    /// The type of the parts.
    type Value: Edit + Default;

    /// The part of a key, if it exists.
    fn find(&self, key: &K) -> Option<&Self::Value>;

    /// An update of a part as an update of the whole.
    fn wrap(key: &K, update: <Self::Value as Reduce>::Update) -> Self::Update;
}

/// The place of a part that need not exist; see [`Editor::keyed`].
pub struct KeyedPlace<'a, R: Keyed<K>, K, P> {
    whole: &'a mut P,
    key: K,
    /// What is read while the part does not exist.
    absent: R::Value,
}

impl<R: Keyed<K>, K, P: Place<R>> Place<R::Value> for KeyedPlace<'_, R, K, P> {
    fn state(&self) -> &R::Value {
        self.whole.state().find(&self.key).unwrap_or(&self.absent)
    }

    fn update(&mut self, update: <R::Value as Reduce>::Update) -> bool {
        self.whole.update(R::wrap(&self.key, update))
    }

    as_the_whole! {}
}

impl<R: Keyed<K>, K, P> fmt::Debug for KeyedPlace<'_, R, K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedPlace").finish_non_exhaustive()
    }
}

/// A reducer behind a pointer is edited as what it points to.
impl<R: Edit> Edit for Box<R> {
    type Editor<P: Place<Self>> = BoxEditor<R, P>;

    fn rollback(&self, update: &Self::Update, stamp: Stamp) -> Rollback<Self> {
        let roll_back = (**self).rollback(update, stamp);
        Box::new(move |state| roll_back(state))
    }

    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let inverse = (**self).inverse(update, stamp)?;
        Some(Box::new(move |state, is_ours| {
            inverse(state, is_ours).into_iter().map(Box::new).collect()
        }))
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        Some((**self).rebuild()?.into_iter().map(Box::new).collect())
    }
}

/// Edits what a box holds: see [`inner`](Self::inner).
pub struct BoxEditor<R, P> {
    editor: Editor<Box<R>, P>,
}

impl<R: Edit, P: Place<Box<R>>> BoxEditor<R, P> {
    /// The editor of what the box holds.
    pub fn inner(&mut self) -> R::Editor<FieldPlace<'_, Box<R>, R, P>> {
        self.editor.field(|state| &**state, Box::new)
    }
}

impl<R, P> From<Editor<Box<R>, P>> for BoxEditor<R, P> {
    fn from(editor: Editor<Box<R>, P>) -> Self {
        Self { editor }
    }
}

impl<R: Reduce, P: Place<Box<R>>> Deref for BoxEditor<R, P> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.editor
    }
}

impl<R: Reduce + fmt::Debug, P: Place<Box<R>>> fmt::Debug for BoxEditor<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.editor.fmt(f)
    }
}
