//! Faults put into a running hub, and what its users notice.

mod actors;
mod application;
mod balancer;
mod chaos;
mod custody;
mod drain;
mod figures;
mod followers;
mod hostile;
mod impersonation;
mod imports;
mod keys;
mod killed;
mod messages;
mod nodes;
mod outage;
pub mod relay;
mod revocation;
mod rights;
mod stop;
