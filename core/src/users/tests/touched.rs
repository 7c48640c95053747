use super::World;
use crate::kernel::id::UserId;
use crate::users::store;
use std::collections::BTreeSet;

/// A row that is kept in memory is dropped when a trigger says so; so each table that it is read from needs one.
#[tokio::test]
async fn every_table_that_a_persons_row_is_read_from_tells_of_its_changes() {
    let world = World::new().await;
    let (test, user) = (&world.test, world.test.person().await);
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO user_roles (organization_id, user_id, role_id)
         SELECT '{organization}', '{user}', id FROM roles WHERE name = 'owner';
         INSERT INTO teams (id, organization_id, name) VALUES (gen_random_uuid(), '{organization}', 'Team');
         INSERT INTO team_members (organization_id, team_id, user_id) SELECT '{organization}', id, '{user}' FROM teams"
    ))
    .await;
    let mut tx = test.store.db.primary(organization).await.unwrap();
    let found = store::find(&mut tx, organization, user).await.unwrap().unwrap();
    assert!(!found.roles.is_empty() && !found.teams.is_empty(), "{found:?}");
    let read: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_stat_xact_user_tables WHERE coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let read: BTreeSet<String> = read.into_iter().collect();
    let told = "SELECT DISTINCT relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE tgname LIKE 'touched_%'";
    let told: BTreeSet<String> = test.texts(told).await.into_iter().collect();
    assert!(
        read.contains("users") && read.contains("team_members"),
        "{read:?}"
    );
    assert!(read.is_subset(&told), "read {read:?}, told of {told:?}");
}

#[tokio::test]
async fn many_people_at_once_are_told_as_everybody_and_nobody_is_told_twice() {
    let world = World::new().await;
    let (test, organization) = (&world.test, world.test.organization);
    let people: Vec<UserId> = test.people(60).await;
    let one = people[0];
    test.sql(format!(
        "BEGIN; UPDATE users SET department = 'A' WHERE id = '{one}'; UPDATE users SET department = 'B' WHERE id = '{one}'; COMMIT"
    ))
    .await;
    let told = "SELECT coalesce(user_id::text, 'everybody') FROM users_touched ORDER BY seq";
    assert_eq!(test.texts(told).await, [one.to_string()]);
    test.sql(format!(
        "UPDATE users SET department = 'C' WHERE organization_id = '{organization}'"
    ))
    .await;
    assert_eq!(test.texts(told).await, [one.to_string(), "everybody".to_owned()]);
    test.sql("UPDATE users SET department = 'D' WHERE false").await;
    assert_eq!(test.texts(told).await.len(), 2, "nothing was written");
}
