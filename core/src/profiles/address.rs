//! Addresses of wallets, by the rules of their chains.

use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// A chain on which a wallet can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chain {
    /// Ethereum.
    Ethereum,
    /// Polygon.
    Polygon,
    /// Arbitrum.
    Arbitrum,
    /// Optimism.
    Optimism,
    /// Base.
    Base,
    /// Avalanche, its C chain.
    Avalanche,
    /// Solana.
    Solana,
}

impl Chain {
    const ALL: [Self; 7] = [
        Self::Ethereum,
        Self::Polygon,
        Self::Arbitrum,
        Self::Optimism,
        Self::Base,
        Self::Avalanche,
        Self::Solana,
    ];

    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ethereum => "ethereum",
            Self::Polygon => "polygon",
            Self::Arbitrum => "arbitrum",
            Self::Optimism => "optimism",
            Self::Base => "base",
            Self::Avalanche => "avalanche",
            Self::Solana => "solana",
        }
    }

    /// From the database; `None` for what is no chain.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.as_str() == text)
    }

    /// An address of this chain as it is kept; else a code and what to do.
    pub(super) fn address(self, raw: &str) -> Result<String, (&'static str, &'static str)> {
        let raw = raw.trim();
        if self == Self::Solana {
            return solana(raw).ok_or((
                "not_an_address",
                "An address here is 32 bytes in base 58, 32 to 44 characters.",
            ));
        }
        let digits = raw
            .strip_prefix("0x")
            .filter(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or(("not_an_address", "An address here is 0x and 40 hex digits."))?;
        let checked = checksummed(digits);
        // in one case there is no checksum in it; in two it must be right (EIP-55)
        let plain = digits.to_lowercase() == digits || digits.to_uppercase() == digits;
        if plain || checked[2..] == *digits {
            Ok(checked)
        } else {
            Err((
                "wrong_checksum",
                "The address's checksum is wrong: a character is missing or mistyped. Copy it again.",
            ))
        }
    }
}

/// `0x` and `digits` with the case of each letter by EIP-55: a letter is large where the nibble at its place of the Keccak-256
/// of the small-letter address is 8 or more.
fn checksummed(digits: &str) -> String {
    let small = digits.to_lowercase();
    let hash = Keccak256::digest(small.as_bytes());
    let cased = small.chars().enumerate().map(|(at, digit)| {
        let nibble = hash[at / 2] >> (4 * (1 - at % 2)) & 0xf;
        if nibble >= 8 {
            digit.to_ascii_uppercase()
        } else {
            digit
        }
    });
    std::iter::once("0x".to_owned())
        .chain(cased.map(String::from))
        .collect()
}

/// An ed25519 key in base 58: 32 bytes, as it is.
fn solana(text: &str) -> Option<String> {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if !(32..=44).contains(&text.len()) {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::with_capacity(32);
    for letter in text.bytes() {
        let mut carry = ALPHABET.iter().position(|known| *known == letter)?;
        for byte in &mut bytes {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    // each leading 1 is a zero byte
    let zeros = text.bytes().take_while(|letter| *letter == b'1').count();
    (bytes.len() + zeros == 32).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksums_of_eip_55_are_right_and_a_mistyped_letter_is_seen() {
        // the examples of EIP-55
        for address in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
        ] {
            assert_eq!(Chain::Ethereum.address(address).unwrap(), address);
            assert_eq!(Chain::Polygon.address(&address.to_lowercase()).unwrap(), address);
        }
        let mistyped = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD";
        assert_eq!(Chain::Ethereum.address(mistyped).unwrap_err().0, "wrong_checksum");
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        ] {
            assert_eq!(
                Chain::Ethereum.address(text).unwrap_err().0,
                "not_an_address",
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_of_solana_is_32_bytes_in_base_58() {
        for address in [
            "11111111111111111111111111111111",
            "So11111111111111111111111111111111111111112",
            "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        ] {
            assert_eq!(Chain::Solana.address(address).unwrap(), address);
        }
        for text in [
            "1111111111111111111111111111111",
            "111111111111111111111111111111111",
            "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5D0",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(Chain::Solana.address(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_an_address_or_refused_and_what_is_kept_is_kept_again(text in "\\PC{0,60}|0x[0-9a-fA-F]{40}") {
            for chain in Chain::ALL {
                if let Ok(kept) = chain.address(&text) {
                    prop_assert!((32..=64).contains(&kept.len()));
                    prop_assert_eq!(chain.address(&kept).unwrap(), kept);
                }
            }
        }
    }
}
