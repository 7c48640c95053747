//! One act on many people, over HTTP.

use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::testing;

#[tokio::test]
async fn named_people_are_changed_before_the_answer_and_a_filter_is_counted_confirmed_and_queued() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let people = hub.test.people(3).await;
    let answer = hub
        .send(
            &owner,
            Method::POST,
            "/users/bulk",
            json!({"action": "suspend", "reason": "Leave", "ids": people}),
        )
        .await;
    assert_eq!(answer.status(), 200);
    let outcome: Value = answer.json().await.unwrap();
    assert_eq!(
        (&outcome["done"], outcome["items"].as_array().unwrap().len()),
        (&json!(3), 3)
    );
    let refused = hub
        .send(
            &viewer,
            Method::POST,
            "/users/bulk",
            json!({"action": "unban", "ids": people}),
        )
        .await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    let mut all = json!({"action": "reinstate", "filter": {"status": "suspended"}, "dry_run": true});
    let counted: Value = hub
        .send(&owner, Method::POST, "/users/bulk", all.clone())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!((&counted["count"], &counted["job_id"]), (&json!(3), &Value::Null));
    all["dry_run"] = json!(false);
    let unconfirmed = hub.send(&owner, Method::POST, "/users/bulk", all.clone()).await;
    assert_eq!(
        problem(unconfirmed).await,
        (409, "users.bulk_count_changed".into())
    );
    all["expected"] = json!(3);
    let begun = hub.send(&owner, Method::POST, "/users/bulk", all).await;
    assert_eq!(begun.status(), 202);
    let begun: Value = begun.json().await.unwrap();
    let path = format!("/users/bulk/{}", begun["bulk_id"].as_str().unwrap());
    let run: Value = hub.get(&owner, &path).await.json().await.unwrap();
    assert_eq!(
        (&run["total"], &run["left"], &run["action"]),
        (&json!(3), &json!(3), &json!("reinstate"))
    );
    let failures = hub.get(&owner, &format!("{path}/failures")).await;
    assert_eq!(failures.headers()["content-type"], "text/csv; charset=utf-8");
    assert_eq!(failures.text().await.unwrap().lines().count(), 4);
    let stranger = hub.someone(&["moderator"]).await;
    assert_eq!(problem(hub.get(&stranger, &path).await).await.0, 403);
    assert_eq!(
        problem(hub.get(&stranger, &format!("{path}/failures")).await)
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn a_repeat_under_one_key_is_answered_as_before() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let people = hub.test.people(1).await;
    let body = json!({"action": "ban", "reason": "Spam", "ids": people});
    let ask = async || {
        hub.ask(Method::POST, "/users/bulk")
            .bearer_auth(&owner.token)
            .header("idempotency-key", "once")
            .json(&body)
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((&first["done"], &first), (&json!(1), &second));
}

#[tokio::test]
async fn while_an_act_on_many_runs_the_same_under_its_key_waits_its_turn_and_nobody_is_changed_twice() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let people = hub.test.people(3).await;
    let body = json!({"action": "ban", "reason": "Spam", "ids": people});
    let ask = || {
        let asked = hub.ask(Method::POST, "/users/bulk").bearer_auth(&owner.token);
        asked.header("idempotency-key", "once").json(&body).send()
    };
    let begun = "SELECT count(*) FROM audit_logs WHERE action = 'users.bulk'";
    // the first stands still on its way
    let held = hub.test.lock("user_sessions IN SHARE ROW EXCLUSIVE MODE").await;
    let asking = ask();
    let first = async { asking.await.unwrap() };
    let meanwhile = async {
        testing::eventually("the first has begun", async || hub.test.count(begun).await == 1).await;
        assert_eq!(
            problem(ask().await.unwrap()).await,
            (409, "idempotency.running".into())
        );
        drop(held);
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    assert_eq!(first.status(), 200);
    let first: Value = first.json().await.unwrap();
    assert_eq!(first["done"], 3);
    let again = ask().await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(hub.test.count(begun).await, 2, "its beginning and its end");
}
