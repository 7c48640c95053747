//! Another organization's people, with every right there, ask for what is ours: it is not there, they learn nothing of it, and
//! it stays as it is.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::spec::Operation;
use super::special;
use super::values::{Ids, Maker, kinds, number};
use super::wire::{Answer, Asked};
use super::world::{World, none};

/// What an answer to a stranger must not hold.
pub struct Ours {
    mark: String,
    ids: BTreeSet<String>,
}

impl Ours {
    pub async fn of(world: &World) -> Self {
        Self {
            mark: world.ours.mark.to_lowercase(),
            ids: world.ids_of(&world.ours).await,
        }
    }

    /// What of ours is in the answer, and was not in the question.
    pub fn told(&self, asked: &str, answer: &Answer) -> Option<String> {
        let (asked, text) = (asked.to_lowercase(), answer.text.to_lowercase());
        let headers = format!("{:?}", answer.headers).to_lowercase();
        let shows = |word: &str| (text.contains(word) || headers.contains(word)) && !asked.contains(word);
        let id = self.ids.iter().find(|id| shows(id));
        id.cloned()
            .or_else(|| shows(&self.mark).then(|| self.mark.clone()))
    }
}

/// Rows of ours that an operation can be asked for.
async fn ids_of_ours(world: &World, operation: &Operation) -> Ids {
    let mut ids = world.kept(&world.ours, operation, true).await;
    if ids.contains_key("channel") {
        let job = world.row(&world.ours, "job", &Ids::new()).await;
        ids.insert("channel".to_owned(), format!("job:{job}"));
    }
    ids
}

/// Ids of rows that there are not.
fn ids_of_nothing(ids: &Ids) -> Ids {
    let n = number();
    let made = |kind: &str| match kind {
        "channel" => format!("job:018f0000-0000-7000-8000-{n:012x}"),
        "refusal" => "AAAA".to_owned(),
        _ => format!("018f0000-0000-7000-8000-{n:012x}"),
    };
    ids.keys().map(|kind| (kind.clone(), made(kind))).collect()
}

