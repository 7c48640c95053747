//! floor 1
pub mod live_hub;
pub mod private_services;
