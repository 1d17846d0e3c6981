//! The keys of a service, and why those are not taken that are not.

/// The keys that are known.
pub(super) const KEYS: [&str; 38] = [
    "build",
    "image",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "expose",
    "volumes",
    "depends_on",
    "healthcheck",
    "restart",
    "deploy",
    "labels",
    "networks",
    "network_mode",
    "profiles",
    "secrets",
    "configs",
    "extends",
    "scale",
    "cpus",
    "mem_limit",
    "pids_limit",
    "stop_grace_period",
    "container_name",
    "hostname",
    "user",
    "working_dir",
    "privileged",
    "links",
    "tmpfs",
    "read_only",
    "stop_signal",
    "shm_size",
    "ulimits",
    "extra_hosts",
    "init",
];

/// Why a key of the specification is not taken.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    Some(match name {
        "networks" => "all services of a project share one network, under their names in this file",
        "network_mode" => "no container is on the machine's own network or on that of another one",
        "container_name" | "domainname" => "other services reach it by its name in this file",
        "links" | "external_links" | "dns" | "dns_search" | "dns_opt" => {
            "services of a project find one another by their names, and nothing else is set there"
        }
        "privileged"
        | "cap_add"
        | "cap_drop"
        | "security_opt"
        | "devices"
        | "device_cgroup_rules"
        | "userns_mode"
        | "ipc"
        | "pid"
        | "uts"
        | "cgroup"
        | "cgroup_parent"
        | "group_add"
        | "runtime"
        | "gpus"
        | "credential_spec"
        | "isolation"
        | "sysctls"
        | "storage_opt" => "what a container may do to its machine is the same for all, and little",
        "volumes_from" | "volume_driver" => {
            "of volumes there are the named ones; what is written elsewhere goes with the container"
        }
        "logging" | "log_driver" | "log_opt" => "what it writes is read by `hythe logs`",
        "tty" | "stdin_open" | "attach" => "nobody is at its input; see `hythe run`",
        "init" => "an init process is always there",
        "pull_policy" => "an image is pulled when it is deployed",
        "platform" => "it runs on what your workers are",
        "develop" => "files of this machine are not watched",
        "oom_kill_disable" | "oom_score_adj" | "mem_reservation" | "mem_swappiness"
        | "memswap_limit" | "cpu_count" | "cpu_percent" | "cpu_shares" | "cpu_period"
        | "cpu_quota" | "cpu_rt_runtime" | "cpu_rt_period" | "cpuset" | "blkio_config" => {
            "of limits there are memory, cpus and pids, under deploy.resources.limits"
        }
        "annotations" | "label_file" => "labels on containers are Hythe's own",
        "post_start" | "pre_stop" | "provider" | "models" | "use_api_socket" | "mac_address" => {
            "there is nothing here that it would set"
        }
        _ => return None,
    })
}
