//! Followers who see some rows and not others.

use super::*;

/// Of the person's row, with the facts that decide who sees it.
fn of_person(position: u64, person: u128) -> Vec<u8> {
    let id = Uuid::from_u128(person);
    let event = json!({"n": position, "type": "user.updated", "actor": {"kind": "system"}, "patch": {"id": id, "name": "Ada"},
        "subject": {"kind": "user", "id": id, "version": position}});
    let facts = json!({"owner": id});
    json!({"event": event, "row": "user", "before": facts, "after": facts})
        .to_string()
        .into_bytes()
}

/// What person 1 sees, who sees themselves.
fn own_sight(organization: OrganizationId) -> Sight {
    let subject = Subject {
        organization,
        user: UserId(Uuid::from_u128(1)),
        teams: Vec::new(),
    };
    let own = Rows {
        own: true,
        ..Rows::default()
    };
    let reaches = [("users:read".to_owned(), Reach::of(own).unwrap())].into();
    Sight::of(&PermissionSet::of(subject, reaches), "feed:users")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_follower_may_not_see_moves_it_and_does_not_count_against_what_it_is_given() {
    let desk = Desk::open().await;
    let organization = desk.test.organization;
    desk.test
        .sql(format!(
            "INSERT INTO users (id, organization_id, email) VALUES ('{}', '{organization}', 'one@example.com')",
            Uuid::from_u128(1)
        ))
        .await;
    let person = |position: u64| if position.is_multiple_of(2_000) { 1 } else { 2 };
    let store = async |positions| {
        let payload = |at| of_person(at, person(at));
        desk.append_in("e1", positions, payload).await;
    };
    store(1..=7_000).await;
    let sight = own_sight(desk.test.organization);
    let mut wish = desk.wish(&[], place(0));
    wish.view = View::new(sight.clone(), &Plain);
    let (some, all) = (Outlet::new(1 << 20), Outlet::new(1 << 20));
    let following = desk.hub.follow(&some, 1, wish).await.unwrap();
    let offsets = following.missed.iter().map(|item| item.offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [2_000, 4_000, 6_000]);
    assert_eq!((following.recovered, following.place.offset), (true, 7_000));
    let whole = desk
        .hub
        .follow(&all, 1, desk.wish(&[], place(6_999)))
        .await
        .unwrap();
    assert_eq!(whole.missed.len(), 1);
    for one in [&following, &whole] {
        one.membership.release(one.place.clone(), false);
    }
    // live, one by one and many at once, and the past
    store(7_001..=8_001).await;
    let key = desk.channel();
    for part in [7_001..=7_001, 7_002..=8_001] {
        let batch = Batch {
            organization: key.organization,
            channel: key.name.to_string(),
            epoch: "e1".into(),
            first: *part.start(),
            payloads: part.map(|at| of_person(at, person(at)).into()).collect(),
        };
        desk.hub.publish(&Publication::of_batch(batch));
    }
    assert_eq!(
        numbers(&events(&all, 1_001).await),
        (7_001..=8_001).collect::<Vec<_>>()
    );
    assert_eq!(numbers(&events(&some, 1).await), [8_000]);
    let past = Past {
        since: None,
        limit: 1_000,
        bytes: usize::MAX,
        reverse: true,
    };
    let view = View::new(sight, &Plain);
    let (top, items) = desk.hub.history(&key, &view, past).await.unwrap().unwrap();
    assert_eq!((top.offset, items.len()), (8_001, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_who_came_and_left_meanwhile_nothing_is_told_and_of_who_left_that_alone() {
    let desk = Desk::open().await;
    let organization = desk.test.organization;
    let team = Uuid::from_u128(10);
    let moves = |n: u64, person: u128, before: bool, after: bool| {
        let mut payload: Value = serde_json::from_slice(&of_person(n, person)).unwrap();
        for (name, is_in) in [("before", before), ("after", after)] {
            payload[name]["teams"] = if is_in { json!([team]) } else { json!([]) };
        }
        payload.to_string().into_bytes()
    };
    // 2 was there and stays, 3 was there and leaves, 4 comes and leaves, 5 comes and stays, 6 leaves and comes back
    let payloads = [
        moves(1, 2, true, true),
        moves(2, 3, true, true),
        moves(3, 4, false, true),
        moves(4, 4, true, true),
        moves(5, 3, true, false),
        moves(6, 5, false, true),
        moves(7, 6, true, false),
        moves(8, 4, true, false),
        moves(9, 6, false, true),
    ];
    let (bus, key) = (&desk.test.store.bus, desk.channel());
    let done = append(
        bus,
        organization,
        &key.name,
        "e1",
        &Begin::Over(None),
        1,
        &payloads,
    )
    .await;
    assert_eq!(done.unwrap(), Appended::UpTo(9));
    let subject = Subject {
        organization,
        user: UserId(Uuid::from_u128(1)),
        teams: vec![team],
    };
    let rows = Rows {
        team: true,
        ..Rows::default()
    };
    let reaches = [("users:read".to_owned(), Reach::of(rows).unwrap())].into();
    let sight = Sight::of(&PermissionSet::of(subject, reaches), "feed:users");
    let mut wish = desk.wish(&[], place(0));
    wish.view = View::new(sight.clone(), &Plain);
    let outlet = Outlet::new(1 << 20);
    let following = desk.hub.follow(&outlet, 1, wish).await.unwrap();
    let given = following
        .missed
        .iter()
        .map(|item| item.offset)
        .collect::<Vec<_>>();
    assert_eq!(given, [1, 5, 6, 7, 9]);
    let five: Value = serde_json::from_slice(&following.missed[1].data).unwrap();
    assert_eq!((&five["type"], five.get("patch")), (&json!("user.removed"), None));
    // the people are gone by now: whoever knows a place is told who left, nobody anything else
    let view = View::new(sight, &Plain);
    for (since, offsets) in [(place(0), &[5, 7, 8][..]), (None, &[])] {
        let past = Past {
            since,
            limit: 100,
            bytes: usize::MAX,
            reverse: false,
        };
        let (_, items) = desk.hub.history(&key, &view, past).await.unwrap().unwrap();
        assert_eq!(items.iter().map(|item| item.offset).collect::<Vec<_>>(), offsets);
    }
}