/// Requests of one's own rows, each with one id of ours in it.
fn naming_ours(world: &World, operation: &Operation, own: &Ids, ours: &Ids) -> Vec<Asked> {
    let plain = Asked::of(&world.spec, operation, own, false);
    let maker = Maker::of(&world.spec, ours, true);
    let mut all = Vec::new();
    for parameter in operation.in_query() {
        if super::strings::names_a_row(&world.spec, parameter) {
            let mut asked = plain.clone();
            let value = maker.value(&parameter.name, &parameter.schema);
            asked.query.push((
                parameter.name.clone(),
                value.as_str().unwrap_or_default().to_owned(),
            ));
            all.push(asked);
        }
    }
    let Some(body) = &operation.body else { return all };
    let (_, schema) = world.spec.resolve(&body.schema);
    let choices = schema["oneOf"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![schema.clone()]);
    for choice in choices {
        let own = Maker::of(&world.spec, own, false).value("body", &choice);
        for (name, property) in choice["properties"].as_object().into_iter().flatten() {
            let foreign = maker.value(name, property);
            if foreign != own[name] && ours.values().any(|id| foreign.to_string().contains(id)) {
                let mut asked = plain.clone();
                let mut whole = own.clone();
                whole[name] = foreign;
                asked.body = Some(whole);
                all.push(asked);
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_another_organizations_is_not_there_and_stays_as_it_is() {
    let world = World::start().await;
    for operation in &world.spec.operations {
        ids_of_ours(&world, operation).await;
        world.kept(&world.theirs, operation, true).await;
    }
    let (_, key) = world.key(&world.theirs.owner, &world.theirs.owner.holds).await;
    let (before, ours) = (world.digests(&world.ours).await, Ours::of(&world).await);
    assert!(ours.ids.len() > 30, "there is next to nothing to be told");
    let (mut faults, mut hidden, mut shown) = (Vec::new(), 0, 0);
    for operation in world.spec.operations.iter().filter(|operation| !operation.open) {
        let stranger = world.person(&world.theirs, &["owner"]).await;
        let (own, foreign) = (
            world.kept(&world.theirs, operation, true).await,
            world.ours.kept.lock().clone(),
        );
        let foreign = with_channel(foreign);
        let mut tell = |who: &str, asked: &Asked, answer: &Answer, wanted: &str| {
            let text: String = answer.text.chars().take(200).collect();
            let (id, said) = (&operation.id, asked.said());
            faults.push(format!(
                "{id} {who} with {said}: {} {text}\n    wanted: {wanted}",
                answer.status
            ));
        };
        // what is ours, by the address
        let named = operation
            .in_path()
            .map(|parameter| special::kind(operation, parameter));
        let named: Vec<_> = named.filter(|kind| !special::SHARED.contains(&&**kind)).collect();
        if !named.is_empty() {
            let mut asked = Asked::of(&world.spec, operation, &own, false);
            asked.path = Asked::of(&world.spec, operation, &foreign, false).path;
            let mut nothing = asked.clone();
            nothing.path = Asked::of(&world.spec, operation, &ids_of_nothing(&foreign), false).path;
            for (who, token) in [
                ("a foreign owner", stranger.token()),
                ("a foreign key", key.clone()),
            ] {
                let answer = world.ask(operation, &asked, &token).await;
                let of_nothing = world.ask(operation, &nothing, &token).await;
                let people_only = who == "a foreign key" && answer.code() == "auth.session_required";
                if (answer.status, answer.code()) != (of_nothing.status, of_nothing.code()) {
                    tell(
                        who,
                        &asked,
                        &answer,
                        &format!(
                            "what is said of nothing at all, {} {}",
                            of_nothing.status, of_nothing.text
                        ),
                    );
                } else if answer.status != 404 && !people_only && !special::answers_alike(operation) {
                    tell(who, &asked, &answer, "404");
                }
                if let Some(word) = ours.told(&asked.said(), &answer) {
                    tell(who, &asked, &answer, &format!("an answer without {word}"));
                }
                hidden += 1;
            }
        }
        // what is ours, named in a query or a body
        for asked in naming_ours(&world, operation, &own, &foreign) {
            let answer = world.ask_as(operation, &asked, &stranger).await;
            let refused =
                answer.status >= 400 || !operation.writes() || special::succeeds_all_the_same(operation);
            if answer.status >= 500 || !refused {
                tell("a foreign owner", &asked, &answer, "a refusal");
            }
            if let Some(word) = ours.told(&asked.said(), &answer) {
                tell(
                    "a foreign owner",
                    &asked,
                    &answer,
                    &format!("an answer without {word}"),
                );
            }
        }
        // what there is to see
        if operation.method == Method::GET {
            let asked = Asked::of(&world.spec, operation, &own, false);
            let answer = world.ask_as(operation, &asked, &stranger).await;
            if let Some(word) = ours.told(&asked.said(), &answer) {
                tell(
                    "a foreign owner",
                    &asked,
                    &answer,
                    &format!("an answer without {word}"),
                );
            }
            shown += u32::from(answer.text.contains(world.theirs.mark));
        }
    }
    assert!(
        hidden > 40 && shown > 5,
        "{hidden} rows were asked for, {shown} answers had rows"
    );
    let after = world.digests(&world.ours).await;
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    faults.extend(changed.map(|(before, after)| format!("a stranger changed {before} to {after}")));
    none("What another organization has is told or changed:", faults);
}

/// A job of ours is followed by a channel of its own.
fn with_channel(mut ids: Ids) -> Ids {
    if let Some(job) = ids.get("job").cloned() {
        ids.insert("channel".to_owned(), format!("job:{job}"));
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_would_see_a_stranger_change_or_read_something() {
    let world = World::start().await;
    let before = world.digests(&world.ours).await;
    let ours = Ours::of(&world).await;
    let bare = world.ours.bare.id;
    world
        .cluster
        .test
        .sql(format!(
            "UPDATE users SET department = 'Elsewhere' WHERE id = '{bare}'"
        ))
        .await;
    let after = world.digests(&world.ours).await;
    let changed: Vec<_> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let users = world.spec.operation("users.list").unwrap();
    let asked = Asked::of(&world.spec, users, &Ids::new(), false);
    let seen = world.ask_as(users, &asked, &world.ours.owner).await;
    assert!(ours.told("", &seen).is_some(), "{}", seen.text);
    let strange = world.ask_as(users, &asked, &world.theirs.owner).await;
    assert_eq!(ours.told("", &strange), None, "{}", strange.text);
    let nothing: Value = strange.json();
    assert!(!nothing["items"].as_array().unwrap().is_empty());
    assert!(
        !kinds(
            &world.spec,
            world.spec.operation("teams.add_member").unwrap(),
            false
        )
        .is_empty()
    );
}
