//! Fossil delta: what changed between two publications, as text. The format is that of the Fossil version control system
//! (<https://fossil-scm.org/home/doc/trunk/www/delta_format.wiki>): the target's length and a newline, then operations, integers
//! in base 64: `N@O,` copies N bytes from offset O of the base, `N:` is followed by N literal bytes, `N;` ends with the
//! target's checksum.
//!
//! Invariant: applied to its base a patch gives its target, byte for byte.
//! Invariant: between two UTF-8 texts it is UTF-8 itself: literals are cut at character boundaries, since a patch
//! for a JSON client travels inside a JSON string, which holds nothing else.

use std::collections::HashMap;

/// Bytes that must agree before a copy is considered. A copy costs some 6 bytes to write down.
const BLOCK: usize = 16;

/// Places of the base remembered for one block, so that a base of one repeated byte stays cheap.
const PLACES: usize = 8;

const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

/// The patch that makes `target` of `base`; `None` when it would not be smaller than the target.
pub(super) fn patch(base: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(target).is_ok();
    let blocks = index(base);
    let mut out = Vec::with_capacity(target.len() / 2 + 16);
    integer(target.len() as u32, &mut out);
    out.push(b'\n');
    let (mut at, mut written) = (0, 0);
    while at + BLOCK <= target.len() {
        match longest(base, target, &blocks, at, written).map(|copy| whole_characters(copy, target, text)) {
            Some(copy) if copy.length >= BLOCK => {
                literal(&target[written..copy.to], &mut out);
                integer(copy.length as u32, &mut out);
                out.push(b'@');
                integer(copy.from as u32, &mut out);
                out.push(b',');
                written = copy.to + copy.length;
                at = written;
            }
            _ => at += 1,
        }
        if out.len() >= target.len() {
            return None;
        }
    }
    literal(&target[written..], &mut out);
    integer(checksum(target), &mut out);
    out.push(b';');
    (out.len() < target.len()).then_some(out)
}

/// `length` bytes at `from` of the base stand at `to` of the target.
#[derive(Clone, Copy)]
struct Copied {
    from: usize,
    to: usize,
    length: usize,
}

fn index(base: &[u8]) -> HashMap<&[u8], Vec<usize>> {
    let mut blocks: HashMap<&[u8], Vec<usize>> = HashMap::with_capacity(base.len() / BLOCK);
    for (n, block) in base.chunks_exact(BLOCK).enumerate() {
        let places = blocks.entry(block).or_default();
        if places.len() < PLACES {
            places.push(n * BLOCK);
        }
    }
    blocks
}

/// The longest run around `at` that the base has too, reaching back at most to `written`.
fn longest(
    base: &[u8],
    target: &[u8],
    blocks: &HashMap<&[u8], Vec<usize>>,
    at: usize,
    written: usize,
) -> Option<Copied> {
    let places = blocks.get(&target[at..at + BLOCK])?;
    let runs = places.iter().map(|place| {
        let ahead = base[*place..]
            .iter()
            .zip(&target[at..])
            .take_while(|(a, b)| a == b)
            .count();
        let pairs = base[..*place].iter().rev().zip(target[written..at].iter().rev());
        let behind = pairs.take_while(|(a, b)| a == b).count();
        Copied {
            from: place - behind,
            to: at - behind,
            length: behind + ahead,
        }
    });
    runs.max_by_key(|run| run.length)
}

/// Shortens a copy so that it neither begins nor ends inside a character.
fn whole_characters(mut copy: Copied, target: &[u8], text: bool) -> Copied {
    let inside = |at: usize| text && target.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    while copy.length > 0 && inside(copy.to) {
        copy.to += 1;
        copy.from += 1;
        copy.length -= 1;
    }
    while copy.length > 0 && inside(copy.to + copy.length) {
        copy.length -= 1;
    }
    copy
}

fn literal(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        integer(bytes.len() as u32, out);
        out.push(b':');
        out.extend_from_slice(bytes);
    }
}

fn integer(value: u32, out: &mut Vec<u8>) {
    let first = (32 - value.leading_zeros()).div_ceil(6).max(1);
    for digit in (0..first).rev() {
        out.push(DIGITS[(value >> (6 * digit) & 63) as usize]);
    }
}

