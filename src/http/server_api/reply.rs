//! What comes back: a result, or an error by Centrifugo's codes.

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use signalbox_core::kernel::error::Error;
use signalbox_core::live::application::broker::BrokerError;
use std::borrow::Cow;

/// Of one method.
pub(super) type Reply = Result<Box<RawValue>, ApiError>;

/// Why a method was not done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ApiError {
    /// 100 internal, 102 unknown channel, 104 no such method, 106 limit exceeded, 107 bad request, 108 not available, 112 unrecoverable.
    pub(super) code: u32,
    message: Cow<'static, str>,
    /// The body is not what it should be in form.
    #[serde(skip)]
    pub(super) malformed: bool,
}

/// As it stands in a body.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ApiError>,
}

impl<'a> Whole<'a> {
    pub(super) fn of(reply: &'a Reply) -> Self {
        Self {
            result: reply.as_deref().ok(),
            error: reply.as_ref().err(),
        }
    }
}

impl ApiError {
    fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            malformed: false,
        }
    }

    /// A field is missing or not acceptable.
    pub(super) fn bad(why: &str) -> Self {
        Self::new(107, format!("bad request: {why}"))
    }

    /// The body cannot be read.
    pub(super) fn malformed(why: &str) -> Self {
        Self {
            malformed: true,
            ..Self::bad(why)
        }
    }

    pub(super) fn unknown_channel(why: &str) -> Self {
        Self::new(102, format!("unknown channel: {why}"))
    }

    pub(super) fn no_method() -> Self {
        Self::new(104, "method not found")
    }

    pub(super) fn not_available(why: &str) -> Self {
        Self::new(108, format!("not available: {why}"))
    }

    /// Our fault, or that of what we lean on; the cause goes to the log.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%cause, "a call of the server API could not be done");
        Self::new(100, "internal server error")
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            102 | 104 => StatusCode::NOT_FOUND,
            106..=108 => StatusCode::BAD_REQUEST,
            112 => StatusCode::RANGE_NOT_SATISFIABLE,
            113 => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<BrokerError> for ApiError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unrecoverable => Self::new(112, "unrecoverable position"),
            BrokerError::Format => {
                Self::bad("data does not have the form that the namespace asks for, or there is none")
            }
            BrokerError::Kind => Self::not_available(&error.to_string()),
            BrokerError::Key => Self::bad(&error.to_string()),
            BrokerError::Full => Self::new(106, error.to_string()),
            BrokerError::Bus(error) => error.into(),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match &error.source {
            Some(source) => Self::internal(source),
            None => Self::internal(&error),
        }
    }
}
