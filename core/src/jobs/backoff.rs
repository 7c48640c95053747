//! How long to wait before trying again.

use std::time::Duration;

/// The longest pause between two attempts.
pub const LONGEST: Duration = Duration::from_mins(5);

/// The pause after the `failures`th failure (1 or more): 1 s, 2 s, 4 s, ... to [`LONGEST`], less up to a quarter by
/// `seed`, so that jobs that failed together do not come back together.
pub fn pause(failures: i32, seed: u64) -> Duration {
    let doublings = failures.saturating_sub(1).clamp(0, 20) as u32;
    let whole = Duration::from_secs(1_u64 << doublings).min(LONGEST);
    whole.mul_f64(1.0 - (seed % 1_000) as f64 / 4_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_are_spread_by_a_quarter_at_most() {
        assert_eq!(pause(1, 0), Duration::from_secs(1));
        assert_eq!(pause(4, 0), Duration::from_secs(8));
        assert_eq!(pause(i32::MAX, 0), LONGEST);
        for seed in 0..2_000 {
            let pause = pause(3, seed);
            assert!(
                pause > Duration::from_secs(3) && pause <= Duration::from_secs(4),
                "{pause:?}"
            );
        }
    }
}
