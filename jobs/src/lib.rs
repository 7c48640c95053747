//! Floor 1: background work. Takes due jobs from the ledger of core, runs their handlers, and gives the outcome back.
//!
//! [`Workers`] is what a node starts and stops; `registry` lists every kind of job once; `backend` is our own apalis
//! backend (PostgreSQL is the ledger, Redis the dispatcher); `keeper` renews leases and takes over from workers that
//! went away. What a job does stands in core, in the feature it belongs to.

mod again;
mod backend;
mod desk;
mod keeper;
mod registry;
mod runner;
mod workers;

pub use registry::{Handler, Kind, Longest, registry};
pub use workers::{Options, Workers};

#[cfg(test)]
mod tests;
