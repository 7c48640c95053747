use super::*;
use crate::kernel::id::{OrganizationId, UserId};
use crate::testing;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::QueryBuilder;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Few enough ids that they meet.
fn id() -> impl Strategy<Value = Uuid> {
    (1..6_u128).prop_map(Uuid::from_u128)
}

fn ids() -> impl Strategy<Value = Vec<Uuid>> {
    prop::collection::btree_set(id(), 0..3).prop_map(|ids| ids.into_iter().collect())
}

fn resources() -> impl Strategy<Value = BTreeSet<Resource>> {
    let kind = prop_oneof![3 => Just("user"), 1 => Just("team")];
    let resource = (kind, id()).prop_map(|(kind, id)| Resource {
        kind: kind.to_owned(),
        id,
    });
    prop::collection::btree_set(resource, 0..3)
}

fn reach() -> impl Strategy<Value = Option<Reach>> {
    let rows = (any::<[bool; 3]>(), resources(), resources());
    rows.prop_map(|([everywhere, own, team], single, denied)| {
        Reach::of(Rows {
            everywhere: everywhere && own,
            own,
            team,
            single,
            denied,
        })
    })
}

fn set() -> impl Strategy<Value = PermissionSet> {
    (id(), ids(), reach()).prop_map(|(user, teams, reach)| {
        let subject = Subject {
            organization: OrganizationId(Uuid::from_u128(1)),
            user: UserId(user),
            teams,
        };
        let reaches = reach.map(|reach| ("users:ban".to_owned(), reach));
        PermissionSet::of(subject, reaches.into_iter().collect())
    })
}

/// A row's organization, id, owner and teams.
type Row = (OrganizationId, Uuid, Option<Uuid>, Vec<Uuid>);

fn row() -> impl Strategy<Value = Row> {
    let organization =
        prop_oneof![9 => Just(1), 1 => Just(2)].prop_map(|n| OrganizationId(Uuid::from_u128(n)));
    (organization, id(), prop::option::of(id()), ids())
}

fn facts(row: &Row) -> ResourceFacts<'_> {
    ResourceFacts {
        organization: row.0,
        kind: "user",
        id: row.1,
        owner: row.2,
        teams: &row.3,
    }
}

fn rows(rows: Rows) -> PermissionSet {
    let subject = Subject {
        organization: OrganizationId::new(),
        user: UserId::new(),
        teams: Vec::new(),
    };
    let reaches = Reach::of(rows).map(|reach| ("users:read".to_owned(), reach));
    PermissionSet::of(subject, reaches.into_iter().collect())
}

#[test]
fn a_check_that_knows_nothing_of_rows_passes_with_everything_and_with_nothing_less() {
    let one = Resource {
        kind: "user".to_owned(),
        id: Uuid::from_u128(7),
    };
    let everywhere = Rows {
        everywhere: true,
        ..Rows::default()
    };
    assert!(rows(everywhere.clone()).has("users:read"));
    for less in [
        Rows {
            denied: [one.clone()].into(),
            ..everywhere
        },
        Rows {
            own: true,
            ..Rows::default()
        },
        Rows {
            team: true,
            ..Rows::default()
        },
        Rows {
            single: [one.clone()].into(),
            ..Rows::default()
        },
    ] {
        let set = rows(less);
        assert!(set.has_some("users:read") && !set.has("users:read"), "{set:?}");
        assert_eq!(set.iter().count(), 0);
        assert!(!set.rows("users:read", "user").is_everything());
    }
    let nothing = rows(Rows {
        single: [one.clone()].into(),
        denied: [one].into(),
        ..Rows::default()
    });
    assert!(!nothing.has_some("users:read") && nothing.rows("users:read", "user").is_nothing());
    assert!(!nothing.has_some("users:ban") && nothing.rows("users:ban", "user").is_nothing());
}

/// As it was before conditions.
#[derive(Debug, Deserialize)]
struct Older {
    #[expect(dead_code, reason = "only read")]
    permissions: BTreeSet<String>,
}

