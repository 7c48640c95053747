//! Every operation of the API, and every live channel, asked by everybody who could ask.
//!
//! The operations come from the OpenAPI document that the program writes, so that a new one cannot be forgotten, and are judged
//! by rules:
//!
//! * Whoever is nobody (no credentials, a session that has ended, a token that has run out, a banned person) gets 401.
//! * What an operation needs is found out by asking: a person with a role of their own is given, one by one, the permissions that
//!   its 403 names, until it is let in. Whoever holds all of those is let in, and whoever lacks one is refused (403) by its name.
//! * A program with an API key may do no more than its scopes name.
//! * Whatever is another organization's is not there (404), and stays as it is.
//!
//! What the rules cannot know of an operation stands in one table, `special`, with the reason. Where the matrix fails for a new
//! operation, it says what to add there.

mod conditions;
mod cross_site;
mod foreign;
mod inheritance;
mod live;
mod rest;
mod rows;
mod spec;
mod special;
mod step_up;
mod strings;
pub mod tokens;
mod values;
mod wire;
mod world;
