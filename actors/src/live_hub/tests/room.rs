//! How much of the past is given at once.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_several_followers_of_one_connection_missed_is_given_as_far_as_there_is_room_for_all_of_it() {
    let desk = Desk::open().await;
    desk.append(1..=100).await;
    let outlet = Outlet::new(1 << 16);
    let follow = async |slot| {
        let wish = desk.wish(&[], place(0));
        desk.hub.follow(&outlet, slot, wish).await.unwrap()
    };
    let first = follow(1).await;
    assert_eq!((first.recovered, first.missed.len()), (true, 100));
    let second = follow(2).await;
    assert_eq!((second.recovered, second.missed.len()), (false, 0));
    assert_eq!(second.place.offset, 100);
    // whoever goes, and whoever has been given it, leaves the room to others
    drop(first);
    let third = follow(3).await;
    assert!(third.recovered);
    assert!(!follow(4).await.recovered);
    third.membership.release(third.place.clone(), true);
    assert!(follow(5).await.recovered);
    // what waits takes room as well
    outlet.push(Frame::new(vec![b' '; 1 << 15].into(), 0));
    assert!(!follow(6).await.recovered);
    let wish = desk.wish(&[], place(100));
    let nothing_missed = desk.hub.follow(&outlet, 7, wish).await.unwrap();
    assert!(nothing_missed.recovered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_past_is_cut_to_what_may_be_written_at_once() {
    let desk = Desk::open().await;
    desk.append(1..=100).await;
    let view = desk.wish(&[], None).view;
    let offsets = async |bytes, reverse| {
        let past = Past {
            since: None,
            limit: 100,
            bytes,
            reverse,
        };
        let (_, items) = desk
            .hub
            .history(&desk.channel(), &view, past)
            .await
            .unwrap()
            .unwrap();
        let offsets: Vec<_> = items.iter().map(|item| item.offset).collect();
        (offsets[0], offsets[offsets.len() - 1])
    };
    assert_eq!(offsets(usize::MAX, false).await, (1, 100));
    // one at least, or nobody got past it
    assert_eq!(offsets(0, false).await, (1, 1));
    assert_eq!(offsets(0, true).await, (100, 100));
    let (first, last) = offsets(10_000, true).await;
    assert_eq!(first, 100);
    assert!((60..90).contains(&last), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_past_before_a_place_above_the_top_ends_at_the_top() {
    let desk = Desk::open().await;
    desk.append(1..=10).await;
    let view = desk.wish(&[], None).view;
    let past = Past {
        since: place(100),
        limit: 3,
        bytes: usize::MAX,
        reverse: true,
    };
    let (_, items) = desk
        .hub
        .history(&desk.channel(), &view, past)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        items.iter().map(|item| item.offset).collect::<Vec<_>>(),
        [10, 9, 8]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_told_with_a_place_that_nothing_of_it_is_beyond_however_much_happens_meanwhile() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let view = desk.wish(&[], None).view;
    let publish = async {
        for position in 2..=400 {
            desk.append(position..=position).await;
        }
    };
    let (mut publish, mut published) = (std::pin::pin!(publish), false);
    let mut reverse = false;
    while !published {
        let past = Past {
            since: None,
            limit: 1_000,
            bytes: usize::MAX,
            reverse,
        };
        let channel = desk.channel();
        let mut read = std::pin::pin!(desk.hub.history(&channel, &view, past));
        let read = loop {
            tokio::select! {
                () = &mut publish, if !published => published = true,
                read = &mut read => break read,
            }
        };
        let (place, items) = read.unwrap().unwrap();
        let offsets: Vec<_> = items.iter().map(|item| item.offset).collect();
        let mut expected: Vec<_> = (1..=place.offset).collect();
        if reverse {
            expected.reverse();
        }
        assert_eq!(offsets, expected);
        reverse = !reverse;
    }
}
