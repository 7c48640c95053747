use super::*;
use crate::kernel::id::UserId;
use crate::kernel::permission::{Reach, Resource, Rows, Subject};
use crate::live::published::Published;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CHANNEL: &str = "feed:users";
const READ: &str = "users:read";
const PERSONAL: &str = "users:read_pii";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// Person 1, of team 10, with these permissions on these rows.
fn holding(held: &[(&str, Rows)]) -> PermissionSet {
    let subject = Subject {
        organization: OrganizationId(id(99)),
        user: UserId(id(1)),
        teams: vec![id(10)],
    };
    let reaches = held
        .iter()
        .map(|(name, rows)| ((*name).to_owned(), Reach::of(rows.clone()).unwrap()));
    PermissionSet::of(subject, reaches.collect())
}

fn everywhere() -> Rows {
    Rows {
        everywhere: true,
        ..Rows::default()
    }
}

fn own() -> Rows {
    Rows {
        own: true,
        ..Rows::default()
    }
}

fn team() -> Rows {
    Rows {
        team: true,
        ..Rows::default()
    }
}

fn person(n: u128) -> Resource {
    Resource {
        kind: "user".to_owned(),
        id: id(n),
    }
}

fn single(n: u128) -> Rows {
    Rows {
        single: [person(n)].into(),
        ..Rows::default()
    }
}

fn all_but(n: u128) -> Rows {
    Rows {
        denied: [person(n)].into(),
        ..everywhere()
    }
}

fn reads(rows: Rows) -> Sight {
    Sight::of(&holding(&[(READ, rows)]), CHANNEL)
}

fn facts(owner: u128, teams: &[u128]) -> Scope {
    Scope {
        teams: teams.iter().map(|team| id(*team)).collect(),
        owner: Some(id(owner)),
    }
}

/// Of person `n`, done by person 7.
fn event(n: u128, before: Option<&[u128]>, after: Option<&[u128]>) -> Published {
    let kind = if after.is_some() {
        "user.updated"
    } else {
        "user.deleted"
    };
    let mut event = json!({
        "id": id(5), "type": kind, "at": "2026-01-01T00:00:00Z", "actor": {"kind": "user", "id": id(7), "name": "Seven"},
        "subject": {"kind": "user", "id": id(n), "version": 3, "label": "Name"}, "severity": "info", "text": "{actor} changed {subject}",
    });
    if after.is_some() {
        event["patch"] = json!({"id": id(n), "name": "Name", "email": "a@x.io"});
    }
    Published {
        event,
        row: "user".to_owned(),
        before: before.map(|teams| facts(n, teams)),
        after: after.map(|teams| facts(n, teams)),
    }
}

fn shown(sight: &Sight, published: &Published) -> Option<Value> {
    published.seen_by(sight, CHANNEL, Some(4))
}

#[test]
fn whoever_sees_every_row_is_asked_nothing_and_whoever_sees_some_only_where_there_are_rows() {
    let all: PermissionSet = [READ, PERSONAL].into_iter().collect();
    assert_eq!(Sight::of(&all, CHANNEL), Sight::whole(ViewClass::of(&all)));
    let both = holding(&[(READ, everywhere()), (PERSONAL, everywhere())]);
    assert!(Sight::of(&both, CHANNEL).is_whole());
    for rows in [own(), team(), single(2), all_but(2)] {
        assert!(!reads(rows.clone()).is_whole());
        assert!(Sight::of(&holding(&[(READ, rows)]), "feed:jobs").is_whole());
    }
    assert!(!Sight::of(&holding(&[(READ, everywhere()), (PERSONAL, team())]), CHANNEL).is_whole());
}

#[test]
fn what_is_in_sight_decides_before_and_after_what_is_shown() {
    // the sight, and of which of these rows it sees something: own, team's, another's
    let sights = [
        (own(), [true, false, false]),
        (team(), [false, true, false]),
        (single(3), [false, false, true]),
        (all_but(2), [true, false, true]),
    ];
    let rows: [(u128, &[u128]); 3] = [(1, &[11]), (2, &[10, 11]), (3, &[])];
    for (rule, sees) in sights {
        let sight = reads(rule.clone());
        for ((n, teams), sees) in rows.into_iter().zip(sees) {
            let seen = shown(&sight, &event(n, Some(teams), Some(teams)));
            assert_eq!(seen.is_some(), sees, "{rule:?} of {n}");
            if let Some(seen) = seen {
                assert_eq!((&seen["patch"]["name"], seen.get("came")), (&json!("Name"), None));
                assert_eq!((&seen["channel"], &seen["offset"]), (&json!(CHANNEL), &json!(4)));
            }
            let created = shown(&sight, &event(n, None, Some(teams)));
            assert_eq!(created.is_some_and(|seen| seen.get("came").is_none()), sees);
            assert_eq!(shown(&sight, &event(n, Some(teams), None)).is_some(), sees);
        }
    }
}

