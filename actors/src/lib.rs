//! floor 1
pub mod live_hub;
