//! Which passwords may be chosen (NIST SP 800-63B-4 §3.1.1.2; ASVS 5.0 V6.2).
//!
//! Length is what makes a password hard to guess, so nothing is asked of its composition. What is refused is what a guesser
//! tries first: common passwords, the person's own name and address with little around them, and what has been in a breach.
//!
//! [`check`] is the one function that every place which sets a password calls. The list of common passwords is in the binary
//! (`common.txt`, one a line, small letters); the breached ones are a file of the operator's ([`Breached`]).
//!
//! Invariant: a password is looked for on this machine only, and neither it nor its hash leaves this module.

mod breached;

pub use breached::Breached;

use super::error::{Error, Result};
use super::password::Passwords;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Fewest characters of a password.
pub const SHORTEST: usize = 8;
/// Most characters of a password: 64 must be let in, and more is welcome, but books are not.
pub const LONGEST: usize = 128;
/// Words of a person's that have fewer letters say nothing: they stand in many others.
const SHORTEST_WORD: usize = 4;
/// The product's name: what everybody thinks of who sits before it.
const PRODUCT: &str = "signalbox";

static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("password_policy/common.txt").lines().collect());

/// Passes when `password` may be chosen by whoever `own` are the e-mail address and names of; else says what is wrong with
/// the field `field`: `too_short`, `too_long`, `common`, `own` or `breached`.
///
/// # Errors
/// That, or that the operator's file of breached passwords cannot be read: then nothing is let through.
pub async fn check(
    passwords: &Passwords,
    password: &SecretString,
    field: &'static str,
    own: &[&str],
) -> Result<()> {
    plain(password, field, own)?;
    let Some(breached) = passwords.breached() else {
        return Ok(());
    };
    if breached.has(password.clone()).await? {
        let detail = "This password has been in a breach, so guessers try it. Choose another.";
        return Err(Error::field(field, "breached", detail));
    }
    Ok(())
}

/// As [`check`], as far as that can be told without the operator's file.
pub(crate) fn plain(password: &SecretString, field: &'static str, own: &[&str]) -> Result<()> {
    let password = password.expose_secret();
    let length = password.chars().count();
    if length < SHORTEST {
        let detail = format!("A password has at least {SHORTEST} characters.");
        return Err(Error::field(field, "too_short", detail));
    }
    if length > LONGEST {
        let detail = format!("A password has at most {LONGEST} characters.");
        return Err(Error::field(field, "too_long", detail));
    }
    let lower = password.to_lowercase();
    if COMMON.contains(lower.as_str()) || is_monotonous(&lower) {
        let detail = "This password is one of those that guessers try first. Choose another; a few words in a row are good.";
        return Err(Error::field(field, "common", detail));
    }
    if !is_more_than(&lower, own) {
        let detail =
            "This password is little more than your name, your address or the hub's name. Choose another.";
        return Err(Error::field(field, "own", detail));
    }
    Ok(())
}

/// One or two letters or digits over and over.
fn is_monotonous(lower: &str) -> bool {
    let letters: HashSet<char> = lower.chars().collect();
    letters.len() <= 2 && letters.iter().all(|letter| letter.is_alphanumeric())
}

/// Whether something is left that could stand alone when the words of `own` and the product's name are taken out. A password
/// that has none of them is judged by the other rules.
fn is_more_than(lower: &str, own: &[&str]) -> bool {
    let mut words: Vec<String> = own
        .iter()
        .flat_map(|text| words(text))
        .chain([PRODUCT.to_owned()])
        .collect();
    // the longest first, so that a part of another does not leave that one's rest behind
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = lower.to_owned();
    for word in words {
        rest = rest.replace(&word, "");
    }
    rest == lower || rest.chars().filter(|letter| letter.is_alphanumeric()).count() >= SHORTEST
}

/// The words of a name or an address, in small letters.
fn words(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase();
    let words: Vec<String> = text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests;
