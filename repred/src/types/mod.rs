//! The ready-made states, and what a state of your own needs to be like them.
//!
//! The states themselves are exported at the root, too. What is only here are their updates and changes, and the
//! words for a type of your own: [`Reset`], [`ResetDetail`], [`Dots`], [`Superseded`], [`ValueChanges`].
//!
//! # Reading
//!
//! A state that holds one value is read with `value()`: [`Register`], [`MultiRegister`], [`Counter`],
//! [`GrowCounter`], [`Flag`], [`DisableFlag`], [`Max`], [`Min`], [`Or`], [`And`]. A collection is read as std's are,
//! with `get`, `contains`, `iter`, `len`: [`Set`], [`GrowSet`], [`TwoPhaseSet`], [`Map`], [`LwwMap`], [`Events`],
//! [`Presence`].
//!
//! `{:?}` shows what a reader sees, as one would write it. Everything else that a state holds, such as stamps and
//! tombstones, is in its serialized form, for instance as JSON.
//!
//! ```
//! use repred::{Counter, Map, Register, Replica, Reduce};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
//! struct Card {
//!     text: Register<String>,
//!     votes: Counter,
//! }
//!
//! let cards = Replica::new(Map::<u32, Card>::default());
//! cards.edit(|cards| cards.entry(7).text().set("milk"))?;
//! let shown = cards.read(|cards| format!("{cards:?}"))?;
//! assert_eq!(shown, r#"{7: Card { text: "milk", votes: 0 }}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A type of your own
//!
//! The ready-made states use nothing of the library that a type of your own cannot use: they implement [`Reduce`]
//! and [`Edit`], and [`Reset`] to be a value of a [`Map`]. Only the methods of their editors stand in another place.
//! They are methods of [`Editor`] itself; those of your own belong to a type around one, such as the derive writes.
//!
//! [`Reduce`]: crate::Reduce
//! [`Edit`]: crate::edit::Edit
//! [`Editor`]: crate::edit::Editor

mod editor_only;
mod max;
mod min;
mod or;
mod and;
mod counter;
mod grow_counter;
mod register;
mod multi_register;
mod flag;
mod set_changes;
mod grow_set;
mod two_phase_set;
mod set;
mod map_changes;
mod entries;
mod grow_map;
mod map;
mod lww_map;
mod events;
mod presence;

pub use self::{
    and::And,
    counter::Counter,
    events::{Events, EventsChanges, EventsUpdate},
    flag::{DisableFlag, Flag},
    grow_counter::GrowCounter,
    grow_set::GrowSet,
    lww_map::{LwwMap, LwwMapChanges},
    map::{Map, MapUpdate},
    map_changes::{EntryChanges, MapChanges},
    max::Max,
    min::Min,
    multi_register::{MultiRegister, MultiRegisterChanges, MultiRegisterUpdate},
    or::Or,
    presence::Presence,
    register::Register,
    set::{Set, SetUpdate},
    set_changes::{SetChange, SetChanges},
    two_phase_set::{TwoPhaseSet, TwoPhaseSetUpdate},
};

pub use crate::{
    changes::{Superseded, ValueChanges},
    dots::Dots,
    reset::{Reset, ResetDetail},
};
