//! The law kit: what it finds in broken reducers, and that the ready-made types keep the laws.

mod kit;
mod types;
