//! Percent-encoding, read (RFC 3986, section 2.1).

/// `text` with every `%XX` as the byte that it stands for. A `%` that begins no such triple stays; what is not UTF-8 after that
/// becomes U+FFFD.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail
            .first_chunk::<2>()
            .and_then(|code| hex::decode(code).ok())
            .filter(|_| *first == b'%');
        if let Some(code) = code {
            bytes.extend(code);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;
    use proptest::prelude::*;

    #[test]
    fn triples_become_bytes_and_anything_else_stays() {
        assert_eq!(decoded("p%40ss%3Aword"), "p@ss:word");
        assert_eq!(decoded("j%C3%B6rg%c3%bc"), "jörgü");
        assert_eq!(decoded("100% %4 %zz %"), "100% %4 %zz %");
        assert_eq!(decoded("%ff"), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_read_back(text in ".*") {
            let encoded = text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
            prop_assert_eq!(decoded(&encoded), text.clone());
            decoded(&text);
        }
    }
}
