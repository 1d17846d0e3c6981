# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: where things lie, talking to the user, packages, waiting.
# To be sourced by bash with `set -eu`; it does nothing by itself.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Everything these scripts make lies here, and git ignores it.
STATE=$(realpath -m "${HYTHE_STATE:-$ROOT/.hythe}")
TOOLS=$STATE/tools
CACHE=$STATE/cache
DATA=$STATE/data
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
# Where the Hythe of `make up` listens.
GATEWAY=${GATEWAY:-127.0.0.1:7070}
EDGE_HTTP=${EDGE_HTTP:-127.0.0.1:8080}
# dockerd and iptables lie where an ordinary user's PATH does not look.
export PATH="$TOOLS/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }
note() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

# wait_until SECONDS COMMAND...: true as soon as the command is, false after that many seconds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# The process of this pid runs (and is not just waiting to be collected).
pid_alive() {
    case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
        Z | X | '') return 1 ;;
    esac
}
gone() { ! pid_alive "$1"; }

# pid_of FILE [NAME]: prints the pid in FILE if it lives as a process of that name (a pattern); a
# number which was given to another program since then is nobody's business.
pid_of() {
    local pid comm
    [ -r "$1" ] || return 1
    pid=$(grep -oE '[0-9]+' "$1" | head -n 1) || return 1
    [ -n "$pid" ] && pid_alive "$pid" || return 1
    comm=$(cat "/proc/$pid/comm" 2>/dev/null) || return 1
    # shellcheck disable=SC2053
    [ $# -lt 2 ] || [[ $comm == $2 ]] || return 1
    printf '%s\n' "$pid"
}

# send SIGNAL PID: root is only asked for where the process is somebody else's. In a shell of its own,
# so that whoever cannot become root goes on with the rest.
send() {
    pid_alive "$2" || return 0
    kill "-$1" "$2" 2>/dev/null || (as_root kill "-$1" "$2") || true
}

# end_process PID SECONDS: asks it to end, and after that many seconds does not ask.
end_process() {
    send TERM "$1"
    wait_until "$2" gone "$1" && return 0
    warn "process $1 did not end within $2 s of SIGTERM: killing it"
    send KILL "$1"
    wait_until 5 gone "$1" || warn "process $1 does not go away"
}

# apt_install PACKAGE...: installs those that are not there; the package lists are only fetched
# when what is known is missing or too old.
apt_install() {
    local package missing=()
    have dpkg-query || die "these are needed, and this is no Debian or Ubuntu: $*"
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) missing+=("$package") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    note "installing ${missing[*]}"
    apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
    apt_get update -qq || warn "the package lists could not be fetched"
    apt_get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        die "could not install ${missing[*]}"
}

# apt_install_stopped SERVICE PACKAGE...: the same for packages of which only the programs are wanted:
# their service is neither started now nor at the next boot.
apt_install_stopped() {
    local service=$1 policy=/usr/sbin/policy-rc.d ours=0
    shift
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        ours=1
    fi
    # In a shell of its own, so that what is in the way of services goes also where this fails.
    (
        [ "$ours" -eq 0 ] || trap 'as_root rm -f "$policy"' EXIT
        apt_install "$@"
    ) || exit
    ! have systemctl || as_root systemctl disable --quiet "$service" 2>/dev/null || true
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=180 "$@"
}

# at_least LEAST VERSION: whether the version is that one or a newer one.
at_least() { printf '%s\n' "$1" "$2" | sort -VC; }

# need_toolchain: what only the user can install, in a version that will do. What distributions have is
# often older, and fails much later with words that help nobody.
need_toolchain() {
    local least version
    have cargo || die "a Rust toolchain is needed: cargo is not on PATH (https://rustup.rs)"
    least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    version=$(cargo --version 2>/dev/null | awk '{ print $2 }')
    at_least "$least" "$version" ||
        die "Rust $least or newer is needed, and cargo is ${version:-of no version} (https://rustup.rs)"
    # What links, and compiles the C that a few libraries bring.
    have cc || apt_install gcc libc6-dev
    have git || apt_install git
    have curl || apt_install curl
    [ ! -e "$ROOT/web/package.json" ] || need_node
}

need_node() {
    local least version
    have npm || die "Node is needed: npm is not on PATH (https://nodejs.org)"
    least=$(sed -n 's/^ *"node": ">=\(.*\)".*/\1/p' "$ROOT/web/package.json")
    version=$(node --version 2>/dev/null || true)
    at_least "$least" "${version#v}" ||
        die "Node $least or newer is needed, and node is ${version:-not there} (https://nodejs.org)"
}

# need_own: what lies here is this user's; where it was made by root, all that follows would fail halfway.
need_own() {
    local path
    for path in "$STATE" "$DATA"; do
        if [ -e "$path" ] && { [ ! -r "$path" ] || [ ! -w "$path" ]; }; then
            die "$path belongs to $(stat -c %U "$path"): run this as that user (sudo -E make …)"
        fi
    done
}

# use_engine: Hythe looks where DOCKER_HOST says; the docker client also knows contexts.
use_engine() {
    local host
    [ -z "${DOCKER_HOST:-}" ] && have docker || return 0
    host=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || return 0
    case $host in
        '' | unix:///var/run/docker.sock) ;;
        *) export DOCKER_HOST="$host" ;;
    esac
}

# timed NAME COMMAND...: runs it as a part of its own which ends at its first error; remembers how
# long it took for `print_timings`, and how it ended in RESULT. To be called as a plain command:
# bash forgets `set -e` for all that is called within a condition.
TIMINGS=()
RESULT=0
timed() {
    local name=$1 started=$SECONDS mark=
    shift
    note "$name"
    set +e
    (
        set -e
        "$@"
    )
    RESULT=$?
    set -e
    [ "$RESULT" -eq 0 ] || mark='  FAILED'
    TIMINGS+=("$(printf '%-34s %5d s%s' "$name" $((SECONDS - started)) "$mark")")
}
# must NAME COMMAND...: the same, and the end of everything if it fails.
must() {
    timed "$@"
    [ "$RESULT" -eq 0 ] || exit "$RESULT"
}
# part NAME COMMAND...: the same, and the next part comes even if it fails.
FAILED=()
part() {
    timed "$@"
    [ "$RESULT" -eq 0 ] || FAILED+=("$1")
}
# The end of a script made of parts.
finish() {
    print_timings
    [ ${#FAILED[@]} -eq 0 ] || die "failed: $(printf "%s, " "${FAILED[@]}" | sed "s/, $//")"
}
print_timings() {
    [ ${#TIMINGS[@]} -eq 0 ] || printf '    %s\n' "${TIMINGS[@]}"
    printf '    %-34s %5d s\n' "all of it" "$SECONDS"
}
