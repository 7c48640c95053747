//! Settings are the same on every node.

use serde_json::json;
use signalbox_actors::session_keeper::Options;
use signalbox_core::kernel::ctx::{Actor, Credential, Ctx};
use signalbox_core::kernel::id::SessionId;
use signalbox_core::organizations::update_settings;
use signalbox_core::testing::eventually;

use crate::stage::{Node, test};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_settings_on_one_node_holds_on_the_others_at_once() {
    let test = test().await;
    let (here, there) = (
        Node::on(&test, Options::default()).await,
        Node::on(&test, Options::default()).await,
    );
    let days = async |node: &Node| {
        let settings = node.store.settings(test.organization).await.unwrap();
        settings.invitations.days
    };
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(test.person().await);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.permissions = ["settings:read", "settings:update"].into_iter().collect();
    for n in 1..=5_u32 {
        // both have read what was before
        assert_eq!(days(&here).await, days(&there).await);
        let patch = json!({"invitations": {"days": n}});
        let patch = patch.as_object().unwrap();
        update_settings(&here.store, &ctx, None, patch).await.unwrap();
        assert_eq!(days(&here).await, n);
        // long before what is kept is read again by itself
        eventually("the other node has them too", async || days(&there).await == n).await;
    }
    here.end().await;
    there.end().await;
}
