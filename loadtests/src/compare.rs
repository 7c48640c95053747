//! The same scenario, payloads and client against every server that is here, in one run and in turns.

use crate::fanout::{self, Measuring, Outcome};
use crate::peers::{Peer, Programs};
use crate::report::{Report, median};

/// Runs `rounds` rounds for each number of subscribers; in each round every server has its turn.
pub async fn run(
    programs: &Programs,
    peers: &[Peer],
    sizes: &[usize],
    rounds: usize,
    how: Measuring,
) -> anyhow::Result<Report> {
    let mut report = Report::new("compare");
    report.tell("measured", format!("{how:?}, {rounds} rounds"));
    let mut present = Vec::new();
    for peer in peers {
        match peer.start(programs).await {
            Ok(server) => {
                report.tell(peer.name(), server.name.clone());
                present.push(*peer);
            }
            // the floor and the hub are what it is about
            Err(why) if matches!(peer, Peer::Hub | Peer::HubHistory | Peer::Bare) => return Err(why),
            Err(why) => report.tell(peer.name(), format!("left out: {why:#}")),
        }
    }
    for size in sizes {
        let mut outcomes: Vec<Vec<Outcome>> = present.iter().map(|_| Vec::new()).collect();
        for round in 0..rounds {
            // whoever was first is last in the next round, so that what drifts hits all
            let first = round % present.len().max(1);
            for at in (0..present.len()).map(|at| (first + at) % present.len()) {
                let (peer, outcomes) = (&present[at], &mut outcomes[at]);
                progress(*peer, *size, round);
                let server = peer.start(programs).await?;
                match fanout::measure(&server, *size, how) {
                    Ok(outcome) => outcomes.push(outcome),
                    // a peer that cannot is a finding, and the others go on
                    Err(why) => report.tell(
                        format!("{} with {size} subscribers, round {}", peer.name(), round + 1),
                        format!("failed: {why:#}"),
                    ),
                }
            }
        }
        for (peer, outcomes) in present.iter().zip(&outcomes) {
            fanout::tell(&mut report, &format!("{size}: {}", peer.name()), outcomes);
        }
        relate(&mut report, *size, &present, &outcomes);
    }
    Ok(report)
}

/// The hub's rate as a share of the others', round by round: what is compared stood beside each other.
fn relate(report: &mut Report, size: usize, present: &[Peer], outcomes: &[Vec<Outcome>]) {
    let of = |peer: Peer| {
        let at = present.iter().position(|one| *one == peer)?;
        outcomes.get(at).filter(|outcomes| !outcomes.is_empty())
    };
    for ours in [Peer::Hub, Peer::HubHistory] {
        let Some(mine) = of(ours) else { continue };
        for peer in present
            .iter()
            .filter(|peer| !matches!(peer, Peer::Hub | Peer::HubHistory))
        {
            let Some(theirs) = of(*peer) else { continue };
            let shares: Vec<f64> = mine
                .iter()
                .zip(theirs)
                .map(|(mine, theirs)| mine.rate / theirs.rate)
                .collect();
            if median(&shares).is_some() {
                report.add_median(
                    format!("{size}: {} / {}", ours.name(), peer.name()),
                    &shares,
                    "of its rate",
                );
            }
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "it takes minutes, and whoever waits wants to know where it is"
)]
fn progress(peer: Peer, size: usize, round: usize) {
    eprintln!("{size} subscribers, round {}: {}", round + 1, peer.name());
}
