//! Where replicas run: on the eligible worker that is used the least.

use std::collections::BTreeMap;

use crate::deployment::Placement;
use crate::ids::WorkerId;
use crate::source::Resources;
use crate::worker::Capacity;

/// A worker as a place for replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it has.
    pub capacity: Capacity,
    /// What the replicas that are to run there may use together.
    pub used: Capacity,
    /// Whether it takes anything new at all.
    pub open: bool,
}

impl Place {
    /// How much of it would be used with `more` besides, in millionths: the fuller of memory and
    /// CPU counts.
    fn utilisation(&self, more: &Resources) -> u64 {
        let part = |used: u64, all: u64| used.saturating_mul(1_000_000) / all.max(1);
        let memory = self.used.memory_bytes.saturating_add(more.memory_bytes);
        let cpu = u64::from(self.used.cpu_millis) + u64::from(more.cpu_millis);
        part(memory, self.capacity.memory_bytes).max(part(cpu, self.capacity.cpu_millis.into()))
    }
}

/// Chooses a worker for each of some replicas, by number and by what it may use, or none where no
/// worker is open.
///
/// Limits are the most that a replica may use, not what it does use, so a worker may be promised
/// out more than once; the least promised one is chosen, ties by id.
#[must_use]
pub fn place(
    workers: &BTreeMap<WorkerId, Place>,
    replicas: impl IntoIterator<Item = (u16, Resources)>,
) -> Option<Vec<Placement>> {
    let mut workers: BTreeMap<WorkerId, Place> = workers.clone();
    replicas
        .into_iter()
        .map(|(index, need)| {
            let (worker, place) = workers
                .iter_mut()
                .filter(|(_, place)| place.open)
                .min_by_key(|(worker, place)| (place.utilisation(&need), **worker))?;
            place.used.memory_bytes = place.used.memory_bytes.saturating_add(need.memory_bytes);
            place.used.cpu_millis = place.used.cpu_millis.saturating_add(need.cpu_millis);
            Some(Placement { index, worker: *worker })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn worker(n: u128) -> WorkerId {
        WorkerId::new(Uuid::from_u128(n))
    }

    fn at(capacity: (u64, u32), used: (u64, u32), open: bool) -> Place {
        let of = |(memory_bytes, cpu_millis)| Capacity { memory_bytes, cpu_millis };
        Place { capacity: of(capacity), used: of(used), open }
    }

    #[test]
    fn the_least_used_open_worker_is_chosen() {
        let need = Resources { memory_bytes: 100, cpu_millis: 100, processes: 1 };
        let chosen = |workers: &[(u128, Place)], replicas| {
            let workers = workers.iter().map(|(n, place)| (worker(*n), place.clone())).collect();
            let needs = (0..replicas).map(|index| (index, need.clone()));
            place(&workers, needs).map(|placements| {
                placements.into_iter().map(|p| p.worker.uuid().as_u128()).collect::<Vec<_>>()
            })
        };
        let empty = at((1000, 1000), (0, 0), true);
        let busy = at((1000, 1000), (500, 0), true);
        let busy_cpu = at((1000, 1000), (0, 600), true);
        let closed = at((9000, 9000), (0, 0), false);
        let large = at((4000, 4000), (0, 0), true);
        assert_eq!(chosen(&[], 1), None);
        assert_eq!(chosen(&[(1, closed.clone())], 1), None);
        assert_eq!(chosen(&[(1, busy.clone()), (2, empty.clone())], 1), Some(vec![2]));
        assert_eq!(chosen(&[(1, busy_cpu), (2, busy)], 1), Some(vec![2]));
        assert_eq!(chosen(&[(1, empty.clone()), (2, empty.clone())], 3), Some(vec![1, 2, 1]));
        assert_eq!(chosen(&[(1, closed), (2, empty), (3, large)], 2), Some(vec![3, 3]));
    }

    proptest::proptest! {
        /// Whatever each may use: all get a place, under their own numbers, and of workers alike none
        /// is given more than another by more than the largest of them.
        #[test]
        fn replicas_of_all_sizes_are_spread(
            sizes in proptest::collection::vec(1u64..500, 1..40),
            count in 1u128..6,
        ) {
            let alike = || at((10_000, 1_000_000), (0, 0), true);
            let workers = (0..count).map(|n| (worker(n), alike())).collect();
            let of = |memory_bytes| Resources { memory_bytes, cpu_millis: 1, processes: 1 };
            // Web, and a process after it.
            let number = |at: usize| u16::try_from(if at < 9 { at } else { 1_024 + at }).unwrap();
            let needs = sizes.iter().enumerate().map(|(at, size)| (number(at), of(*size)));
            let placements = place(&workers, needs).unwrap();
            let indices = placements.iter().map(|placement| placement.index);
            proptest::prop_assert!(indices.eq((0..sizes.len()).map(number)));
            let mut used: BTreeMap<WorkerId, u64> = workers.keys().map(|id| (*id, 0)).collect();
            for (placement, size) in placements.iter().zip(&sizes) {
                *used.get_mut(&placement.worker).unwrap() += size;
            }
            let (least, most) = (used.values().min().unwrap(), used.values().max().unwrap());
            proptest::prop_assert!(most - least <= *sizes.iter().max().unwrap());
        }
    }
}
