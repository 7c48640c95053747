//! How many lines make a chunk of about a second: long enough to be cheap, short enough to repeat after a crash.

use std::time::{Duration, Instant};

/// What a chunk should take.
const CHUNK: Duration = Duration::from_secs(1);
/// Lines of a run's first chunk: small, so that a run that is soon killed has got on all the same.
const FIRST_LINES: i32 = 500;
const FEWEST_LINES: i32 = 200;

/// Grows and shrinks the chunks of one stage.
#[derive(Debug)]
pub(super) struct Pace {
    lines: i32,
    most: i32,
}

impl Pace {
    /// Chunks of at most `most` lines.
    pub fn new(most: i32) -> Self {
        Self {
            lines: FIRST_LINES,
            most,
        }
    }

    /// Lines of the next chunk.
    pub fn lines(&self) -> i32 {
        self.lines
    }

    /// Waits for `chunk` of `lines` lines, and takes its time for a measure.
    pub async fn during<T>(&mut self, lines: i32, chunk: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let answer = chunk.await;
        self.took(lines, begun.elapsed());
        answer
    }

    /// By a factor of four at most.
    fn took(&mut self, lines: i32, took: Duration) {
        let a_second = f64::from(lines) * CHUNK.as_secs_f64() / took.as_secs_f64().max(0.001);
        let now = f64::from(self.lines);
        let wanted = a_second.clamp(now / 4.0, now * 4.0) as i32;
        self.lines = wanted.clamp(FEWEST_LINES, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_and_shrink_towards_a_second_by_four_at_most_within_their_bounds() {
        let mut pace = Pace::new(50_000);
        assert_eq!(pace.lines(), FIRST_LINES);
        for (lines, millis, next) in [
            (500, 1, 2_000),
            (2_000, 800, 2_500),
            // only part of it was there yet
            (10, 10, 1_000),
            (1_000, 8_000, 250),
            (250, 60_000, FEWEST_LINES),
        ] {
            pace.took(lines, Duration::from_millis(millis));
            assert_eq!(pace.lines(), next, "{lines} lines in {millis} ms");
        }
        for _ in 0..9 {
            pace.took(pace.lines(), Duration::ZERO);
        }
        assert_eq!(pace.lines(), 50_000);
    }
}
