//! Changes as patches of what stood under the same key.

use super::*;

/// The text that a publication brings where publications are patches.
pub fn whole(base: Option<&String>, publication: &Value) -> String {
    let text = publication["data"].as_str().unwrap();
    if publication["delta"] != true {
        return text.to_owned();
    }
    let base = base.unwrap_or_else(|| panic!("a patch of nothing: {publication}"));
    String::from_utf8(apply(base.as_bytes(), text.as_bytes())).unwrap()
}

/// Applies a patch of Fossil's as a client does, without looking at its checksum.
fn apply(base: &[u8], mut patch: &[u8]) -> Vec<u8> {
    let mut made = Vec::new();
    let length = number(&mut patch);
    patch = patch.strip_prefix(b"\n").unwrap();
    loop {
        let count = number(&mut patch);
        let (act, rest) = patch.split_first().unwrap();
        patch = rest;
        match act {
            b'@' => {
                let from = number(&mut patch);
                patch = patch.strip_prefix(b",").unwrap();
                made.extend_from_slice(&base[from..from + count]);
            }
            b':' => {
                made.extend_from_slice(&patch[..count]);
                patch = &patch[count..];
            }
            _ => {
                assert_eq!((*act, made.len()), (b';', length));
                return made;
            }
        }
    }
}

fn number(text: &mut &[u8]) -> usize {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut value = 0;
    while let Some(digit) = digits.iter().position(|digit| text.first() == Some(digit)) {
        value = value * 64 + digit;
        *text = &text[1..];
    }
    value
}

/// Long enough that a patch of it is shorter, with characters of several bytes.
pub fn long(word: &str) -> Value {
    json!({"text": format!("{} {word} {}", "Привет, мир".repeat(8), "😀".repeat(20))})
}

impl Follower {
    /// One that takes patches.
    async fn patched(node: &Node, user: &str, channel: &str) -> Self {
        let mut follower = Self::connect(node, user, channel, 1).await;
        follower.bases = Some(BTreeMap::new());
        follower.read(2).await;
        follower
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_a_patch_of_the_last_one_of_its_key_and_the_first_of_each_is_whole() {
    let node = node().await;
    let mut expected = Values::new();
    let put = async |key: &str, word: &str| {
        let always = Change::Put(Condition::Always);
        node.change("notes:1", always, key, long(word)).await;
    };
    for key in ["a", "b", "c"] {
        put(key, "at first").await;
        expected.insert(key.to_owned(), long("at first"));
    }
    let mut ada = Follower::patched(&node, "ada", "notes:1").await;
    let mut bob = Follower::live(&node, "bob", "notes:1", 1).await;
    assert_eq!((&ada.values, &bob.values), (&expected, &expected));
    for (key, word, patches) in [
        ("a", "one", 0),
        ("b", "one", 0),
        ("a", "two", 1),
        ("b", "two", 2),
        ("a", "three", 3),
    ] {
        put(key, word).await;
        expected.insert(key.to_owned(), long(word));
        ada.becomes(&expected).await;
        assert_eq!(ada.patches, patches, "{key} {word}");
    }
    // who comes later begins whole, whatever the others are given
    let mut eve = Follower::patched(&node, "eve", "notes:1").await;
    put("a", "four").await;
    put("a", "five").await;
    expected.insert("a".to_owned(), long("five"));
    eve.becomes(&expected).await;
    ada.becomes(&expected).await;
    bob.becomes(&expected).await;
    assert_eq!((eve.patches, ada.patches, bob.patches), (1, 5, 0));
    // what is gone is no base
    node.remove("notes:1", "a").await;
    put("a", "anew").await;
    expected.insert("a".to_owned(), long("anew"));
    ada.becomes(&expected).await;
    assert_eq!(ada.patches, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_as_patches_of_one_another_key_by_key() {
    let node = node().await;
    let mut expected = Values::new();
    let put = async |key: &str, word: &str| {
        let always = Change::Put(Condition::Always);
        node.change("notes:1", always, key, long(word)).await;
    };
    put("a", "at first").await;
    let mut ada = Follower::patched(&node, "ada", "notes:1").await;
    for word in ["one", "two", "three"] {
        for key in ["a", "b"] {
            put(key, word).await;
            expected.insert(key.to_owned(), long(word));
        }
    }
    ada = ada.returns(&node).await;
    ada.read(100).await;
    assert_eq!((&ada.values, ada.patches), (&expected, 4));
    // in pages it is whole
    for word in ["four", "five", "six"] {
        put("a", word).await;
    }
    expected.insert("a".to_owned(), long("six"));
    ada = ada.returns(&node).await;
    ada.pages.clear();
    ada.read(2).await;
    assert_eq!(ada.pages, [1, 0]);
    assert_eq!((&ada.values, ada.patches), (&expected, 4));
    put("b", "four").await;
    put("b", "five").await;
    expected.insert("b".to_owned(), long("five"));
    ada.becomes(&expected).await;
    assert_eq!(ada.patches, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_are_given_to_whoever_asks_where_the_namespace_allows_them_and_not_beside_a_filter() {
    let node = node().await;
    node.put("board:1", "a", 1).await;
    let mut ada = Follower::connect(&node, "ada", "board:1", 1).await;
    let live = ada.ask(json!({"phase": 2, "delta": "fossil"})).await["subscribe"].clone();
    assert_eq!(
        (&live["delta"], &live["state"][0]["data"]),
        (&Value::Null, &json!(1))
    );
    let mut bob = Follower::connect(&node, "bob", "board:1", 1).await;
    let both = json!({"phase": 2, "delta": "fossil", "tf": {"key": "a", "cmp": "ex"}});
    assert_eq!(bob.ask(both).await["error"]["code"], 107);
    node.person("operator", &["live:read"]);
    let mut wire = Wire::signed_in(&node, "operator").await;
    let looks_on = json!({"id": 2, "subscribe": {"channel": "notes:1", "delta": "fossil"}});
    let reply = wire.ask(looks_on).await;
    assert_eq!(reply["subscribe"]["delta"], Value::Null, "{reply}");
}
