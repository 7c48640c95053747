use super::*;
use crate::testing;
use std::collections::BTreeSet;

#[tokio::test]
async fn every_permission_a_predefined_role_names_exists_and_predefining_twice_changes_nothing() {
    let test = testing::store().await;
    let known: BTreeSet<String> = test
        .texts("SELECT name FROM permissions")
        .await
        .into_iter()
        .collect();
    for (role, _, may) in PREDEFINED {
        let (May::AllBut(names) | May::Only(names)) = may else {
            continue;
        };
        for name in *names {
            assert!(known.contains(*name), "{role} names {name}");
        }
    }
    let at = test.store.clock.now();
    for _ in 0..2 {
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        predefine(&mut tx, test.organization, at).await.unwrap();
        tx.commit().await.unwrap();
    }
    let granted = "SELECT r.name || ' ' || count(p.permission) FROM roles r LEFT JOIN role_permissions p ON p.role_id = r.id
                   GROUP BY r.name, r.id ORDER BY r.id";
    let all = known.len();
    let mut wanted = vec![format!("owner {all}"), format!("admin {}", all - 3)];
    for (name, _, may) in &PREDEFINED[2..] {
        if let May::Only(names) = may {
            wanted.push(format!("{name} {}", names.len()));
        }
    }
    assert_eq!(test.texts(granted).await, wanted);
}
