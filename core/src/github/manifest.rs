//! What an App is to be, as GitHub reads it from a form that a browser sends there.

use serde_json::{Value, json};

use super::{GitHubBegun, hook_path};
use crate::ids::HookId;

/// The page of ours that sends the manifest.
pub const START: &str = "/github-app/new";
/// The page of ours that GitHub sends the browser back to.
pub const RETURN: &str = "/github-app/created";

/// Where the browser sends it, without what it has to bring back.
#[must_use]
pub fn form(begun: &GitHubBegun) -> String {
    let server = &begun.server;
    match &begun.organization {
        Some(organization) => format!("{server}/organizations/{organization}/settings/apps/new"),
        None => format!("{server}/settings/apps/new"),
    }
}

/// The manifest: what the App may do, what it is told of, and where it is told. It may do no more than
/// Hythe has a use for, and nobody else can install it.
#[must_use]
pub fn manifest(id: HookId, begun: &GitHubBegun) -> Value {
    let address = &begun.address;
    json!({
        "name": begun.name.as_str(),
        "url": address.as_str(),
        "description": "Deploys what is pushed here, and says how that went.",
        "hook_attributes": {"url": format!("{address}{}", hook_path(id)), "active": true},
        "redirect_url": format!("{address}{RETURN}"),
        "public": false,
        "default_permissions": {
            "contents": "read",
            "deployments": "write",
            "metadata": "read",
            "pull_requests": "write",
            "statuses": "write",
        },
        // Where it is installed it is told without being asked; pushes are those of tags, too.
        "default_events": ["pull_request", "push"],
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::github::{GitHubAccount, GitHubAppName, GitHubServer, Purpose};
    use crate::hook::PublicAddress;
    use crate::time::Timestamp;

    fn begun(organization: Option<&str>) -> GitHubBegun {
        GitHubBegun {
            server: GitHubServer::dot_com(),
            organization: organization.map(|name| GitHubAccount::new(name).unwrap()),
            name: GitHubAppName::new("hythe-one").unwrap(),
            address: PublicAddress::new("https://hythe.example").unwrap(),
            state: [7; 32],
            at: Timestamp(1),
            until: Timestamp(2),
        }
    }

    #[test]
    fn the_manifest_says_what_the_app_may_do_and_no_more() {
        let id = HookId::new(Uuid::nil());
        let manifest = manifest(id, &begun(None));
        assert_eq!(
            manifest["hook_attributes"]["url"],
            format!("https://hythe.example{}", hook_path(id))
        );
        assert_eq!(manifest["redirect_url"], "https://hythe.example/github-app/created");
        assert_eq!(manifest["public"], false);
        let given = manifest["default_permissions"].as_object().unwrap();
        let purposes = [
            Purpose::Fetch,
            Purpose::List,
            Purpose::Statuses,
            Purpose::Deployments,
            Purpose::Comments,
        ];
        let mut needed: Vec<(&str, &str)> =
            purposes.iter().flat_map(|purpose| purpose.permissions()).copied().collect();
        needed.sort_unstable();
        needed.dedup();
        let given: Vec<(&str, &str)> =
            given.iter().map(|(name, may)| (name.as_str(), may.as_str().unwrap())).collect();
        assert_eq!(given, needed, "all that tokens are borrowed for, and nothing else");
        assert!(!manifest.to_string().contains("state"));
    }

    #[test]
    fn the_form_goes_to_whoever_is_to_own_it() {
        assert_eq!(form(&begun(None)), "https://github.com/settings/apps/new");
        let org = "https://github.com/organizations/octo/settings/apps/new";
        assert_eq!(form(&begun(Some("octo"))), org);
    }
}
