//! Two replicas in WebAssembly: they converge over a pipe in memory, and notice that time goes by.
//!
//! The program has no operating system: time and random numbers come from the functions of `host.rs`,
//! which `run.mjs` implements. `.ci/wasm` builds and runs it; on other platforms it does nothing.

#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod replicas;

fn main() {
    #[cfg(target_family = "wasm")]
    {
        host::report_panics();
        replicas::both_converge();
        host::report("two replicas have converged");
        replicas::a_silent_peer_is_given_up();
        host::report("a silent peer was given up when the host's clock said so");
    }
}
