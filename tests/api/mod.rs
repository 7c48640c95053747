//! The API, as a program meets it.

mod access;
mod addresses;
mod api_keys;
mod asvs;
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
mod joining;
mod live;
mod matrix;
mod openapi;
mod profiles;
mod roles;
mod server_api;
mod sessions;
mod settings;
mod teams;
mod users;
