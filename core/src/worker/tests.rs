//! Tables: given events, when a command, then events; and what must hold for any history.

use proptest::prelude::*;

use super::*;
use crate::machine::{Machine, replay};
use crate::testing::worker_id;

use WorkerCommand as C;
use WorkerEvent as E;

fn register(memory_bytes: u64) -> C {
    let capacity = Capacity { memory_bytes, cpu_millis: 2000 };
    C::Register { id: worker_id(1), name: WorkerName::new("one").unwrap(), capacity }
}

#[test]
fn a_worker_joins_is_lost_comes_back_drains_and_leaves() {
    let capacity = |memory_bytes| Capacity { memory_bytes, cpu_millis: 2000 };
    let joined = E::Registered {
        id: worker_id(1),
        name: WorkerName::new("one").unwrap(),
        capacity: capacity(1),
    };
    let rows: Vec<(Vec<E>, C, Option<Vec<E>>)> = vec![
        (vec![], register(1), Some(vec![joined.clone()])),
        (vec![], C::Lose, None),
        (vec![joined.clone()], register(1), Some(vec![])),
        (
            vec![joined.clone()],
            register(2),
            Some(vec![E::CapacityChanged { capacity: capacity(2) }]),
        ),
        (vec![joined.clone()], C::Lose, Some(vec![E::Lost])),
        (vec![joined.clone(), E::Lost], C::Lose, Some(vec![])),
        (vec![joined.clone(), E::Lost], register(1), Some(vec![E::Returned])),
        (vec![joined.clone()], C::Drain, Some(vec![E::DrainStarted])),
        (vec![joined.clone(), E::DrainStarted], C::Drain, Some(vec![])),
        (vec![joined.clone(), E::DrainStarted], C::Undrain, Some(vec![E::DrainEnded])),
        (vec![joined.clone()], C::Undrain, Some(vec![])),
        (vec![joined.clone()], C::Remove, Some(vec![E::Removed])),
        (vec![joined.clone(), E::Removed], C::Remove, Some(vec![])),
        (vec![joined, E::Removed], register(1), None),
    ];
    for (given, when, then) in rows {
        let state: Worker = replay(&given);
        assert_eq!(state.decide(when.clone()).ok(), then, "{when:?} after {given:?}");
    }
}

proptest! {
    #[test]
    fn accepted_commands_replay_to_the_same_state(
        commands in prop::collection::vec(
            prop_oneof![
                (0u64..3).prop_map(register),
                Just(C::Lose),
                Just(C::Drain),
                Just(C::Undrain),
                Just(C::Remove)
            ],
            0..40,
        )
    ) {
        crate::testing::replays_to_the_same_state::<Worker>(commands)?;
    }
}
