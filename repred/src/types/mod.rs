//! Ready-made reducers. What they can do, a reducer of your own can do: they use nothing but
//! [`Reduce`](crate::Reduce), [`Edit`](crate::edit::Edit), [`Reset`] and stamps.
//!
//! From the simplest to those that hold others.

mod max;
mod min;
mod or;
mod and;
mod counter;
mod grow_counter;
mod register;
mod multi_register;
mod flag;
mod grow_set;
mod set;
mod two_phase_set;
mod entries;
mod grow_map;
mod map;
mod lww_map;
mod events;
mod presence;

pub use self::{
    and::And,
    counter::Counter,
    entries::{EntryChanges, MapChanges},
    events::{Events, EventsChanges, EventsUpdate},
    flag::{DisableFlag, Flag},
    grow_counter::GrowCounter,
    grow_set::GrowSet,
    lww_map::{LwwMap, LwwMapChanges},
    map::{Map, MapUpdate},
    max::Max,
    min::Min,
    multi_register::{MultiRegister, MultiRegisterChanges, MultiRegisterUpdate},
    or::Or,
    presence::Presence,
    register::Register,
    set::{Set, SetChange, SetChanges, SetUpdate},
    two_phase_set::{TwoPhaseSet, TwoPhaseSetUpdate},
};

pub use crate::{
    changes::{Superseded, ValueChanges},
    dots::Dots,
    reset::{Reset, ResetDetail},
};
