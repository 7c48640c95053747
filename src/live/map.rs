//! One step of reading a map: a page of what stands in it, a page of what has changed, or its being live.
//!
//! Invariant: a map is judged when it is begun to be read, or resumed; what continues is trusted, for as long as its namespace
//! gives (3008 beyond it, also for whoever does not go on at all), and not once the rights of its reader have changed.
//! Invariant: where the first page was read stands for all of them: what has changed since comes in the stream, and only there.

use std::sync::Arc;
use std::time::Instant;

use signalbox_actors::live_hub::{Place, View};
use signalbox_core::live::application::map::After;

use super::Live;
use super::client::{Followed, LIVE, MapPart, Refusal, STATE, STREAM};
use super::following::{Subscription, Wanted, stand, view};
use super::gate::Grant;
use super::protocol::wire::Publication;
use super::protocol::{Disconnect, ReplyError, SubscribeRequest};

/// What a subscribe came to.
pub enum Step {
    /// It stands.
    Stands(Box<Subscription>),
    /// Of a map: the client goes on reading.
    Reads(Reading),
}

/// A map that a client reads.
pub struct Reading {
    /// The subscription's number within the connection.
    pub slot: u32,
    grant: Arc<Grant>,
    begun: Instant,
    /// Where its first page was read, or where it was resumed.
    from: Place,
}

/// Takes the next step; `reading` is what the ones before came to.
pub async fn read(
    live: &Live,
    wanted: Wanted,
    reading: Option<Reading>,
) -> Result<(Followed, Step), Refusal> {
    let wish = &wanted.asked.wish;
    let reading = match reading {
        Some(reading) => reading,
        // what it went on from is gone: from the start, it is judged anew
        None if !wish.cursor.is_empty() => return Err(ReplyError::Internal.into()),
        None => Reading {
            slot: wanted.slot,
            grant: Arc::new(live.gate.judge(&wanted.viewer, wanted.asked.clone()).await?),
            begun: Instant::now(),
            from: Place::nowhere(),
        },
    };
    let options = reading.grant.map.clone().ok_or(ReplyError::PermissionDenied)?;
    let live_by = reading.begun + options.map.catch_up();
    if Instant::now() > live_by {
        return Err(Refusal::Close(Disconnect::Slow));
    }
    if reading
        .grant
        .lasts
        .is_some_and(|lasts| lasts <= reading.begun.elapsed())
    {
        return Err(ReplyError::TokenExpired.into());
    }
    let reader = Reader {
        live,
        view: view(&wanted, &reading.grant),
        limit: options.map.page(wish.limit),
        wanted: &wanted,
        reading,
        live_by,
    };
    match wish.phase {
        STATE => reader.state(options.map.resumes()).await,
        STREAM | LIVE if options.map.resumes() => reader.changes().await,
        _ => Err(ReplyError::BadRequest.into()),
    }
}

struct Reader<'a> {
    live: &'a Live,
    wanted: &'a Wanted,
    reading: Reading,
    view: View,
    limit: usize,
    live_by: Instant,
}

impl Reader<'_> {
    fn wish(&self) -> &SubscribeRequest {
        &self.wanted.asked.wish
    }

    /// A page of what stands in the map. Behind the last one the client is live at once if little has changed since the first,
    /// or if its map is not resumed.
    async fn state(mut self, resumes: bool) -> Result<(Followed, Step), Refusal> {
        let (hub, key, wish) = (&self.live.hub, &self.reading.grant.key, self.wish());
        let after = After {
            place: &wish.cursor,
            ascending: wish.asc,
        };
        let page = hub
            .map_page(key, &self.view, after, self.limit)
            .await
            .map_err(interrupted)?;
        if wish.cursor.is_empty() {
            self.reading.from = page.place.clone();
        }
        let from = self.reading.from.clone();
        if page.place.epoch != from.epoch || page.place.offset < from.offset {
            return Err(ReplyError::Unrecoverable.into());
        }
        // what has changed since the first page comes behind the last, so that none that moves is on two of them
        let unchanged = page.items.iter().filter(|item| item.offset <= from.offset);
        let state: Vec<Publication> = unchanged.map(Into::into).collect();
        let is_near = page.place.offset - from.offset <= self.limit as u64;
        if page.next.is_none() && (is_near || !resumes) {
            return self.live(from, state).await;
        }
        let part = self.part(STATE, page.next.unwrap_or_default(), state);
        Ok(self.goes_on(from, Vec::new(), part))
    }

    /// A page of what has changed, or, where that is all of it, the map live.
    async fn changes(mut self) -> Result<(Followed, Step), Refusal> {
        let wish = self.wish();
        let since = Place {
            epoch: self.reading.grant.sight.epoch_meant(&wish.epoch).into(),
            offset: wish.offset,
        };
        let begun = !self.reading.from.is_nowhere();
        if since.is_nowhere() || (begun && since.epoch != self.reading.from.epoch) {
            return Err(ReplyError::Unrecoverable.into());
        }
        let (hub, key) = (&self.live.hub, &self.reading.grant.key);
        let read = hub
            .map_changes(key, &self.view, &since, self.limit)
            .await
            .map_err(interrupted)?;
        let changes = read.ok_or(ReplyError::Unrecoverable)?;
        self.reading.from = since.clone();
        if changes.is_all {
            return self.live(since, Vec::new()).await;
        }
        let missed = changes.items.iter().map(Into::into).collect();
        let part = self.part(STREAM, String::new(), Vec::new());
        Ok(self.goes_on(changes.place, missed, part))
    }

    fn part(&self, phase: i32, cursor: String, state: Vec<Publication>) -> MapPart {
        MapPart {
            kind: self.wish().kind,
            phase,
            cursor,
            state,
        }
    }

    /// Follows the map from `from` on; what has changed since is in the answer.
    async fn live(self, from: Place, state: Vec<Publication>) -> Result<(Followed, Step), Refusal> {
        let part = self.part(LIVE, String::new(), state);
        let recovers = self.wish().recover;
        let (mut followed, subscription) =
            stand(self.live, self.wanted, &self.reading.grant, Some(from)).await?;
        // it ends when it was said to when it was begun
        let spent = self.reading.begun.elapsed();
        followed.lasts = followed.lasts.map(|lasts| lasts.saturating_sub(spent));
        followed.recovered = recovers;
        followed.map = Some(Box::new(part));
        Ok((followed, Step::Stands(Box::new(subscription))))
    }

    fn goes_on(self, at: Place, missed: Vec<Publication>, part: MapPart) -> (Followed, Step) {
        let followed = Followed {
            epoch: self.reading.grant.sight.epoch_told(&at.epoch),
            offset: at.offset,
            missed,
            lasts: Some(self.live_by.saturating_duration_since(Instant::now())),
            map: Some(Box::new(part)),
            ..Followed::default()
        };
        (followed, Step::Reads(self.reading))
    }
}

fn interrupted(error: impl std::fmt::Display) -> ReplyError {
    tracing::debug!(%error, "a map could not be read");
    ReplyError::Internal
}
