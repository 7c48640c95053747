//! Several JSON messages in one frame are joined by one newline.

use super::Disconnect;

/// The longest frame, whole, that a client may send, in bytes.
pub const MAX_FRAME_BYTES: usize = 65_536;

/// The commands of a frame, undecoded, so that a bad one costs nothing behind it. One newline at the end is
/// allowed; an empty frame or an empty line is not the protocol.
pub fn lines(frame: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Disconnect> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(Disconnect::TooLarge);
    }
    let body = frame.strip_suffix(b"\n").unwrap_or(frame);
    if body.is_empty() {
        return Err(Disconnect::BadRequest);
    }
    Ok(body.split(|byte| *byte == b'\n'))
}
