//! Events of the installation, but those about certificates and domains.

use hythe_core::github::{
    GitHubAccount, GitHubAppName, GitHubBegun, GitHubClientId, GitHubMade, GitHubServer, GitHubSlug,
};
use hythe_core::hook::{ApiAddress, Provider, PublicAddress, RepositoryKey, Telling};
use hythe_core::installation::{
    BackupPlace, BackupRecipient, Failed, GitHubEvent, InstallationEvent, Made, Mirror,
    RegistryHost, RegistryUser, Restored, Schedule, SourcePrefix, SourceUser, SshHost,
};
use hythe_core::record::Sequence;
use hythe_core::time::{Millis, Timestamp};

use super::values::{app, at, hook, ssh_key};

pub(super) fn all() -> Vec<(&'static str, InstallationEvent)> {
    use InstallationEvent as Is;
    let schedule =
        Schedule { to: place(), recipient: recipient(), every: Millis(86_400_000), keep: 7 };
    let made = Made {
        id: app().uuid(),
        to: Some(place()),
        name: "hythe-1.age".into(),
        bytes: 70_000,
        head: Sequence(300),
        hash: "ab".repeat(32),
        took: Millis(250),
        at: at(),
    };
    let failed = Failed { id: app().uuid(), to: None, why: "no room".into(), at: at() };
    let host = || RegistryHost::new("registry.example.com:5000").unwrap();
    let user = RegistryUser::new("ci").unwrap();
    let prefix = || SourcePrefix::new("https://git.example:8443/team").unwrap();
    let token = SourceUser::new("x-access-token").unwrap();
    let ssh = || SshHost::new("git.example:2222").unwrap();
    let restored = Restored { head: Sequence(300), hash: "ab".repeat(32), at: at() };
    vec![
        ("backup_scheduled", Is::BackupScheduled { schedule, at: at() }),
        ("backup_unscheduled", Is::BackupUnscheduled),
        ("backup_made", Is::BackupMade(made.clone())),
        ("backup_made-handed_out", Is::BackupMade(Made { to: None, ..made })),
        ("backup_failed", Is::BackupFailed(failed)),
        ("backup_became_stale", Is::BackupBecameStale { at: at() }),
        ("mirror_set", Is::MirrorSet(Mirror { to: place(), recipient: recipient() })),
        ("mirror_removed", Is::MirrorRemoved),
        ("mirror_fell_behind", Is::MirrorFellBehind { why: "slow".into() }),
        ("mirror_caught_up", Is::MirrorCaughtUp),
        ("restored", Is::Restored(restored)),
        ("registry_set", Is::RegistrySet { host: host(), user, version: 300, at: at() }),
        ("registry_removed", Is::RegistryRemoved { host: host() }),
        (
            "hook_added",
            Is::HookAdded {
                id: hook(),
                provider: Provider::Gitea,
                repository: RepositoryKey::new("git.example/a/shop").unwrap(),
                at: at(),
            },
        ),
        ("hook_rotated", Is::HookRotated { id: hook(), version: 300, at: at() }),
        ("hook_removed", Is::HookRemoved { id: hook() }),
        (
            "address_set",
            Is::AddressSet { address: PublicAddress::new("https://hythe.example").unwrap() },
        ),
        ("address_removed", Is::AddressRemoved),
        (
            "source_token_set",
            Is::SourceTokenSet { prefix: prefix(), user: token, version: 300, at: at() },
        ),
        ("source_token_removed", Is::SourceTokenRemoved { prefix: prefix() }),
        ("source_host_set", Is::SourceHostSet { host: ssh(), keys: vec![ssh_key()], at: at() }),
        ("source_host_removed", Is::SourceHostRemoved { host: ssh() }),
        (
            "statuses_set",
            Is::StatusesSet {
                id: hook(),
                api: Some(ApiAddress::new("https://git.example/api/v1").unwrap()),
            },
        ),
        (
            "told_set-comments",
            Is::ToldSet {
                id: hook(),
                what: Telling::Comments,
                api: Some(ApiAddress::new("https://git.example/api/v1").unwrap()),
            },
        ),
        ("told_set-deployments", Is::ToldSet { id: hook(), what: Telling::Deployments, api: None }),
        ("github_app_begun", Is::GitHub(github_begun(Some("octo-org")))),
        ("github_app_begun-own", Is::GitHub(github_begun(None))),
        ("github_app_given_up", Is::GitHub(GitHubEvent::GivenUp { id: hook() })),
        ("github_app_made", Is::GitHub(github_made())),
        (
            "github_secret_minted",
            Is::GitHub(GitHubEvent::SecretMinted { id: hook(), version: 300, at: at() }),
        ),
        ("github_secret_told", Is::GitHub(GitHubEvent::SecretTold { id: hook(), version: 300 })),
        ("github_key_set", Is::GitHub(GitHubEvent::KeySet { id: hook(), version: 300, at: at() })),
        ("github_app_removed", Is::GitHub(GitHubEvent::Removed { id: hook() })),
    ]
}

fn github_begun(organization: Option<&str>) -> GitHubEvent {
    let begun = GitHubBegun {
        server: GitHubServer::new("https://github.com").unwrap(),
        organization: organization.map(|name| GitHubAccount::new(name).unwrap()),
        name: GitHubAppName::new("hythe-9d3c").unwrap(),
        address: PublicAddress::new("https://hythe.example").unwrap(),
        state: [7; 32],
        at: at(),
        until: Timestamp(at().0 + 3_600_000),
    };
    GitHubEvent::Begun { id: hook(), begun: Box::new(begun) }
}

fn github_made() -> GitHubEvent {
    let made = GitHubMade {
        app: 70_000,
        slug: GitHubSlug::new("hythe-9d3c").unwrap(),
        client: GitHubClientId::new("Iv1.0123456789abcdef").unwrap(),
        owner: GitHubAccount::new("octo-org").unwrap(),
    };
    GitHubEvent::Made { id: hook(), made: Box::new(made), at: at() }
}

fn place() -> BackupPlace {
    BackupPlace::new("s3://bucket/prefix?endpoint=https://s3.example&region=eu-1").unwrap()
}

fn recipient() -> BackupRecipient {
    BackupRecipient::new(format!("age1{}", "q".repeat(58))).unwrap()
}
