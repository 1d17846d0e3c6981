//! How much of the logs each app and build keeps where all together have more than there is room for.

/// What one of them has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// In how many frames.
    pub frames: u64,
    /// How many bytes they take.
    pub bytes: u64,
}

/// How many of its newest frames each keeps, so that all together take about `room` bytes. Whoever has
/// little keeps it all; those that have most come down to what each of them may have.
#[must_use]
pub fn shares(kept: &[Kept], room: u64) -> Vec<u64> {
    let level = level(kept, room);
    let share = |kept: &Kept| {
        if kept.bytes <= level {
            return kept.frames;
        }
        let frames = u128::from(kept.frames) * u128::from(level) / u128::from(kept.bytes);
        u64::try_from(frames).unwrap_or(u64::MAX).max(1)
    };
    kept.iter().map(share).collect()
}

/// The most bytes that one may have.
fn level(kept: &[Kept], room: u64) -> u64 {
    let mut sizes: Vec<u64> = kept.iter().map(|kept| kept.bytes).collect();
    sizes.sort_unstable();
    let (mut left, mut others) = (room, sizes.len() as u64);
    for size in sizes {
        let even = left / others.max(1);
        if size > even {
            return even;
        }
        left -= size;
        others -= 1;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_most_gives_way() {
        let of = |sizes: &[(u64, u64)], room| {
            let kept: Vec<Kept> =
                sizes.iter().map(|&(frames, bytes)| Kept { frames, bytes }).collect();
            shares(&kept, room)
        };
        assert_eq!(of(&[], 100), [0; 0]);
        assert_eq!(of(&[(5, 50), (1, 50)], 100), [5, 1]);
        assert_eq!(of(&[(5, 50), (100, 1_000)], 100), [5, 5]);
        assert_eq!(of(&[(100, 1_000), (10, 10), (1_000, 1_000)], 110), [5, 10, 50]);
        assert_eq!(of(&[(10, 100), (10, 100)], 0), [1, 1]);
        assert_eq!(of(&[(u64::MAX, u64::MAX), (1, 1)], 11), [10, 1]);
    }
}
