# Sourced by ./dev: installing Debian packages. Idempotent, and silent when nothing is missing.
# shellcheck shell=bash

say() {
    printf '\033[1m== %s\033[0m\n' "$*" >&2
}

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root, or sudo, for: $*"
    fi
}

package_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_get() {
    local log=$BUILD/apt.log
    mkdir -p "$BUILD"
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "apt-get $1 failed; all of it is in $log"
    fi
}

apt_install() {
    say "installing $*"
    apt_get update
    apt_get install --yes --no-install-recommends "$@"
}

# need_packages PACKAGE...: installs those that are missing, and asks for nothing when none is.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || return 0 # not Debian: whoever set the machine up knows better
    for package in "$@"; do
        package_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}