#[test]
fn a_node_of_either_age_refuses_what_the_other_keeps_in_redis() {
    let here = Rights {
        version: RightsVersion { access: 1, epoch: 1 },
        permissions: ["users:read"].into_iter().collect(),
    };
    let written = serde_json::to_string(&here).unwrap();
    assert_eq!(serde_json::from_str::<Rights>(&written).unwrap(), here);
    assert!(serde_json::from_str::<Older>(&written).is_err());
    for list in ["[]", r#"["users:read"]"#, r#"["users:read", "jobs:read"]"#] {
        let older = format!(r#"{{"version": {{"access": 1, "epoch": 1}}, "permissions": {list}}}"#);
        assert!(serde_json::from_str::<Older>(&older).is_ok());
        assert!(serde_json::from_str::<Rights>(&older).is_err(), "{list}");
    }
    let newer = written.replace(r#""subject""#, r#""condition": 1, "subject""#);
    assert!(
        serde_json::from_str::<Rights>(&newer).is_err(),
        "of a node that knows more"
    );
}

proptest! {
    #[test]
    fn whoever_covers_a_set_is_permitted_whatever_that_set_permits(ours in set(), theirs in set(), rows in prop::collection::vec(row(), 20)) {
        if ours.covers(&theirs) {
            for row in &rows {
                prop_assert!(!theirs.permits("users:ban", &facts(row)) || ours.permits("users:ban", &facts(row)), "{row:?}");
            }
            prop_assert!(ours.outranks(&theirs));
        }
        prop_assert!(ours.covers(&ours));
        prop_assert_eq!(ours.has("users:ban"), ours.rows("users:ban", "user").is_everything() && ours.rows("users:ban", "team").is_everything());
        let kept = serde_json::to_string(&ours).unwrap();
        prop_assert_eq!(serde_json::from_str::<PermissionSet>(&kept).unwrap(), ours);
    }
}

#[tokio::test]
async fn the_sql_of_a_filter_finds_exactly_the_rows_that_its_test_admits() {
    let test = testing::store().await;
    let mut tx = test.store.db.begin(test.organization).await.unwrap();
    sqlx::raw_sql("CREATE TEMP TABLE facts (organization uuid, id uuid NOT NULL, owner uuid, team uuid[] NOT NULL, nth int)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let mut runner = TestRunner::default();
    let drawn = prop::collection::vec(row(), 200)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    for (nth, row) in drawn.iter().enumerate() {
        sqlx::query("INSERT INTO facts VALUES ($1, $2, $3, $4, $5)")
            .bind(row.0.0)
            .bind(row.1)
            .bind(row.2)
            .bind(&row.3)
            .bind(nth as i32)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    let columns = Columns {
        id: "id",
        owner: "owner",
        teams: "team",
    };
    let mut met = 0;
    for _ in 0..500 {
        let set = set().new_tree(&mut runner).unwrap().current();
        let filter = set.rows("users:ban", "user");
        let mut sql = QueryBuilder::new("SELECT nth FROM facts WHERE organization = ");
        sql.push_bind(Uuid::from_u128(1)).push(" AND ");
        filter.push(&mut sql, &columns);
        sql.push(" ORDER BY nth");
        let found: Vec<i32> = sql
            .build_query_scalar()
            .persistent(false)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let admitted = drawn
            .iter()
            .enumerate()
            .filter(|(_, row)| filter.admits(&facts(row)));
        let admitted: Vec<i32> = admitted.map(|(nth, _)| nth as i32).collect();
        assert_eq!(found, admitted, "{filter:?}");
        for row in &drawn {
            assert_eq!(
                set.permits("users:ban", &facts(row)),
                filter.admits(&facts(row)),
                "{set:?} {row:?}"
            );
        }
        met += usize::from(!found.is_empty() && found.len() < 150);
    }
    assert!(met > 100, "only {met} filters told rows apart");
}
