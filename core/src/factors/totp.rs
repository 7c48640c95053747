//! Codes of an authenticator app: TOTP (RFC 6238) with what every app understands: SHA-1, six digits, 30 seconds.

use crate::kernel::error::{Error, Result};
use crate::kernel::seal::random;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use totp_rs::{Builder, Totp};

/// Bytes of a secret (RFC 4226 §4 R6 recommends 160 bits).
pub(super) const SECRET: usize = 20;

/// A new secret.
pub(super) fn secret() -> Result<Vec<u8>> {
    let mut bytes = vec![0; SECRET];
    random(&mut bytes)?;
    Ok(bytes)
}

/// The URL that an app reads from a picture, and the secret as a person types it.
pub(super) fn shown(secret: &[u8], issuer: &str, account: &str) -> Result<(String, String)> {
    // neither may hold what separates the two
    let (issuer, account) = (issuer.replace(':', " "), account.replace(':', " "));
    let totp = of(secret, Some(issuer), &account)?;
    let url = totp
        .to_url()
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok((url, totp.secret().to_base32()))
}

/// The step whose code this is, of the present one and its neighbours (RFC 6238 §5.2), if it lies behind `used_up_to`.
pub(super) fn step(
    secret: &[u8],
    code: &SecretString,
    used_up_to: Option<i64>,
    now: OffsetDateTime,
) -> Result<Option<i64>> {
    let digits: String = code
        .expose_secret()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    if digits.len() != 6 {
        return Ok(None);
    }
    let totp = of(secret, None, "")?;
    let step = totp.check(&digits, now.unix_timestamp().unsigned_abs());
    let step = step.and_then(|step| i64::try_from(step).ok());
    Ok(step.filter(|step| used_up_to.is_none_or(|used| *step > used)))
}

fn of(secret: &[u8], issuer: Option<String>, account: &str) -> Result<Totp> {
    Builder::new()
        .with_secret(secret.to_vec())
        .with_skew(1)
        .with_issuer(issuer)
        .with_account_name(account)
        .build()
        .map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RFC: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    /// Appendix B of RFC 6238, its last six digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let step = step(RFC, &code.into(), None, at(seconds)).unwrap();
            assert_eq!(step, Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn a_neighbouring_step_counts_a_further_one_does_not_and_none_counts_twice() {
        let code: SecretString = "287082".into();
        for (seconds, used, counts) in [
            (59, None, true),
            (89, None, true),
            (29, None, true),
            (120, None, false),
            (59, Some(0), true),
            (59, Some(1), false),
            (89, Some(2), false),
        ] {
            let step = step(RFC, &code, used, at(seconds)).unwrap();
            assert_eq!(step.is_some(), counts, "{seconds} {used:?}");
        }
        assert_eq!(step(RFC, &"287 082".into(), None, at(59)).unwrap(), Some(1));
    }

    #[test]
    fn the_url_names_issuer_and_account_and_holds_the_secret() {
        let (url, typed) = shown(RFC, "Acme: Hub", "ada@example.com").unwrap();
        assert!(
            url.starts_with("otpauth://totp/Acme%20%20Hub:ada%40example.com?"),
            "{url}"
        );
        assert!(url.contains(&format!("secret={typed}")), "{url}");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_no_code_and_no_panic(typed in ".{0,12}") {
            prop_assume!(typed.chars().filter(|c| !c.is_whitespace()).any(|c| !c.is_ascii_digit()));
            prop_assert_eq!(step(RFC, &typed.into(), None, at(59)).unwrap(), None);
        }
    }
}
