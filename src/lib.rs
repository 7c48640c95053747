//! Floor 2 of Signalbox: transport, composition and the command line.

pub mod config;
pub mod live;
