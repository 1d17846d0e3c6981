//! Where two views differ: what is rebuilt from a journal is to be what was kept.

use std::collections::BTreeMap;

use super::View;
use crate::ids::AppId;

impl View {
    /// Where it first differs from another, in words; none where they are the same.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        let Self { head, apps, names, deployments, workers, requests, installation, projects } =
            self;
        if *head != other.head {
            return Some(format!(
                "they are of the events {} and {}",
                (*head).min(other.head),
                (*head).max(other.head)
            ));
        }
        let app = |id: &AppId| {
            let name = |view: &Self| Some(view.apps.get(id)?.state.active()?.name.to_string());
            name(self).or_else(|| name(other)).map_or_else(String::new, |name| format!(" ({name})"))
        };
        differs(apps, &other.apps)
            .map(|id| format!("app {id}{}", app(&id)))
            .or_else(|| differs(names, &other.names).map(|name| format!("the name \"{name}\"")))
            .or_else(|| {
                differs(deployments, &other.deployments).map(|id| format!("deployment {id}"))
            })
            .or_else(|| differs(workers, &other.workers).map(|id| format!("worker {id}")))
            .or_else(|| {
                let request = differs(requests, &other.requests);
                request.map(|id| format!("the request of deployment {id}"))
            })
            .or_else(|| {
                (*installation != other.installation).then(|| "the installation itself".to_owned())
            })
            .or_else(|| differs(projects, &other.projects).map(|id| format!("project {id}")))
    }
}

/// The first key under which two maps do not say the same.
fn differs<K: Ord + Clone, V: PartialEq>(
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
) -> Option<K> {
    let missing = |(key, value): (&K, &V)| (other.get(key) != Some(value)).then(|| key.clone());
    let more = |key: &K| (!one.contains_key(key)).then(|| key.clone());
    let (missing, more) = (one.iter().find_map(missing), other.keys().find_map(more));
    missing.into_iter().chain(more).min()
}
