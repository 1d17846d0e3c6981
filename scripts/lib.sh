# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: where things lie, talking to the user, packages, waiting.
# To be sourced by bash with `set -eu`; it does nothing by itself.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Everything these scripts make lies here, and git ignores it.
STATE=${HYTHE_STATE:-$ROOT/.hythe}
TOOLS=$STATE/tools
CACHE=$STATE/cache
export PATH="$TOOLS/bin:$PATH"

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

# pid_of FILE [COMM]: prints the pid in FILE if it lives (as a process of that name); a number that
# was given to another program since then is not ours.
pid_of() {
    local pid
    [ -r "$1" ] || return 1
    pid=$(tr -cd '0-9' <"$1")
    [ -n "$pid" ] && [ -r "/proc/$pid/comm" ] || return 1
    case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) in
        Z | X | '') return 1 ;;
    esac
    [ $# -lt 2 ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 1
    printf '%s\n' "$pid"
}

gone() { ! pid_alive "$1"; }
pid_alive() {
    case $(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) in
        Z | X | '') return 1 ;;
    esac
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

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=180 "$@"
}
