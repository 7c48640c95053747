//! The API, as a program meets it.

mod access;
mod audit;
mod auth;
mod auth_cookies;
mod auth_limits;
mod auth_refresh;
mod bad_input;
mod console;
mod grants;
mod idempotency;
mod imports;
mod jobs;
mod live;
mod openapi;
mod roles;
mod server_api;
mod users;
