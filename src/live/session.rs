//! The secret of a stream for which others carry commands (`POST /emulation`), or of which the server API speaks. It is the
//! connection's id, by which it is found without a search, and a keyed hash of that: so any node tells whether it was ever given
//! out, without asking another, and nobody makes one up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use signalbox_core::kernel::seal::Sealer;
use subtle::ConstantTimeEq;

/// The secret of the connection `id`, which others may know.
pub fn of(sealer: &Sealer, id: &str) -> String {
    format!(
        "{id}.{}",
        URL_SAFE_NO_PAD.encode(sealer.mac("live.session", id.as_bytes()))
    )
}

/// Whether this hub has given it out, for a stream that lives or has ended.
pub fn is_ours(sealer: &Sealer, session: &str) -> bool {
    let Some((id, _)) = session.split_once('.') else {
        return false;
    };
    of(sealer, id).as_bytes().ct_eq(session.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_of_one_hub_and_one_connection_and_found_by_its_id() {
        let (ours, another) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        let session = of(&ours, "one");
        assert!(session.starts_with("one.") && is_ours(&ours, &session));
        assert!(!is_ours(&another, &session) && !is_ours(&ours, &session.replace("one", "two")));
        assert_ne!(of(&ours, "one"), of(&ours, "two"));
    }

    proptest! {
        #[test]
        fn whatever_is_guessed_is_none_and_does_no_harm(guess in "\\PC{0,80}") {
            prop_assert!(!is_ours(&Sealer::new(&[1; 32]), &guess));
        }
    }
}
