//! Floor 2 of Signalbox: transport, composition and the command line.

pub mod actors;
pub mod backup;
pub mod cli;
pub mod config;
pub mod health;
pub mod http;
pub mod listener;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod running;
pub mod secrets;
pub mod serve;
pub mod servers;
pub mod stop;
pub mod store;
