//! Tables of GitHub Apps.

use super::*;
use crate::github::{
    GitHubAccount, GitHubAppName, GitHubBegun, GitHubClientId, GitHubMade, GitHubServer, GitHubSlug,
};
use crate::hook::PublicAddress;
use crate::ids::HookId;
use crate::installation::github::GitHubCommand as G;
use crate::limits;
use crate::names::RepositoryUrl;
use crate::repository::Location;

fn id(n: u128) -> HookId {
    HookId::new(uuid::Uuid::from_u128(n))
}

fn begin(n: u128, since: u64) -> C {
    let begun = GitHubBegun {
        server: GitHubServer::dot_com(),
        organization: None,
        name: GitHubAppName::new("hythe-one").unwrap(),
        address: PublicAddress::new("https://hythe.example").unwrap(),
        state: [7; 32],
        at: at(since),
        until: at(since).plus(limits::GITHUB_APP_WITHIN),
    };
    C::GitHub(G::Begin { id: id(n), begun: Box::new(begun) })
}

fn make(n: u128, app: u64, owner: &str, now: u64) -> C {
    let made = GitHubMade {
        app,
        slug: GitHubSlug::new("hythe-one").unwrap(),
        client: GitHubClientId::new("Iv1.01").unwrap(),
        owner: GitHubAccount::new(owner).unwrap(),
    };
    C::GitHub(G::Make { id: id(n), made: Box::new(made), at: at(now) })
}

fn after(commands: Vec<C>) -> Installation {
    crate::testing::run(commands).0
}

#[test]
fn what_was_begun_is_made_once_and_within_the_hour() {
    let hour = limits::GITHUB_APP_WITHIN.0 / 1_000;
    let begun = after(vec![begin(1, 5)]);
    assert_eq!(begun.decide(begin(1, 5)).unwrap(), [], "it is begun already");
    assert!(begun.decide(make(1, 7, "octo", 5 + hour)).is_err(), "it is too late");
    assert!(begun.decide(make(2, 7, "octo", 6)).is_err(), "nobody began it");
    let made = after(vec![begin(1, 5), make(1, 7, "octo", 6)]);
    assert!(made.github_begun.is_empty() && made.github_apps[&id(1)].made.app == 7);
    assert!(made.decide(make(1, 7, "octo", 7)).is_err(), "it serves once");
    let given_up = after(vec![begin(1, 5), C::GitHub(G::GiveUp { id: id(1) })]);
    assert!(given_up.decide(make(1, 7, "octo", 6)).is_err(), "it was given up");
    let twice = after(vec![begin(1, 5), make(1, 7, "octo", 6), begin(2, 7)]);
    let refusal = twice.decide(make(2, 7, "octo", 8)).unwrap_err().to_string();
    assert!(refusal.contains(&format!("show {}", id(1))), "{refusal}");
}

#[test]
fn so_many_can_be_begun_and_those_that_are_over_make_room() {
    let most = limits::MOST_GITHUB_BEGUN as u128;
    let full = after((0..most).map(|n| begin(n, 5)).collect());
    assert!(full.decide(begin(most, 6)).unwrap_err().to_string().contains("wait an hour"));
    let later = full.decide(begin(most, 5 + limits::GITHUB_APP_WITHIN.0 / 1_000)).unwrap();
    assert_eq!(later.len(), limits::MOST_GITHUB_BEGUN + 1);
    let most = limits::MOST_GITHUB_APPS as u128;
    let all =
        (0..most).flat_map(|n| [begin(n, 5), make(n, u64::try_from(n).unwrap() + 1, "octo", 6)]);
    let refusal = after(all.collect()).decide(begin(most, 6)).unwrap_err().to_string();
    assert!(refusal.contains("github-app rm"), "{refusal}");
}

#[test]
fn a_secret_is_told_before_the_next_is_minted_and_a_key_has_versions() {
    let made = || vec![begin(1, 5), make(1, 7, "octo", 6)];
    let mint = |version| C::GitHub(G::MintSecret { id: id(1), version, at: at(9) });
    let told = |version| C::GitHub(G::NoteTold { id: id(1), version });
    let there = after(made());
    assert!(there.decide(mint(1)).is_err() && there.decide(mint(3)).is_err());
    let minted = after([made(), vec![mint(2)]].concat());
    assert_eq!(minted.github_apps[&id(1)].secrets().collect::<Vec<_>>(), [2, 1]);
    assert!(minted.decide(mint(3)).is_err(), "GitHub does not know the second yet");
    assert!(minted.decide(told(1)).is_err());
    let known = after([made(), vec![mint(2), told(2)]].concat());
    assert_eq!(known.github_apps[&id(1)].secrets().collect::<Vec<_>>(), [2]);
    assert_eq!(known.decide(told(2)).unwrap(), []);
    let key = |version| C::GitHub(G::SetKey { id: id(1), version, at: at(9) });
    assert!(there.decide(key(1)).is_err());
    assert_eq!(after([made(), vec![key(2)]].concat()).github_apps[&id(1)].key, 2);
    let gone = after([made(), vec![C::GitHub(G::Remove { id: id(1) })]].concat());
    assert!(gone.github_apps.is_empty() && gone.decide(key(2)).is_err());
    assert_eq!(gone.decide(C::GitHub(G::Remove { id: id(1) })).unwrap(), []);
}

#[test]
fn the_app_of_a_repositorys_owner_comes_first() {
    let both = after(vec![begin(1, 5), make(1, 7, "octo", 6), begin(2, 5), make(2, 8, "team", 6)]);
    let order = |url: &str| {
        let lies = Location::of(&RepositoryUrl::new(url).unwrap()).unwrap();
        both.github_apps_for(&lies).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(order("https://github.com/Team/shop"), [id(2), id(1)]);
    assert_eq!(order("https://github.com/octo/shop"), [id(1), id(2)]);
    assert_eq!(order("https://git.example/octo/shop"), []);
    assert_eq!(order("http://github.com/octo/shop"), [], "it would be read on its way");
}