/// The sum of the bytes as big-endian words, the last one filled up with zeros.
fn checksum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(4)
        .map(|word| {
            let mut filled = [0; 4];
            filled[..word.len()].copy_from_slice(word);
            u32::from_be_bytes(filled)
        })
        .fold(0, u32::wrapping_add)
}

#[cfg(test)]
fn read(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    while let Some(digit) = DIGITS.iter().position(|digit| Some(digit) == bytes.first()) {
        value = value.checked_mul(64)?.checked_add(digit as u32)?;
        *bytes = &bytes[1..];
    }
    Some(value)
}

/// What a client does.
#[cfg(test)]
pub(crate) fn apply(base: &[u8], mut patch: &[u8]) -> Option<Vec<u8>> {
    let length = read(&mut patch)? as usize;
    patch = patch.strip_prefix(b"\n")?;
    let mut out = Vec::new();
    loop {
        let count = read(&mut patch)?;
        let (operation, rest) = patch.split_first()?;
        patch = rest;
        match operation {
            b'@' => {
                let from = read(&mut patch)? as usize;
                patch = patch.strip_prefix(b",")?;
                out.extend_from_slice(base.get(from..from + count as usize)?);
            }
            b':' => {
                out.extend_from_slice(patch.get(..count as usize)?);
                patch = &patch[count as usize..];
            }
            b';' => return (out.len() == length && checksum(&out) == count).then_some(out),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_changed_word_is_a_copy_a_literal_and_a_copy() {
        let base = br#"{"user":"ada lovelace","state":"active","score":100}"#;
        let target = br#"{"user":"ada lovelace","state":"banned","score":100}"#;
        let patch = patch(base, target).unwrap();
        assert!(patch.len() < target.len(), "{}", String::from_utf8_lossy(&patch));
        assert_eq!(apply(base, &patch).unwrap(), target);
    }

    #[test]
    fn what_would_not_be_smaller_is_no_patch() {
        assert_eq!(patch(b"", b"short"), None);
        assert_eq!(patch(&[b'a'; 100], &[b'b'; 100]), None);
    }

    #[test]
    fn integers_are_written_as_the_format_says() {
        let written = |value| {
            let mut out = Vec::new();
            integer(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            [0, 1, 63, 64, 4095, u32::MAX].map(written),
            ["0", "1", "~", "10", "~~", "3~~~~~"]
        );
    }

    #[test]
    fn the_patch_of_a_text_is_text_even_where_characters_share_bytes() {
        // д and Д, and emoji of one block, differ in their last bytes only
        let base = "Привет, мир! Это длинная строка с буквой д и смайликом 😀 в конце её".repeat(3);
        let target = base.replace('д', "Д").replace('😀', "😁");
        let patch = patch(base.as_bytes(), target.as_bytes()).unwrap();
        assert!(std::str::from_utf8(&patch).is_ok());
        assert_eq!(apply(base.as_bytes(), &patch).unwrap(), target.as_bytes());
    }

    fn edited() -> impl Strategy<Value = (String, String)> {
        let text = "[a-cд😀Д😁é\"{}: ]{0,300}";
        (text, text, 0..300usize, 0..300usize).prop_map(|(base, put, from, to)| {
            let mut characters: Vec<char> = base.chars().collect();
            let end = characters.len();
            let (from, to) = (from.min(to).min(end), from.max(to).min(end));
            let put: Vec<char> = put.chars().take(20).collect();
            characters.splice(from..to, put);
            (base.clone(), characters.into_iter().collect())
        })
    }

    proptest! {
        #[test]
        fn a_patch_applied_to_its_base_is_its_target_and_is_text((base, target) in edited()) {
            if let Some(patch) = patch(base.as_bytes(), target.as_bytes()) {
                prop_assert!(std::str::from_utf8(&patch).is_ok());
                prop_assert_eq!(apply(base.as_bytes(), &patch).unwrap(), target.into_bytes());
            }
        }

        #[test]
        fn any_bytes_are_patched_into_any_others(
            base in prop::collection::vec(0..3u8, 0..400), target in prop::collection::vec(0..3u8, 0..400),
        ) {
            if let Some(patch) = patch(&base, &target) {
                prop_assert!(patch.len() < target.len());
                prop_assert_eq!(apply(&base, &patch).unwrap(), target);
            }
        }
    }
}