#[test]
fn a_row_that_left_is_a_removal_with_only_its_id_and_one_that_came_is_shown_in_full_and_says_so() {
    let sight = reads(team());
    let left = shown(&sight, &event(2, Some(&[10, 11]), Some(&[11]))).unwrap();
    let gone = |kind: &str| {
        json!({"id": id(5), "type": kind, "at": "2026-01-01T00:00:00Z", "channel": CHANNEL, "offset": 4,
               "subject": {"kind": "user", "id": id(2), "version": 3}})
    };
    assert_eq!(left, gone("user.removed"));
    let deleted = shown(&sight, &event(2, Some(&[10]), None)).unwrap();
    assert_eq!(deleted, gone("user.deleted"));
    let came = shown(&sight, &event(2, Some(&[11]), Some(&[10]))).unwrap();
    assert_eq!(
        (&came["came"], &came["patch"]["name"]),
        (&json!(true), &json!("Name"))
    );
}

#[test]
fn guarded_fields_are_seen_of_the_rows_of_which_they_may_be() {
    let sight = Sight::of(&holding(&[(READ, everywhere()), (PERSONAL, team())]), CHANNEL);
    let email = |teams: &[u128]| {
        shown(&sight, &event(2, Some(teams), Some(teams))).unwrap()["patch"]["email"].clone()
    };
    assert_eq!((email(&[10]), email(&[11])), (json!("a@x.io"), Value::Null));
    // and they go where the row leaves
    let left = shown(&sight, &event(2, Some(&[10]), Some(&[11]))).unwrap();
    assert_eq!(left["patch"]["masked"], json!(["email"]));
}

#[test]
fn who_did_it_is_shown_where_they_are_known_to_be_in_sight() {
    let actor = |rows: Rows, event: &Published| shown(&reads(rows), event).unwrap()["actor"]["id"].clone();
    let of_the_team = event(2, Some(&[10]), Some(&[10]));
    assert_eq!(actor(team(), &of_the_team), Value::Null);
    assert_eq!(actor(all_but(7), &of_the_team), Value::Null);
    assert_eq!(actor(all_but(8), &of_the_team), json!(id(7)));
    let with_seven = Rows {
        single: [person(7)].into(),
        ..team()
    };
    assert_eq!(actor(with_seven, &of_the_team), json!(id(7)));
    // what they did to themselves
    assert_eq!(actor(single(7), &event(7, Some(&[]), Some(&[]))), json!(id(7)));
    let mut by_the_hub = of_the_team;
    by_the_hub.event["actor"] = json!({"kind": "system", "id": null, "name": "jobs"});
    let shown = shown(&reads(team()), &by_the_hub).unwrap();
    assert_eq!(shown["actor"]["name"], "jobs");
}

fn import(updated: u64) -> Published {
    let row = |n: u128, version: u64, team: u128| json!({"id": id(n), "name": format!("Name {n}"), "email": "a@x.io", "version": version, "teams": [{"id": id(team), "role": "member"}]});
    Published {
        event: json!({
            "id": id(5), "type": "users.imported", "actor": {"kind": "user", "id": id(7), "name": "Seven"},
            "subject": {"kind": "import", "id": id(6), "version": 1},
            "data": {"inserted": 40, "updated": updated, "counts": {"total": 900}},
            "rows": [row(2, 4, 10), row(3, 2, 11), row(4, 1, 12)],
        }),
        row: "import".to_owned(),
        before: Some(Scope::default()),
        after: Some(Scope::default()),
    }
}

