//! How a container is within, in the engine's words. It only adds to what every container is given: no
//! capability, device or folder of the machine comes with any of it.

use std::collections::HashMap;

use bollard::models::{HostConfig, ResourcesUlimits};
use hythe_core::inside::{Inside, Tmpfs, Ulimit};
use hythe_core::source::Resources;

/// The settings of a container's host with what its app says of it.
pub(super) fn host(host: HostConfig, inside: &Inside, resources: &Resources) -> HostConfig {
    let folders = inside.tmpfs.iter().map(|(path, tmpfs)| {
        let Tmpfs { size_bytes, mode } = tmpfs;
        // Without a size the engine gives it half of the machine's memory.
        let size = size_bytes.unwrap_or(resources.memory_bytes);
        let mode = mode.unwrap_or(Tmpfs::MODE);
        (path.to_string(), format!("rw,nosuid,nodev,noexec,size={size},mode={mode:o}"))
    });
    let folders: HashMap<String, String> = folders.collect();
    let limits = inside.ulimits.iter().map(|(name, Ulimit { soft, hard })| ResourcesUlimits {
        name: Some(name.to_string()),
        soft: Some(limit(*soft)),
        hard: Some(limit(*hard)),
    });
    let limits: Vec<ResourcesUlimits> = limits.collect();
    let hosts = inside.hosts.iter().map(|(name, address)| format!("{name}:{address}"));
    let hosts: Vec<String> = hosts.collect();
    HostConfig {
        readonly_rootfs: Some(inside.read_only),
        tmpfs: (!folders.is_empty()).then_some(folders),
        shm_size: inside.shm_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        ulimits: (!limits.is_empty()).then_some(limits),
        extra_hosts: (!hosts.is_empty()).then_some(hosts),
        ..host
    }
}

/// As engines count: less than nothing is no limit.
fn limit(most: Option<u64>) -> i64 {
    most.map_or(-1, |most| i64::try_from(most).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use hythe_core::container::MountPath;
    use hythe_core::inside::{ContainerHost, ContainerUser, UlimitName};
    use hythe_core::names::HostName;
    use hythe_core::plan::ReplicaKey;

    use super::super::tests::{Place, assignment, exit_code, image};
    use super::*;

    /// Ends with the number of the first thing that is not so.
    const LOOKS: &str = "\
        [ \"$(id -u):$(id -g)\" = 1000:1000 ] || exit 11\n\
        [ \"$(pwd)\" = /srv/app ] || exit 12\n\
        grep ' / ' /proc/mounts | grep -q ' ro,' || exit 13\n\
        touch /tmp/x || exit 14\n\
        touch /mine/x 2>/dev/null && exit 15\n\
        grep ' /tmp tmpfs ' /proc/mounts | grep noexec | grep nosuid | grep -q size=64k || exit 16\n\
        [ \"$(ulimit -n)\" = 512 ] || exit 17\n\
        [ \"$(hostname)\" = db ] || exit 18\n\
        grep -q '10.0.0.7.*legacy.example' /etc/hosts || exit 19\n\
        grep ' /dev/shm ' /proc/mounts | grep -q size=128k || exit 20\n\
        [ \"$(grep CapEff /proc/self/status | tr -d '[:space:]')\" = CapEff:0000000000000000 ] || exit 21\n";

    #[tokio::test]
    async fn what_is_said_of_how_a_container_is_within_holds_in_it() {
        let place = Place::new();
        let (engine, owner) = (&place.engine, &place.owner);
        let mut wanted = assignment(image(engine, &["sh", "-c", LOOKS]).await, &[0]);
        let folder = |path: &str| MountPath::new(path).unwrap();
        let small = Tmpfs { size_bytes: Some(64 << 10), mode: None };
        let mine = Tmpfs { mode: Some(0o700), ..small };
        let files = Ulimit { soft: Some(512), hard: Some(1024) };
        let legacy = (HostName::new("legacy.example").unwrap(), "10.0.0.7".parse().unwrap());
        wanted.run.inside = Inside {
            user: Some(ContainerUser::new("1000:1000").unwrap()),
            working_dir: Some(folder("/srv/app")),
            read_only: true,
            tmpfs: [(folder("/tmp"), small), (folder("/mine"), mine)].into(),
            stop_signal: None,
            shm_bytes: Some(128 << 10),
            ulimits: [(UlimitName::Nofile, files)].into(),
            hostname: Some(ContainerHost::new("db").unwrap()),
            hosts: [legacy].into(),
            files: std::collections::BTreeMap::new(),
        };
        let key = ReplicaKey { deployment: wanted.deployment, index: 0 };
        let network = engine.ensure_network(owner, wanted.app).await.unwrap();
        engine.create(owner, &wanted, 0, &network, Vec::new()).await.unwrap();
        engine.start(owner, key).await.unwrap();
        let code = exit_code(engine, owner, key).await;
        assert_eq!(code, 0, "the number says what is not so");
    }
}
