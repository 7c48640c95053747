use super::*;
use proptest::prelude::*;
use signalbox_core::kernel::error::Kind;
use signalbox_core::kernel::seal::Sealer;

fn limits(per_account: u32, per_address: u32, strangers: u32) -> LoginLimits {
    LoginLimits {
        places: Failures::new("account", per_account, Duration::from_secs(900)),
        addresses: Failures::new("address", per_address, Duration::from_secs(60)),
        strangers: Some(Failures::new("strangers", strangers, Duration::from_secs(900))),
        familiar: Mutex::default(),
    }
}

fn from(email: &str, ip: &str) -> Trier {
    Trier::of(email, ip.parse().ok(), None)
}

fn ada() -> Trier {
    from("ada@example.com", "127.0.0.1")
}

fn fail(limits: &LoginLimits, trier: &Trier) -> Result<(), u64> {
    let attempt = limits.begin(trier);
    attempt.map(drop).map_err(|refused| refused.retry_after.unwrap())
}

#[test]
fn failures_count_and_successes_do_not() {
    let limits = limits(10, 100, 1_000);
    for _ in 0..50 {
        limits
            .begin(&from("Ada@example.com", "127.0.0.1"))
            .unwrap()
            .take_back();
    }
    for _ in 0..10 {
        fail(&limits, &from("ada@example.com ", "127.0.0.1")).unwrap();
    }
    let refused = limits.admit(&from("ADA@example.com", "127.0.0.1")).unwrap_err();
    assert_eq!(refused.kind, Kind::TooMany);
    assert!((85..=91).contains(&refused.retry_after.unwrap()), "{refused:?}");
    limits.admit(&from("bob@example.com", "127.0.0.1")).unwrap();
    limits.admit(&from("ada@example.com", "10.0.0.1")).unwrap();
}

#[test]
fn an_address_is_limited_over_all_accounts_and_an_ipv6_network_is_one_address() {
    let limits = limits(10, 3, 1_000);
    for n in 0..3 {
        fail(
            &limits,
            &from(&format!("{n}@example.com"), &format!("2001:db8::{n}")),
        )
        .unwrap();
    }
    assert!(limits.admit(&from("new@example.com", "2001:db8::99")).is_err());
    limits.admit(&from("new@example.com", "2001:db8:0:1::1")).unwrap();
}

#[test]
fn strangers_who_try_an_account_from_everywhere_keep_only_strangers_out() {
    let limits = limits(10, 100, 20);
    let (home, device) = (from("ada@example.com", "192.0.2.1"), Device([7; 16]));
    limits.note_familiar(&home);
    for n in 0..20 {
        fail(&limits, &from("ada@example.com", &format!("10.0.0.{n}"))).unwrap();
    }
    assert!(
        limits.admit(&from("ada@example.com", "10.0.1.1")).is_err(),
        "a stranger"
    );
    limits.admit(&home).unwrap();
    limits.admit(&from("bob@example.com", "10.0.1.1")).unwrap();
    let travelling = Trier::of("ada@example.com", "10.0.1.1".parse().ok(), Some(device));
    limits.admit(&travelling).unwrap();
    // behind the very address that the strangers come from, too
    for _ in 0..100 {
        let _ = fail(&limits, &from("bob@example.com", "10.0.1.1"));
        let _ = fail(&limits, &from("ada@example.com", "10.0.1.1"));
    }
    limits.admit(&travelling).unwrap();
    for _ in 0..10 {
        fail(&limits, &travelling).unwrap();
    }
    assert!(
        limits.admit(&travelling).is_err(),
        "a device is no way around its own limit"
    );
}

#[test]
fn what_is_tried_within_a_session_is_used_up_there_and_nowhere_else() {
    let limits = limits(3, 5, 5);
    let session = Uuid::from_u128(7);
    for n in 0..50 {
        let _ = fail(&limits, &from(&session.to_string(), &format!("10.0.0.{n}")));
    }
    for _ in 0..3 {
        fail(&limits, &Trier::within(session)).unwrap();
    }
    assert!(fail(&limits, &Trier::within(session)).is_err());
    fail(&limits, &Trier::within(Uuid::from_u128(8))).unwrap();
}

#[test]
fn wrong_keys_are_counted_by_address_and_the_wait_is_told() {
    let limit = KeyLimit(Failures::new("address", 3, Duration::from_secs(60)));
    let here = "127.0.0.1".parse().ok();
    for _ in 0..3 {
        limit.count(here).unwrap();
    }
    assert!((19..=21).contains(&limit.count(here).unwrap_err()));
    limit.count("10.0.0.1".parse().ok()).unwrap();
    limit.count(None).unwrap();
}

#[test]
fn the_headers_tell_what_is_left() {
    let limits = limits(10, 100, 1_000);
    fail(&limits, &ada()).unwrap();
    let mut headers = HeaderMap::new();
    limits.describe(&ada(), &mut headers);
    assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"account\";q=10;w=900");
    assert_eq!(headers.get("ratelimit").unwrap(), "\"account\";r=9;t=90");
}

#[test]
fn a_device_is_one_of_the_account_it_was_made_for() {
    let (sealer, device) = (Sealer::new(&[1; 32]), Device::new().unwrap());
    let shown = device.shown(&sealer, "Ada@example.com");
    assert_eq!(Device::read(&sealer, "ada@example.com ", &shown), Some(device));
    assert_eq!(Device::read(&sealer, "bob@example.com", &shown), None);
    assert_eq!(
        Device::read(&Sealer::new(&[2; 32]), "ada@example.com", &shown),
        None
    );
}

proptest! {
    #[test]
    fn whatever_a_browser_shows_is_read_without_a_panic(shown in ".{0,200}") {
        prop_assert!(Device::read(&Sealer::new(&[1; 32]), "ada@example.com", &shown).is_none());
    }
}
