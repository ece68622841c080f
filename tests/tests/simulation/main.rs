//! Runs of chance at length: the simulator, and a model of everything that is forgotten.
//!
//! `REPRED_SEEDS=a..b` chooses the runs of both.

mod simulator;
mod forgetting;
mod copies;
