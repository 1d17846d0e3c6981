//! What containers are given besides their image, from what people send to the core's types and back.

use std::collections::BTreeMap;

use hythe_core::argv::Argv;
use hythe_core::container::{ContainerSettings, GroupMember, GroupPart, Mount, MountPath};
use hythe_core::ids::ProjectId;
use hythe_core::names::BadText;
use hythe_core::run::RunSettings;

use super::text;
use crate::api::dto::{AppGroup, UpdateApp, VolumeMount};
use crate::api::problem::Problem;

/// Takes over what is said. A group's project is an id here: whoever knows projects has looked.
pub(super) fn change(run: &mut RunSettings, change: &UpdateApp) -> Result<(), Problem> {
    let container = &mut run.container;
    if let Some(words) = &change.entrypoint {
        let bad = |bad: BadText| Problem::field("entrypoint", bad.to_string());
        container.entrypoint = words.clone().map(Argv::new).transpose().map_err(bad)?;
    }
    if let Some(volumes) = &change.volumes {
        let one = |(path, mount): (&String, &VolumeMount)| {
            let VolumeMount { volume, read_only } = mount;
            let field = format!("volumes.{path}.volume");
            let path: MountPath = text("volumes", path)?;
            Ok((path, Mount { volume: text(&field, volume)?, read_only: *read_only }))
        };
        container.volumes = volumes.iter().map(one).collect::<Result<_, Problem>>()?;
    }
    if let Some(routed) = change.routed {
        container.unrouted = !routed;
    }
    match &change.group {
        None => {}
        Some(None) => {
            container.group = None;
            run.part = GroupPart::default();
        }
        Some(Some(AppGroup { project, service, content, names, once })) => {
            let project = project.parse::<ProjectId>().map_err(|_not_an_id| {
                Problem::field("group.project", "there is no project of this name or id")
            })?;
            let content = content.as_deref().map(|id| text("group.content", id)).transpose()?;
            let service = text("group.service", service)?;
            container.group = Some(GroupMember { project, service, content });
            let names = names.iter().map(|name| text("group.names", name));
            let names = names.collect::<Result<_, Problem>>()?;
            run.part = GroupPart { names, once: *once };
        }
    }
    Ok(())
}

/// Volumes as people see them.
pub(in crate::api) fn volumes(container: &ContainerSettings) -> BTreeMap<String, VolumeMount> {
    let one = |(path, Mount { volume, read_only }): (&MountPath, &Mount)| {
        let shown = VolumeMount { volume: volume.to_string(), read_only: *read_only };
        (path.to_string(), shown)
    };
    container.volumes.iter().map(one).collect()
}

/// A group as people see it.
pub(in crate::api) fn group(run: &RunSettings) -> Option<AppGroup> {
    let GroupMember { project, service, content } = run.container.group.as_ref()?;
    let GroupPart { names, once } = &run.part;
    Some(AppGroup {
        project: project.to_string(),
        service: service.to_string(),
        content: content.as_ref().map(ToString::to_string),
        names: names.iter().map(ToString::to_string).collect(),
        once: *once,
    })
}
