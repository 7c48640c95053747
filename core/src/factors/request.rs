//! What a code is sent for.

use crate::kernel::id::SessionId;

/// A request that is answered with a code: another one takes no code that was sent for it.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// A sign-in that owes a factor, by the hash of its ticket.
    SignIn(&'a [u8]),
    /// A session in which somebody proves again who they are.
    Session(SessionId),
    /// A phone that is set up.
    Enrollment,
}

impl Request<'_> {
    /// A name that no other request has.
    pub(super) fn name(self) -> String {
        match self {
            Self::SignIn(ticket) => format!("sign-in {}", hex::encode(ticket)),
            Self::Session(session) => format!("session {session}"),
            Self::Enrollment => "enrollment".to_owned(),
        }
    }
}
