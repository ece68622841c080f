//! Ready-made reducers. What they can do, a reducer of your own can do: they use nothing but
//! [`Reduce`](crate::Reduce) and stamps.

mod counter;
mod grow_set;
mod map;
mod max;
mod register;

pub use self::{
    counter::Counter, grow_set::GrowSet, map::MapChanges, max::Max, register::Register,
};
