//! When a server whose process ended is started again.

use std::time::Duration;

use vaultyard_model::observed::Exit;

use crate::shortfall::LEAST_FREE_BYTES;

/// A life this long wipes the record of earlier ends.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// A full disk is not emptied by starting again; each start writes, and panics once more.
const NO_SPACE: Duration = Duration::from_secs(60);

/// How long to wait before a server is started again that ended for the `times`-th time in a row
/// (counted from 1, see [`STABLE_AFTER`]).
///
/// The first end of a healthy server is answered at once: a killed standby should be back before
/// anybody misses it. From the second on the wait doubles up to half a minute.
pub fn delay(exit: &Exit, times: u32) -> Duration {
    if exit.no_space {
        return NO_SPACE;
    }
    match times {
        0 | 1 => Duration::ZERO,
        more => FIRST.saturating_mul(1 << (more - 2).min(10)).min(LONGEST),
    }
}

/// Whether a server that ended for want of room need not wait any longer: its disk was full then and
/// has room now. Each is the room on it in bytes. Where there was room all along, another disk is full
/// whose room nobody knows, and only time helps.
pub fn has_room_again(then: Option<u64>, now: Option<u64>) -> bool {
    let was_full = then.is_some_and(|free| free < LEAST_FREE_BYTES);
    was_full && now.is_some_and(|free| free >= LEAST_FREE_BYTES)
}

/// How often a process has now ended in a row, from the number before and how long it lived.
pub fn times_in_a_row(before: u32, lived: Duration) -> u32 {
    if lived >= STABLE_AFTER { 1 } else { before.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn killed() -> Exit {
        Exit { code: None, signal: Some(9), reason: None, no_space: false }
    }

    #[test]
    fn the_first_end_is_answered_at_once_and_later_ones_ever_more_slowly() {
        let waits: Vec<u64> =
            (1..=9).map(|times| delay(&killed(), times).as_millis() as u64).collect();
        assert_eq!(waits, [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(delay(&killed(), u32::MAX), LONGEST);
    }

    #[test]
    fn a_full_disk_is_given_a_minute() {
        let exit = Exit { code: Some(2), no_space: true, ..killed() };
        assert_eq!(delay(&exit, 1), NO_SPACE);
    }

    #[test]
    fn room_ends_the_wait_only_where_there_was_none() {
        let (full, room) = (Some(LEAST_FREE_BYTES - 1), Some(LEAST_FREE_BYTES));
        assert!(has_room_again(full, room));
        for (then, now) in [(full, full), (room, room), (full, None), (None, room)] {
            assert!(!has_room_again(then, now), "{then:?} {now:?}");
        }
    }

    #[test]
    fn a_minute_of_life_wipes_the_record() {
        assert_eq!(times_in_a_row(4, Duration::from_secs(59)), 5);
        assert_eq!(times_in_a_row(4, Duration::from_secs(60)), 1);
    }
}
