//! Words every feature uses: ids, who asks, permissions, errors, events, sealing, time.
//!
//! Invariant: nothing in here touches the network or the disk, but for the operator's file of breached passwords.

pub mod clock;
pub mod ctx;
pub mod error;
pub mod event;
pub mod id;
pub mod link_token;
pub mod name;
pub mod network;
pub mod page;
pub mod password;
pub mod password_policy;
pub mod percent;
pub mod permission;
pub mod seal;
