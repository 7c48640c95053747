//! What hangs on a session or an API key: sockets, streams, downloads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use signalbox_core::kernel::ctx::Credential;

use super::ledger::Ledger;

/// Close code: the session or API key ended (signed out, revoked, expired). Final for every SDK.
pub const SIGNED_OUT: u16 = 4500;
/// Close code: the person was banned, suspended or deleted. Final for every SDK.
pub const ACCESS_ENDED: u16 = 4501;

/// A WebSocket close reason holds this many bytes (RFC 6455 §5.5: 125 with the code).
const REASON_BYTES: usize = 123;

/// Something open that ends with its session or API key. Called in the task that heard of it: must be quick and must not wait.
pub trait Connection: Send + Sync {
    /// Drop what is queued, then tell the peer. Called once at most.
    fn close(&self, code: u16, reason: &str);

    /// The person's rights may have changed: judge again what this connection may see.
    fn rights_changed(&self);
}

/// Keeps a connection attached; dropped, it is taken off.
pub struct Attachment {
    pub(super) ledger: Arc<Ledger>,
    pub(super) credential: Credential,
    pub(super) number: u64,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.ledger.detach(self.credential, self.number);
    }
}

/// Closes all of `connections`. One that panics must not save the others.
pub(super) fn close_all(connections: Vec<Arc<dyn Connection>>, code: u16, why: &str) {
    let reason = reason(why);
    for connection in connections {
        if catch_unwind(AssertUnwindSafe(|| connection.close(code, &reason))).is_err() {
            tracing::error!("closing a connection panicked");
        }
    }
}

/// As [`close_all`], for a change of rights.
pub(super) fn tell_all(connections: Vec<Arc<dyn Connection>>) {
    for connection in connections {
        if catch_unwind(AssertUnwindSafe(|| connection.rights_changed())).is_err() {
            tracing::error!("telling a connection of changed rights panicked");
            // Not re-judged means possibly seeing too much; closed is safe, and it may come back.
            close_all(vec![connection], 3004, "internal server error");
        }
    }
}

fn reason(why: &str) -> String {
    let mut reason = if why.is_empty() {
        String::from("signed out")
    } else {
        format!("signed out: {why}")
    };
    while reason.len() > REASON_BYTES {
        reason.pop();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_a_close_frame_whatever_was_written() {
        assert_eq!(reason("account banned"), "signed out: account banned");
        assert_eq!(reason(""), "signed out");
        let long = reason(&"ü".repeat(200));
        assert!(long.len() <= REASON_BYTES && long.ends_with('ü'));
    }
}