#[test]
fn of_an_import_the_rows_in_sight_are_shown_and_whether_there_may_be_more() {
    let seen = shown(&reads(team()), &import(2)).unwrap();
    assert_eq!(seen["data"], json!({"inserted": 0, "updated": 1}));
    assert_eq!(seen["rows"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&seen["rows"][0]["name"], &seen["rows"][0]["email"]),
        (&json!("Name 2"), &Value::Null)
    );
    let text = seen.to_string();
    assert!(!text.contains("Name 3") && !text.contains("Seven") && !text.contains("900"));
    // none of those carried: then only what is not carried matters
    assert_eq!(shown(&reads(own()), &import(2)), None);
    let more = shown(&reads(own()), &import(3)).unwrap();
    assert_eq!((&more["rows"], &more["data"]["updated"]), (&json!([]), &json!(1)));
    let most = shown(&reads(all_but(3)), &import(2)).unwrap();
    assert_eq!(
        (most["rows"].as_array().unwrap().len(), &most["data"]["inserted"]),
        (2, &json!(40))
    );
}

#[test]
fn what_has_no_facts_or_is_of_another_kind_is_not_shown_to_who_sees_some_rows() {
    let mut other = event(1, Some(&[10]), Some(&[10]));
    other.row = "organization".to_owned();
    let mut bare = event(1, Some(&[10]), Some(&[10]));
    (bare.before, bare.after) = (None, None);
    let mut nameless = event(1, Some(&[10]), Some(&[10]));
    nameless.event["subject"] = Value::Null;
    for rows in [own(), team(), single(1), all_but(3)] {
        for published in [&other, &bare, &nameless] {
            assert_eq!(shown(&reads(rows.clone()), published), None, "{rows:?}");
        }
    }
    let all = Sight::whole(ViewClass::of(&PermissionSet::default()));
    assert!(shown(&all, &other).is_some());
}

#[test]
fn a_place_of_one_sight_is_none_of_another() {
    let whole = |names: &[&str]| Sight::of(&names.iter().copied().collect(), CHANNEL);
    let with_fields = |rows: Rows| Sight::of(&holding(&[(READ, rows), (PERSONAL, everywhere())]), CHANNEL);
    let mut moved = holding(&[(READ, team())]).subject().unwrap().clone();
    moved.teams = vec![id(11)];
    let reaches = BTreeMap::from([(READ.to_owned(), Reach::of(team()).unwrap())]);
    let sights = [
        whole(&[READ]),
        whole(&[READ, PERSONAL]),
        reads(own()),
        reads(team()),
        reads(single(2)),
        reads(single(3)),
        reads(all_but(2)),
        with_fields(own()),
        with_fields(all_but(2)),
        Sight::of(&PermissionSet::of(moved, reaches), CHANNEL),
    ];
    for (n, one) in sights.iter().enumerate() {
        assert_eq!((&*one.epoch_told(""), one.epoch_meant("")), ("", ""));
        for (m, other) in sights.iter().enumerate() {
            let meant = other.epoch_meant(&one.epoch_told("ab12")) == "ab12";
            assert_eq!((meant, one == other), (n == m, n == m), "{one:?} {other:?}");
        }
    }
    let again = reads(team());
    assert_eq!(
        (&again, again.epoch_told("e")),
        (&sights[3], sights[3].epoch_told("e"))
    );
}

#[test]
fn of_the_past_nothing_is_shown_of_whoever_is_out_of_sight_by_now() {
    let sight = reads(team());
    let was = event(2, Some(&[10]), Some(&[10]));
    let now = |teams: &[u128]| HashMap::from([(id(2), facts(2, teams))]);
    assert!(was.is_in_sight_now(&sight, &now(&[10, 11])));
    assert!(!was.is_in_sight_now(&sight, &now(&[11])) && !was.is_in_sight_now(&sight, &HashMap::new()));
    let all = Sight::whole(ViewClass::of(&PermissionSet::default()));
    assert!(was.is_in_sight_now(&all, &HashMap::new()));
    // of an import those count whom it shows
    assert_eq!(import(2).people(), [id(2), id(3), id(4)]);
    assert!(
        import(2).is_in_sight_now(&sight, &now(&[10])) && !import(2).is_in_sight_now(&sight, &now(&[11]))
    );
    assert_eq!(
        event(2, Some(&[10]), Some(&[11])).moves(&sight),
        Some((id(2), true, false))
    );
    assert_eq!((import(2).moves(&sight), was.moves(&all)), (None, None));
}
