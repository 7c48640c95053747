//! What an operator began while acting as somebody else is done while they may act as them, and no longer.

use super::*;

#[tokio::test]
async fn a_job_that_an_operator_began_as_somebody_else_stops_when_they_may_not_act_as_them_any_more() {
    let ways = |owner: UserId| {
        [
            (None, 2),
            (
                Some(format!("UPDATE users SET status = 'banned' WHERE id = '{owner}'")),
                0,
            ),
            (
                Some(format!("DELETE FROM user_roles WHERE user_id = '{owner}'")),
                0,
            ),
        ]
    };
    for at in 0..3 {
        let world = World::new().await;
        let [person] = world.test.people(1).await[..] else {
            unreachable!("one was asked for")
        };
        world.test.hold(person, "admin").await;
        let mut ctx = world.test.acting(person).await;
        ctx.on_behalf_of = Some(world.owner);
        world.people("Ops", 2).await;
        let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 2});
        let begun = world.start(&ctx, new).await.unwrap();
        let run = world.claim(&begun).await.unwrap();
        let (taken, banned) = ways(world.owner)[at].clone();
        if let Some(sql) = &taken {
            world.test.sql(sql.clone()).await;
        }
        let outcome = super::super::run(&world.test.store, &run).await;
        assert_eq!(
            matches!(&outcome, Outcome::Fail(why) if why.contains("may no longer")),
            taken.is_some(),
            "{taken:?}: {outcome:?}"
        );
        let ops = "SELECT count(*) FROM users WHERE status = 'banned' AND department = 'Ops'";
        assert_eq!(world.test.count(ops).await, banned, "{taken:?}");
    }
}
