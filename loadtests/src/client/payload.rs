//! The publication that every server carries: 128 bytes of JSON which tell whether one is missing, doubled, swapped or
//! damaged, and when it was sent.

/// Bytes of a payload.
pub const SIZE: usize = 128;

/// How a payload begins; nothing else in a frame of any server looks so.
pub const MARK: &[u8] = b"{\"n\":\"";
const LANE: &[u8] = b"\",\"l\":\"";
const SENT: &[u8] = b"\",\"t\":\"";
/// Of the length that is left: the compiler counts.
const FILL: &[u8; SIZE - FILL_AT] =
    b"\",\"x\":\"the rest is filled up to what a small event weighs, here and now, nothin\"}";

const NUMBER_AT: usize = MARK.len();
const LANE_AT: usize = NUMBER_AT + 10 + LANE.len();
const SENT_AT: usize = LANE_AT + 2 + SENT.len();
const FILL_AT: usize = SENT_AT + 15;

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counted from 0 within its lane, without a hole.
    pub number: u64,
    /// Publications of one lane are sent one after the other: their order must hold.
    pub lane: u8,
    /// When it was sent or, where the sender was late, should have been: microseconds of the run's clock.
    pub sent: u64,
}

/// The payload with this stamp. Numbers beyond their digits are cut; lanes are below 100.
pub fn write(stamp: Stamp) -> [u8; SIZE] {
    let mut bytes = [b' '; SIZE];
    bytes[..MARK.len()].copy_from_slice(MARK);
    digits(&mut bytes[NUMBER_AT..NUMBER_AT + 10], stamp.number);
    bytes[NUMBER_AT + 10..LANE_AT].copy_from_slice(LANE);
    digits(&mut bytes[LANE_AT..LANE_AT + 2], u64::from(stamp.lane));
    bytes[LANE_AT + 2..SENT_AT].copy_from_slice(SENT);
    digits(&mut bytes[SENT_AT..FILL_AT], stamp.sent);
    bytes[FILL_AT..].copy_from_slice(FILL);
    bytes
}

fn digits(into: &mut [u8], mut value: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Reads a payload; `None` unless every one of its bytes is as it was written.
pub fn read(bytes: &[u8]) -> Option<Stamp> {
    let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
    let whole = bytes[..NUMBER_AT] == *MARK
        && bytes[NUMBER_AT + 10..LANE_AT] == *LANE
        && bytes[LANE_AT + 2..SENT_AT] == *SENT
        && bytes[FILL_AT..] == *FILL;
    let number = value(&bytes[NUMBER_AT..NUMBER_AT + 10])?;
    let lane = value(&bytes[LANE_AT..LANE_AT + 2])?;
    let sent = value(&bytes[SENT_AT..FILL_AT])?;
    whole.then_some(Stamp {
        number,
        lane: lane as u8,
        sent,
    })
}

fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        number: 1_234,
        lane: 7,
        sent: 987_654_321,
    };

    #[test]
    fn a_payload_is_128_bytes_of_json_and_is_read_back() {
        let bytes = write(STAMP);
        assert_eq!(bytes.len(), 128);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json::to_string(&json["n"]).unwrap(), "\"0000001234\"");
        assert_eq!(read(&bytes), Some(STAMP));
    }

    #[test]
    fn one_wrong_byte_anywhere_is_seen() {
        let bytes = write(STAMP);
        for at in 0..SIZE {
            let mut damaged = bytes;
            damaged[at] = if at.is_multiple_of(2) { b'~' } else { 0 };
            assert_eq!(read(&damaged), None, "byte {at}");
        }
        assert_eq!(read(&bytes[1..]), None);
        assert_eq!(read(&[]), None);
    }
}
