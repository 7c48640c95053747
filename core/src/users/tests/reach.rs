//! Whom somebody may see: a list's statement and the test of one row say the same, whatever the reach.

use super::*;
use crate::kernel::event::Scope;
use crate::kernel::permission::{Reach, Resource, Rows, Subject};
use crate::users::search::{self, Query, Sort};
use crate::users::{find, store};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// 40 people in some of 5 teams: of the person, the facts.
async fn people(test: &TestStore, rng: &mut StdRng) -> BTreeMap<Uuid, Scope> {
    let organization = test.organization;
    let teams: Vec<Uuid> = test
        .texts(format!(
            "INSERT INTO teams (id, organization_id, name) SELECT gen_random_uuid(), '{organization}', 'T' || n
             FROM generate_series(1, 5) n RETURNING id::text"
        ))
        .await
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    let mut all = BTreeMap::new();
    for user in test.people(40).await {
        let mut theirs: Vec<Uuid> = teams
            .iter()
            .copied()
            .filter(|_| rng.random_range(0..4) == 0)
            .collect();
        theirs.sort_unstable();
        for team in &theirs {
            test.sql(format!(
                "INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{organization}', '{team}', '{user}')"
            ))
            .await;
        }
        let scope = Scope {
            teams: theirs,
            owner: Some(user.0),
        };
        all.insert(user.0, scope);
    }
    all
}

fn reach(rng: &mut StdRng, ids: &[Uuid]) -> Option<Reach> {
    let mut some = |most: usize| -> BTreeSet<Resource> {
        let count = rng.random_range(0..=most);
        let picked = (0..count).map(|_| Resource {
            kind: if rng.random_range(0..8) == 0 {
                "team"
            } else {
                "user"
            }
            .to_owned(),
            id: *ids.choose(&mut *rng).unwrap(),
        });
        picked.collect()
    };
    let (single, denied) = (some(4), some(4));
    Reach::of(Rows {
        everywhere: rng.random_range(0..4) == 0,
        own: rng.random(),
        team: rng.random(),
        single,
        denied,
    })
}

#[tokio::test]
async fn a_list_has_just_the_people_whom_the_test_of_one_row_admits() {
    let test = testing::store().await;
    let mut rng = StdRng::seed_from_u64(7);
    let all = people(&test, &mut rng).await;
    let ids: Vec<Uuid> = all.keys().copied().collect();
    let mut narrow = 0;
    for _ in 0..150 {
        let me = *ids.choose(&mut rng).unwrap();
        let Some(reach) = reach(&mut rng, &ids) else {
            continue;
        };
        let subject = Subject {
            organization: test.organization,
            user: UserId(me),
            teams: all[&me].teams.clone(),
        };
        let mut ctx = Ctx::system(test.organization, "test");
        ctx.actor = Actor::User(UserId(me));
        ctx.permissions = PermissionSet::of(
            subject,
            BTreeMap::from([("users:read".to_owned(), reach.clone())]),
        );
        let admitted: BTreeSet<Uuid> = all
            .iter()
            .filter(|(id, scope)| {
                let facts = scope.facts(test.organization, "user", **id);
                ctx.permissions.permits("users:read", &facts)
            })
            .map(|(id, _)| *id)
            .collect();
        narrow += usize::from(admitted.len() < all.len());
        for (q, sort) in [
            (None, Sort::default()),
            (Some("test person"), Sort::Name),
            (Some("te"), Sort::NameFalling),
        ] {
            let query = Query {
                q: q.map(str::to_owned),
                sort,
                limit: Some(1_000),
                ..Query::default()
            };
            let mut tx = test.store.db.read(test.organization).await.unwrap();
            let page = search::list(&mut tx, &ctx, &query).await.unwrap();
            let listed: BTreeSet<Uuid> = page.users.iter().map(|user| user.id.0).collect();
            assert_eq!(listed, admitted, "{reach:?} {q:?}");
            assert_eq!(page.total.value as usize, admitted.len());
        }
        let some = UserId(*ids.choose(&mut rng).unwrap());
        let seen = admitted.contains(&some.0);
        let got = service::get(&test.store, &ctx, some).await;
        assert_eq!(got.is_ok(), seen, "{reach:?}");
        let found = find::exactly(&test.store, &ctx, &some.to_string()).await.unwrap();
        assert_eq!(found.len(), usize::from(seen), "{reach:?}");
        // facts that the row itself has are those it was asked by
        let mut tx = test.store.db.read(test.organization).await.unwrap();
        let row = store::find(&mut tx, test.organization, some)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.scope(), all[&some.0]);
    }
    assert!(narrow > 50, "{narrow}");
}
