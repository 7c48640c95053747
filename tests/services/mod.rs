//! The operational base: private servers, their folder, and the commands around them, each as a person meets it.

mod backup;
mod commands;
mod folders;
pub mod hub;
mod life;
mod logs;
mod stop;
