//! How containers are within, from what people send to the core's types and back.

use std::net::IpAddr;

use hythe_core::container::MountPath;
use hythe_core::inside::{Inside, Tmpfs, Ulimit, UlimitName, ValueFile};
use hythe_core::names::HostName;

use super::text;
use crate::api::dto::{self, ContainerInside, MemoryFolder, ProcessLimit};
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
        files,
    } = said;
    Ok(Inside {
        user: user.as_deref().map(|user| text("inside.user", user)).transpose()?,
        working_dir: working_dir
            .as_deref()
            .map(|path| text("inside.working_dir", path))
            .transpose()?,
        read_only: *read_only,
        tmpfs: tmpfs.iter().map(folder).collect::<Result<_, Problem>>()?,
        stop_signal: stop_signal
            .as_deref()
            .map(|name| text("inside.stop_signal", name))
            .transpose()?,
        shm_bytes: *shm_bytes,
        ulimits: ulimits.iter().map(limit).collect::<Result<_, Problem>>()?,
        hostname: hostname.as_deref().map(|name| text("inside.hostname", name)).transpose()?,
        hosts: hosts.iter().map(host).collect::<Result<_, Problem>>()?,
        files: files.iter().map(file).collect::<Result<_, Problem>>()?,
    })
}

fn folder((path, folder): (&String, &MemoryFolder)) -> Result<(MountPath, Tmpfs), Problem> {
    let MemoryFolder { size_bytes, mode } = folder;
    let mode = mode.as_deref().map(|digits| octal(&format!("inside.tmpfs.{path}.mode"), digits));
    let mode = mode.transpose()?;
    Ok((text("inside.tmpfs", path)?, Tmpfs { size_bytes: *size_bytes, mode }))
}

fn file((path, file): (&String, &dto::ValueFile)) -> Result<(MountPath, ValueFile), Problem> {
    let dto::ValueFile { variable, mode, uid, gid } = file;
    let field = |name: &str| format!("inside.files.{path}.{name}");
    let mode = mode.as_deref().map(|digits| octal(&field("mode"), digits)).transpose()?;
    let variable = text(&field("variable"), variable)?;
    let mode = mode.unwrap_or(ValueFile::MODE);
    Ok((text("inside.files", path)?, ValueFile { variable, mode, uid: *uid, gid: *gid }))
}

fn octal(field: &str, digits: &str) -> Result<u16, Problem> {
    u16::from_str_radix(digits, 8)
        .map_err(|_no_number| Problem::field(field, "is in octal digits, such as 1777, 700 or 444"))
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
        files,
    } = inside;
    let folder = |(path, tmpfs): (&MountPath, &Tmpfs)| {
        let mode = tmpfs.mode.map(|mode| format!("{mode:o}"));
        (path.to_string(), MemoryFolder { size_bytes: tmpfs.size_bytes, mode })
    };
    let limit = |(name, limit): (&UlimitName, &Ulimit)| {
        (name.to_string(), ProcessLimit { soft: limit.soft, hard: limit.hard })
    };
    let file = |(path, file): (&MountPath, &ValueFile)| {
        let ValueFile { variable, mode, uid, gid } = file;
        let (variable, mode) = (variable.to_string(), Some(format!("{mode:o}")));
        (path.to_string(), dto::ValueFile { variable, mode, uid: *uid, gid: *gid })
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
        hosts: hosts.iter().map(host).collect(),
        files: files.iter().map(file).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        let said = serde_json::json!({"files": {"/run/a": {"variable": "A", "mode": "400", "uid": 7, "gid": 0}}});
        let said: ContainerInside = serde_json::from_value(said).unwrap();
        assert_eq!(shown(&read(&said).unwrap()), Some(said));
        assert_eq!(shown(&Inside::default()), None);
    }

    #[test]
    fn what_is_none_is_named() {
        for (said, field) in [
            (serde_json::json!({"user": "a b"}), "inside.user"),
            (serde_json::json!({"tmpfs": {"tmp": {}}}), "inside.tmpfs"),
            (serde_json::json!({"tmpfs": {"/tmp": {"mode": "9"}}}), "inside.tmpfs./tmp.mode"),
            (serde_json::json!({"files": {"/a": {"variable": "a b"}}}), "inside.files./a.variable"),
            (serde_json::json!({"ulimits": {"nice": {}}}), "inside.ulimits"),
            (serde_json::json!({"hosts": {"a": "b"}}), "inside.hosts.a"),
        ] {
            let said: ContainerInside = serde_json::from_value(said).unwrap();
            let refused = format!("{:?}", read(&said).unwrap_err());
            assert!(refused.contains(field), "{refused}");
        }
    }
}
