//! Maps that the hub writes, of who is there.

use super::*;
use crate::live::application::ClientInfo;
use crate::live::presence::burial::{Burial, bury};
use crate::live::presence::{Act, Step, apply};
use std::sync::Arc;

fn step(act: Act) -> Step {
    Step {
        organization: APPLICATION,
        channel: CHANNEL.into(),
        act,
    }
}

fn comes(user: &str, client: &str, stamp: u64) -> Step {
    let info = ClientInfo {
        user: user.to_owned(),
        client: client.to_owned(),
        ..ClientInfo::default()
    };
    step(Act::Enter {
        client: client.to_owned(),
        stamp,
        listed: true,
        announced: false,
        info: info.encode().into(),
    })
}

fn goes(client: &str, stamp: u64) -> Step {
    step(Act::Leave {
        client: client.to_owned(),
        stamp,
    })
}

#[tokio::test]
async fn who_is_there_is_a_map_by_client_and_by_user_and_goes_with_its_node() {
    for (kind, both, one) in [
        (
            SubscriptionType::MapClients,
            vec!["c1", "c2", "c3"],
            vec!["c2", "c3"],
        ),
        (SubscriptionType::MapUsers, vec!["ada", "bob"], vec!["ada", "bob"]),
    ] {
        let test = testing::store().await;
        let bus = &test.store.bus;
        let lapsing = MapOptions {
            mode: Some(MapMode::Recoverable),
            ..MapOptions::default()
        };
        let namespaces = of(kind, lapsing);
        let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
        let maps = Presences::new(Arc::new(namespaces));
        let keys = async || state(&test, &options, 2).await.0.into_keys().collect::<Vec<_>>();
        let all = [
            comes("ada", "c1", 1),
            comes("ada", "c2", 2),
            comes("bob", "c3", 3),
        ];
        apply(bus, &maps, "n1", 1, &all).await.unwrap();
        // done twice is done once
        apply(bus, &maps, "n1", 1, &all).await.unwrap();
        assert_eq!(keys().await, both);
        apply(bus, &maps, "n1", 1, &[goes("c1", 1), goes("c1", 1)])
            .await
            .unwrap();
        assert_eq!(keys().await, one);
        let (_, position) = state(&test, &options, 10).await;
        let again = [comes("ada", "c2", 9)];
        apply(bus, &maps, "n1", 1, &again).await.unwrap();
        assert_eq!(
            state(&test, &options, 10).await.1,
            position,
            "nobody came or went"
        );
        apply(bus, &maps, "n1", 1, &[step(Act::Note)]).await.unwrap();
        assert_eq!(bury(bus, &maps, "n1", "n2").await.unwrap(), Burial::Done(2));
        assert_eq!(keys().await, Vec::<String>::new());
        let later = changes(&test, &options, position).await.unwrap();
        let removed: Vec<_> = later
            .publications
            .iter()
            .map(|(_, payload)| said(payload))
            .collect();
        assert!(removed.len() == one.len() && removed.iter().all(|publication| publication.removed));
    }
}

#[tokio::test]
async fn what_is_told_of_who_is_there_changes_in_the_map_as_well_and_once() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let namespaces = of(SubscriptionType::MapClients, persistent());
    let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
    let maps = Presences::new(Arc::new(namespaces));
    let named = |name: &str| {
        let info = ClientInfo {
            user: "ada".to_owned(),
            client: "c1".to_owned(),
            conn_info: Some(format!("{{\"name\":\"{name}\"}}").into()),
            ..ClientInfo::default()
        };
        step(Act::Enter {
            client: "c1".to_owned(),
            stamp: 1,
            listed: true,
            announced: false,
            info: info.encode().into(),
        })
    };
    for name in ["Ada", "Ada", "Ada L.", "Ada L."] {
        apply(bus, &maps, "n1", 1, &[named(name)]).await.unwrap();
    }
    let page = page(bus, CHANNEL, &options, After::default(), 10).await.unwrap();
    let shown: Vec<_> = page
        .publications()
        .map(|(_, entry)| entry.info.unwrap())
        .collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].conn_info.as_deref(), Some(&b"{\"name\":\"Ada L.\"}"[..]));
    assert_eq!(page.offset, 2, "told once for each name");
}

#[tokio::test]
async fn what_a_client_published_under_its_id_goes_with_it_where_that_is_wanted() {
    let test = testing::store().await;
    let own = MapOptions {
        remove_client_on_unsubscribe: true,
        ..persistent()
    };
    let namespaces = of(SubscriptionType::Map, own);
    let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
    let (bus, maps) = (&test.store.bus, Presences::new(Arc::new(namespaces)));
    apply(bus, &maps, "n1", 1, &[comes("ada", "c1", 1)])
        .await
        .unwrap();
    put(&test, &options, "c1", 1).await;
    put(&test, &options, "c2", 2).await;
    apply(bus, &maps, "n1", 1, &[goes("c1", 1)]).await.unwrap();
    let (values, _) = state(&test, &options, 10).await;
    assert_eq!(values.into_keys().collect::<Vec<_>>(), ["c2"]);
}
