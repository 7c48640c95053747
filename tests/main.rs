//! Tests of the whole program, from outside.

#[cfg(test)]
mod services;
