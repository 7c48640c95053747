//! Tests of the whole program, from outside.

#![allow(
    clippy::disallowed_methods,
    reason = "tests make threads, tasks, ids and times as they like, and end with them"
)]

#[cfg(test)]
mod api;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod live;
#[cfg(test)]
mod services;
