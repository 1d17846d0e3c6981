//! Tables of webhooks and of the public address.

use super::*;
use crate::hook::{ApiAddress, Provider, PublicAddress, RepositoryKey};
use crate::ids::HookId;
use crate::limits;

fn id(n: u128) -> HookId {
    HookId::new(uuid::Uuid::from_u128(n))
}

fn add(n: u128, repository: &str) -> C {
    let repository = RepositoryKey::new(repository).unwrap();
    C::AddHook { id: id(n), provider: Provider::GitHub, repository, at: at(5) }
}

fn rotate(n: u128, version: u64) -> C {
    C::RotateHook { id: id(n), version, at: at(9) }
}

fn after(commands: Vec<C>) -> Installation {
    crate::testing::run(commands).0
}

#[test]
fn a_repository_has_one_hook_of_a_provider_and_its_secret_has_versions() {
    let there = after(vec![add(1, "git.example/a")]);
    assert_eq!((there.hooks[&id(1)].version, there.hooks[&id(1)].secret_at), (1, at(5)));
    assert_eq!(there.decide(add(1, "git.example/a")).unwrap(), [], "it is there already");
    let refusal = there.decide(add(2, "git.example/a")).unwrap_err().to_string();
    assert!(refusal.contains(&format!("hythe hook rotate {}", id(1))), "{refusal}");
    assert_eq!(there.decide(add(2, "git.example/b")).unwrap().len(), 1);
    for version in [0, 1, 3] {
        assert!(there.decide(rotate(1, version)).is_err(), "{version} is not the next one");
    }
    assert!(there.decide(rotate(2, 2)).is_err(), "there is none");
    let rotated = after(vec![add(1, "git.example/a"), rotate(1, 2)]);
    let hook = &rotated.hooks[&id(1)];
    assert_eq!((hook.version, hook.at, hook.secret_at), (2, at(5), at(9)));
    let gone = after(vec![add(1, "git.example/a"), C::RemoveHook { id: id(1) }]);
    assert!(gone.hooks.is_empty());
    assert_eq!(gone.decide(C::RemoveHook { id: id(1) }).unwrap(), []);
    assert!(gone.decide(rotate(1, 2)).is_err());
}

#[test]
fn hooks_have_a_bound() {
    let most = limits::MOST_HOOKS as u128;
    let full = after((0..most).map(|n| add(n, &format!("git.example/{n}"))).collect());
    let refusal = full.decide(add(most, "git.example/one-more")).unwrap_err().to_string();
    assert!(refusal.contains("hythe hook rm"), "{refusal}");
}

#[test]
fn an_address_is_known_until_it_is_taken_away() {
    let set = |text: &str| C::SetAddress { address: PublicAddress::new(text).unwrap() };
    let (one, two) = ("https://one.example", "https://two.example");
    let known = after(vec![set(one), set(two)]);
    assert_eq!(known.address.as_ref().map(PublicAddress::as_str), Some(two));
    assert_eq!(known.decide(set(two)).unwrap(), []);
    assert_eq!(known.decide(C::RemoveAddress).unwrap(), [E::AddressRemoved]);
    assert_eq!(after(vec![]).decide(C::RemoveAddress).unwrap(), []);
}

proptest! {
    #[test]
    fn what_is_accepted_gives_the_same_state_again(steps in prop::collection::vec((0u8..5, 0u128..3, 0u64..4), 0..24)) {
        let commands = steps.into_iter().map(|(what, n, version)| match what {
            0 => add(n, &format!("git.example/{n}")),
            1 => rotate(n, version),
            2 => C::RemoveHook { id: id(n) },
            3 => C::SetAddress { address: PublicAddress::new(format!("https://h{n}")).unwrap() },
            _ => C::RemoveAddress,
        });
        crate::testing::replays_to_the_same_state::<Installation>(commands.collect())?;
    }
}

#[test]
fn a_provider_is_told_until_it_is_told_no_more() {
    let api = |text: &str| Some(ApiAddress::new(text).unwrap());
    let set = |n: u128, api: Option<ApiAddress>| C::SetStatuses { id: id(n), api };
    let there = after(vec![add(1, "git.example/a")]);
    assert_eq!(there.hooks[&id(1)].statuses, None);
    assert_eq!(there.decide(set(1, None)).unwrap(), []);
    assert!(there.decide(set(2, None)).is_err(), "there is none");
    let told = after(vec![add(1, "git.example/a"), set(1, api("https://git.example/api/v1"))]);
    assert_eq!(told.hooks[&id(1)].statuses, api("https://git.example/api/v1"));
    assert_eq!(told.decide(set(1, api("https://git.example/api/v1"))).unwrap(), []);
    let rotated =
        after(vec![add(1, "git.example/a"), set(1, api("https://a.example")), rotate(1, 2)]);
    assert!(rotated.hooks[&id(1)].statuses.is_some(), "another secret changes nothing of it");
    let no_more =
        after(vec![add(1, "git.example/a"), set(1, api("https://a.example")), set(1, None)]);
    assert_eq!(no_more.hooks[&id(1)].statuses, None);
}
