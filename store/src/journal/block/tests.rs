use hythe_core::claims::ClaimKey;
use hythe_core::ids::WorkerId;
use proptest::prelude::*;

use super::*;
use crate::journal::record::GENESIS;
use crate::journal::tests::fixture::noise;

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    stream: StreamId,
    version: u64,
    meta: Meta,
    payload: Payload,
    claims: Vec<ClaimChange>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let stream = (0usize..3, prop_oneof![0u128..3, any::<u128>()]).prop_map(|(kind, id)| {
        StreamId { kind: AggregateKind::ALL[kind], id: Uuid::from_u128(id) }
    });
    let actor = prop_oneof![
        Just(Actor::Owner),
        Just(Actor::System),
        any::<u128>().prop_map(|id| Actor::Worker(WorkerId(Uuid::from_u128(id)))),
    ];
    let meta = (
        prop_oneof![1_700_000_000_000u64..1_700_000_001_000, any::<u64>()],
        actor,
        prop_oneof![0u128..2, any::<u128>()],
        prop_oneof![Just(None), (0u64..1000).prop_map(Some), any::<u64>().prop_map(Some)],
    )
        .prop_map(|(at, actor, correlation, causation)| Meta {
            at: Timestamp(at),
            actor,
            correlation: CorrelationId(Uuid::from_u128(correlation)),
            causation: causation.map(Sequence),
        });
    let claims = proptest::collection::vec(
        prop_oneof![
            ("[a-z]{1,9}", proptest::collection::vec(any::<u8>(), 0..9))
                .prop_map(|(key, note)| ClaimChange::Take { key: ClaimKey(key), note }),
            "[a-z]{1,9}".prop_map(|key| ClaimChange::Release { key: ClaimKey(key) }),
        ],
        0..3,
    );
    // From a number: drawing each byte for itself takes most of the time.
    let len = prop_oneof![9 => 0usize..300, 1 => 3000usize..6000];
    let bytes = (len, any::<u64>()).prop_map(|(len, seed)| noise(len, seed));
    let payload = (0u16..3, bytes).prop_map(|(schema, bytes)| Payload { schema, bytes });
    (stream, prop_oneof![0u64..4, any::<u64>()], meta, payload, claims).prop_map(
        |(stream, version, meta, payload, claims)| Sample {
            stream,
            version,
            meta,
            payload,
            claims,
        },
    )
}

/// A block, its first record and the hash before it.
type Laid = (u64, Hash, Vec<u8>);

/// Writes samples from `first` on as the writer does; each block with its beginning.
fn written(first: u64, samples: &[Sample]) -> (Vec<Laid>, Vec<Hash>) {
    let (mut buffer, mut value) = (Vec::new(), Vec::new());
    let (mut blocks, mut hashes) = (Vec::new(), Vec::new());
    let mut growing = Growing::new(first, GENESIS);
    for (sequence, sample) in (first..).zip(samples) {
        let event = record::Event {
            sequence,
            stream: sample.stream,
            version: sample.version,
            meta: &sample.meta,
            schema: sample.payload.schema,
            payload: &sample.payload.bytes,
        };
        let hash = match growing.push(&mut buffer, &event, &sample.claims).unwrap() {
            Some(hash) => hash,
            None => {
                growing.value(&mut value);
                blocks.push((growing.first(), growing.previous, value.clone()));
                growing = Growing::new(sequence, growing.head().1);
                growing.push(&mut buffer, &event, &sample.claims).unwrap().unwrap()
            }
        };
        hashes.push(hash);
    }
    growing.value(&mut value);
    blocks.push((growing.first(), growing.previous, value));
    (blocks, hashes)
}

