//! Who is where, what stands in whose row, and whom each viewer may have seen by now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Teams, each with somebody who never leaves it, and in whose row this stands.
pub(super) const TEAMS: usize = 3;
pub(super) const STATICS: [&str; TEAMS] = ["Static-0-", "Static-1-", "Static-2-"];

/// On which people somebody sees, and whether with their personal values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sees {
    Nobody,
    Themselves,
    /// And their teams', with everything.
    Teams,
    /// Nobody else.
    One(String),
    AllBut(String),
}

impl Sees {
    /// A role that says so.
    pub(super) fn role(&self) -> &'static str {
        match self {
            Self::Nobody | Self::One(_) => "user",
            Self::Themselves => "self",
            Self::Teams => "team",
            Self::AllBut(_) => "reader",
        }
    }
}

/// Who is where, as somebody who asks for changes knows it: a place is entered before it is asked for, and left once everybody
/// has been told of it.
#[derive(Default)]
pub(super) struct World {
    /// Teams of each person.
    pub(super) people: BTreeMap<String, BTreeSet<usize>>,
    /// What has stood in each person's row and in no other.
    pub(super) names: BTreeMap<String, Vec<String>>,
    /// By viewer: what they see, or see as long as they are not told otherwise, and whom they may ever have seen.
    pub(super) viewers: BTreeMap<String, (Vec<Sees>, BTreeSet<String>)>,
}

impl World {
    pub(super) fn note(&mut self) {
        for (viewer, (sees, ever)) in &mut self.viewers {
            let mine = self.people.get(viewer).cloned().unwrap_or_default();
            let sees_one = |sees: &Sees, id: &String, teams: &BTreeSet<usize>| match sees {
                Sees::Nobody => false,
                Sees::Themselves => id == viewer,
                Sees::Teams => id == viewer || !teams.is_disjoint(&mine),
                Sees::One(one) => id == one,
                Sees::AllBut(but) => id != but,
            };
            let seen = self
                .people
                .iter()
                .filter(|(id, teams)| sees.iter().any(|sees| sees_one(sees, id, teams)));
            ever.extend(seen.map(|(id, _)| id.clone()));
        }
    }

    pub(super) fn enters(&mut self, person: &str, team: Option<usize>) {
        self.people.entry(person.to_owned()).or_default().extend(team);
        self.note();
    }

    pub(super) fn is_called(&mut self, person: &str, names: Vec<String>) {
        self.names.entry(person.to_owned()).or_default().extend(names);
    }
}

/// Values with a number that is nobody else's.
pub(super) fn values(n: usize) -> (Value, Vec<String>) {
    let body = json!({
        "name": format!("Person-{n}-"),
        "email": format!("p{n}@personal.example"),
        "phone": format!("+27 555 0199 {n}-"),
    });
    let names = vec![
        format!("Person-{n}-"),
        format!("\"p{n}@personal"),
        format!("0199 {n}-"),
    ];
    (body, names)
}
