//! How containers are within, from what people send to the core's types and back.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hythe_core::container::MountPath;
use hythe_core::inside::{Inside, Tmpfs, Ulimit, UlimitName};
use hythe_core::names::HostName;

use super::text;
use crate::api::dto::{ContainerInside, MemoryFolder, ProcessLimit};
use crate::api::problem::Problem;

/// What is said, checked.
pub(super) fn read(said: &ContainerInside) -> Result<Inside, Problem> {
    let ContainerInside {
        user,
        working_dir,
        read_only,
        tmpfs,
        stop_signal,
        shm_bytes,
        ulimits,
        hostname,
        hosts,
    } = said;
    Ok(Inside {
        user: user.as_deref().map(|user| text("inside.user", user)).transpose()?,
        working_dir: working_dir.as_deref().map(|path| text("inside.working_dir", path)).transpose()?,
        read_only: *read_only,
        tmpfs: tmpfs.iter().map(folder).collect::<Result<_, Problem>>()?,
        stop_signal: stop_signal.as_deref().map(|name| text("inside.stop_signal", name)).transpose()?,
        shm_bytes: *shm_bytes,
        ulimits: ulimits.iter().map(limit).collect::<Result<_, Problem>>()?,
        hostname: hostname.as_deref().map(|name| text("inside.hostname", name)).transpose()?,
        hosts: hosts.iter().map(host).collect::<Result<_, Problem>>()?,
    })
}

fn folder((path, folder): (&String, &MemoryFolder)) -> Result<(MountPath, Tmpfs), Problem> {
    let MemoryFolder { size_bytes, mode } = folder;
    let octal = |digits: &String| {
        u16::from_str_radix(digits, 8).map_err(|_no_number| {
            let field = format!("inside.tmpfs.{path}.mode");
            Problem::field(field, "is in octal digits, such as 1777 or 700")
        })
    };
    let mode = mode.as_ref().map(octal).transpose()?;
    Ok((text("inside.tmpfs", path)?, Tmpfs { size_bytes: *size_bytes, mode }))
}

fn limit((name, limit): (&String, &ProcessLimit)) -> Result<(UlimitName, Ulimit), Problem> {
    let ProcessLimit { soft, hard } = limit;
    let name = name.parse::<UlimitName>();
    let name = name.map_err(|why| Problem::field("inside.ulimits", format!("its name {why}")))?;
    Ok((name, Ulimit { soft: *soft, hard: *hard }))
}

fn host((name, address): (&String, &String)) -> Result<(HostName, IpAddr), Problem> {
    let found = address.parse::<IpAddr>().map_err(|_no_address| {
        let field = format!("inside.hosts.{name}");
        Problem::field(field, "is an address such as 10.0.0.7")
    })?;
    Ok((text("inside.hosts", name)?, found))
}

/// How containers are within, as people see it; none where it is as the image says.
pub(in crate::api) fn shown(inside: &Inside) -> Option<ContainerInside> {
    if inside.is_usual() {
        return None;
    }
    let Inside {
        user,
        working_dir,
        read_only,
        tmpfs,
        stop_signal,
        shm_bytes,
        ulimits,
        hostname,
        hosts,
    } = inside;
    let folder = |(path, tmpfs): (&MountPath, &Tmpfs)| {
        let mode = tmpfs.mode.map(|mode| format!("{mode:o}"));
        (path.to_string(), MemoryFolder { size_bytes: tmpfs.size_bytes, mode })
    };
    let limit = |(name, limit): (&UlimitName, &Ulimit)| {
        (name.to_string(), ProcessLimit { soft: limit.soft, hard: limit.hard })
    };
    let host = |(name, address): (&HostName, &IpAddr)| (name.to_string(), address.to_string());
    Some(ContainerInside {
        user: user.as_ref().map(ToString::to_string),
        working_dir: working_dir.as_ref().map(ToString::to_string),
        read_only: *read_only,
        tmpfs: tmpfs.iter().map(folder).collect(),
        stop_signal: stop_signal.as_ref().map(ToString::to_string),
        shm_bytes: *shm_bytes,
        ulimits: ulimits.iter().map(limit).collect(),
        hostname: hostname.as_ref().map(ToString::to_string),
        hosts: hosts.iter().map(host).collect::<BTreeMap<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_sent_again() {
        let said = serde_json::json!({
            "user": "1000", "working_dir": "/srv", "read_only": true,
            "tmpfs": {"/tmp": {"size_bytes": 65536, "mode": "1777"}, "/run": {}},
            "stop_signal": "SIGINT", "shm_bytes": 65536, "hostname": "db",
            "ulimits": {"nofile": {"soft": 1, "hard": 2}, "core": {"soft": 0, "hard": null}},
            "hosts": {"old": "10.0.0.7"},
        });
        let said: ContainerInside = serde_json::from_value(said).unwrap();
        let inside = read(&said).unwrap();
        assert_eq!(inside.check(&BTreeMap::new()), Ok(()));
        assert_eq!(shown(&inside), Some(said));
        assert_eq!(shown(&Inside::default()), None);
    }

    #[test]
    fn what_is_none_is_named() {
        for (said, field) in [
            (serde_json::json!({"user": "a b"}), "inside.user"),
            (serde_json::json!({"tmpfs": {"tmp": {}}}), "inside.tmpfs"),
            (serde_json::json!({"tmpfs": {"/tmp": {"mode": "9"}}}), "inside.tmpfs./tmp.mode"),
            (serde_json::json!({"ulimits": {"nice": {}}}), "inside.ulimits"),
            (serde_json::json!({"hosts": {"a": "b"}}), "inside.hosts.a"),
        ] {
            let said: ContainerInside = serde_json::from_value(said).unwrap();
            let refused = format!("{:?}", read(&said).unwrap_err());
            assert!(refused.contains(field), "{refused}");
        }
    }
}
