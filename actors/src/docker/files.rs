//! Files that hold values of an app's variables, put into a container before it starts.
//!
//! Invariants: a value is on its way as an archive in memory, from the sealed box to the engine, and in no
//! file of Hythe's. What is put there twice is there once.

use bollard::query_parameters::UploadToContainerOptionsBuilder;
use hythe_core::inside::Inside;
use hythe_core::names::EnvName;
use hythe_store::steps::Step;
use zeroize::Zeroizing;

use super::{Engine, EngineError};

/// The folder that secrets are in where nothing else is said. Others are made by the engine.
const SECRETS: &str = "run/secrets/";

/// The files of a container as an archive; none where there are none. `value` says what a variable has.
///
/// # Errors
/// For people: which variable has no value.
pub(crate) fn archive<'v>(
    inside: &Inside,
    value: impl Fn(&EnvName) -> Option<&'v str>,
) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    if inside.files.is_empty() {
        return Ok(None);
    }
    let broken = |error: std::io::Error| format!("its files cannot be put together: {error}");
    let mut archive = tar::Builder::new(Vec::new());
    let folder =
        inside.files.keys().any(|path| path.as_str().trim_start_matches('/').starts_with(SECRETS));
    if folder {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive.append_data(&mut header, SECRETS, std::io::empty()).map_err(broken)?;
    }
    for (path, file) in &inside.files {
        let content = value(&file.variable).ok_or_else(|| {
            let name = &file.variable;
            format!(
                "the file {path} is to hold the variable {name}, which is not set: `hythe env set APP {name}=…`, \
                 and deploy again"
            )
        })?;
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(u32::from(file.mode));
        header.set_uid(u64::from(file.uid));
        header.set_gid(u64::from(file.gid));
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        let name = path.as_str().trim_start_matches('/');
        archive.append_data(&mut header, name, content.as_bytes()).map_err(broken)?;
    }
    archive.into_inner().map(Zeroizing::new).map(Some).map_err(broken)
}

impl Engine {
    /// Puts files into a container of ours that was not started yet.
    pub(crate) async fn fill(&self, id: &str, archive: &[u8]) -> Result<(), EngineError> {
        let options = UploadToContainerOptionsBuilder::default();
        let options = options.path("/").no_overwrite_dir_non_dir("true").build();
        let docker = self.docker().await?;
        let body = bollard::body_full(archive.to_vec().into());
        let put = docker.upload_to_container(id, Some(options), body);
        Step::ContainerFilled.take(put).await.map_err(|error| self.fault(&error))
    }
}

#[cfg(test)]
mod tests {
    use hythe_core::container::MountPath;
    use hythe_core::inside::{ContainerUser, ValueFile};
    use hythe_core::plan::ReplicaKey;

    use super::super::tests::{Place, assignment, exit_code, image};
    use super::*;

    /// Ends with the number of the first thing that is not so.
    const LOOKS: &str = "\
        [ \"$(cat /run/secrets/key)\" = s3cret ] || exit 11\n\
        [ \"$(stat -c %a:%u:%g /run/secrets/key)\" = 400:1000:1000 ] || exit 12\n\
        [ \"$(stat -c %a:%u /etc/app/conf.d/own.conf)\" = 444:0 ] || exit 13\n\
        [ \"$(stat -c %a /tmp)\" = 1777 ] || exit 14\n\
        echo more >> /etc/app/conf.d/own.conf 2>/dev/null && exit 15\n\
        cat /etc/app/conf.d/own.conf | grep -q 'a = 1' || exit 16\n";

    fn inside() -> Inside {
        let file = |path: &str, name: &str, mode, id| {
            let variable = EnvName::new(name).unwrap();
            (MountPath::new(path).unwrap(), ValueFile { variable, mode, uid: id, gid: id })
        };
        Inside {
            user: Some(ContainerUser::new("1000:1000").unwrap()),
            files: [
                file("/run/secrets/key", "SECRET", 0o400, 1000),
                file("/etc/app/conf.d/own.conf", "CONF", 0o444, 0),
            ]
            .into(),
            ..Inside::default()
        }
    }

    #[tokio::test]
    async fn values_are_files_of_the_container_whoever_died_before_it_started() {
        let place = Place::new();
        let (engine, owner) = (&place.engine, &place.owner);
        let mut wanted = assignment(image(engine, &["sh", "-c", LOOKS]).await, &[0]);
        wanted.run.inside = inside();
        let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
        let network = engine.ensure_network(owner, wanted.app).await.unwrap();
        let value =
            |name: &EnvName| Some(if name.as_str() == "SECRET" { "s3cret" } else { "a = 1" });
        let archive = archive(&wanted.run.inside, value).unwrap().unwrap();
        // Made, and never filled.
        engine.create(owner, &wanted, 0, &network, Vec::new()).await.unwrap();
        let id = engine.create(owner, &wanted, 0, &network, Vec::new()).await.unwrap();
        engine.fill(&id, &archive).await.unwrap();
        engine.fill(&id, &archive).await.unwrap();
        engine.start(owner, key).await.unwrap();
        let code = exit_code(engine, owner, key).await;
        assert_eq!(code, 0, "the number says what is not so");
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let refused = archive(&inside(), |_| None).unwrap_err();
        assert!(refused.contains("CONF") && refused.contains("hythe env set"), "{refused}");
        assert_eq!(archive(&Inside::default(), |_| None).unwrap(), None);
    }
}