fn read(blocks: &[Laid]) -> (Vec<Sample>, Vec<Hash>) {
    let (mut samples, mut hashes, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for (first, previous, value) in blocks {
        let block = Block::open(*first, value, previous).unwrap();
        let mut hash = *previous;
        for packed in block.records() {
            let packed = packed.unwrap();
            hash = packed.chain(&mut buffer, &hash).unwrap();
            hashes.push(hash);
            let (event, claims) = packed.unpacked();
            let (stream, version) = (event.stream, event.version.0);
            samples.push(Sample {
                stream,
                version,
                meta: event.meta,
                payload: event.event,
                claims,
            });
        }
        assert_eq!(hash, block.end);
    }
    (samples, hashes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn records_come_back_with_their_hashes_however_they_were_grouped(
        samples in proptest::collection::vec(sample(), 1..60),
        first in prop_oneof![1u64..500, 1u64 << 40..1 << 41],
        stop in any::<prop::sample::Index>(),
    ) {
        let (blocks, hashes) = written(first, &samples);
        let (found, chained) = read(&blocks);
        prop_assert_eq!(&found, &samples);
        prop_assert_eq!(&chained, &hashes);
        for (_, _, value) in &blocks {
            prop_assert!(value.len() <= MOST_BYTES || read_one(value) == 1, "{}", value.len());
        }
        // Stopped in between and gone on: the same bytes.
        let stop = stop.index(samples.len());
        if stop > 0 {
            let (mut blocks_before, _) = written(first, &samples[..stop]);
            let (at, previous, value) = blocks_before.pop().unwrap();
            let growing = Growing::resume(at, &value, previous).unwrap();
            prop_assert_eq!(growing.head(), (first + stop as u64 - 1, hashes[stop - 1]));
            let mut again = Vec::new();
            growing.value(&mut again);
            prop_assert_eq!(again, value);
        }
    }

    #[test]
    fn a_record_is_found_by_its_number(
        samples in proptest::collection::vec(sample(), 1..60),
        every in 1usize..7,
    ) {
        let (blocks, _) = written(7, &samples);
        for (first, previous, value) in &blocks {
            let block = Block::open(*first, value, previous).unwrap();
            let all: Vec<_> = block.records().map(|packed| packed.unwrap().unpacked()).collect();
            let mut records = block.records();
            for (sequence, expected) in (*first..).zip(&all).step_by(every) {
                let found = records.seek(sequence).unwrap().map(Packed::unpacked);
                prop_assert_eq!(found.as_ref(), Some(expected));
            }
            let end = first + all.len() as u64;
            for other in [0, first - 1, *first, end, u64::MAX] {
                prop_assert!(records.seek(other).unwrap().is_none(), "{other}");
            }
            prop_assert!(block.records().seek(end).unwrap().is_none());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..400), first: u64) {
        if let Ok(block) = Block::unchecked(first, &value) {
            let _ = block.records().take_while(Result::is_ok).count();
            let _ = block.records().seek(first.saturating_add(3)).is_ok();
        }
        prop_assert!(Block::open(first, &value, &GENESIS).is_err());
    }
}

fn read_one(value: &[u8]) -> usize {
    Block::unchecked(1, value).unwrap().records().count()
}

fn small(number: u64) -> Sample {
    Sample {
        stream: StreamId { kind: AggregateKind::Deployment, id: Uuid::from_u128(3) },
        version: number,
        meta: Meta {
            at: Timestamp(1_700_000_000_000 + number),
            actor: Actor::Worker(WorkerId(Uuid::from_u128(4))),
            correlation: CorrelationId(Uuid::from_u128(5)),
            causation: (number > 1).then(|| Sequence(number - 1)),
        },
        payload: Payload { schema: 1, bytes: b"payload".to_vec() },
        claims: match number {
            2 => vec![ClaimChange::Release { key: ClaimKey("a".into()) }],
            _ => Vec::new(),
        },
    }
}

#[test]
fn every_flipped_bit_cut_and_move_of_a_block_is_found() {
    let (blocks, _) = written(1, &[small(1), small(2), small(3)]);
    let (first, previous, value) = &blocks[0];
    for bit in 0..value.len() * 8 {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Block::open(*first, &flipped, previous).is_err(), "bit {bit}");
    }
    for len in 0..value.len() {
        assert!(Block::open(*first, &value[..len], previous).is_err(), "length {len}");
    }
    assert!(Block::open(first + 1, value, previous).is_err());
    assert!(Block::open(*first, value, &[1; 32]).is_err());
}

/// Whoever changes a record and puts the check sum right still breaks the chain.
#[test]
fn a_block_made_up_with_a_right_check_sum_breaks_the_chain() {
    let (blocks, _) = written(1, &[small(1), small(2), small(3)]);
    let (first, previous, mut value) = blocks[0].clone();
    let at = value.windows(7).position(|part| part == b"payload").unwrap();
    value[at] ^= 1;
    value.truncate(value.len() - CHECK_SUM);
    let sum = check_sum(&previous, first, &value);
    value.extend_from_slice(&sum);
    assert!(Block::open(first, &value, &previous).is_ok());
    let error = Growing::resume(first, &value, previous).unwrap_err();
    assert!(error.to_string().contains(record::BROKEN), "{error}");
}

/// The bytes of format 2, for ever. Fails: a format was changed that is on people's disks.
#[test]
fn format_2_is_frozen() {
    let (blocks, _) = written(1, &[small(1), small(2), small(3)]);
    assert_eq!(
        hex::encode(&blocks[0].2),
        concat!(
            "020002000000000000000000000000000000030182a0abfef9620210000000000000000000000000",
            "000000040000000000000000000000000000000501077061796c6f61643f0201010161077061796c",
            "6f61642f02077061796c6f616417af1c1ead86ed9633acb57665419147b6c6a39850ea1d42d86422",
            "a712fbbc1dafe9b7aef3456f43af263ef8131ec8a8",
        )
    );
}
