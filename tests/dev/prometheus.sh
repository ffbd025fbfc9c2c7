# Sourced by ./dev: promtool and prometheus, which judge the metrics and the alerts. Only the programs, unpacked into
# build/prometheus: installing the package would start a server on the machine.
# shellcheck shell=bash

readonly PROMETHEUS=$BUILD/prometheus

prometheus_unpack() {
    say "unpacking prometheus into build/prometheus"
    rm -rf "$PROMETHEUS"
    mkdir -p "$PROMETHEUS"
    apt_get update
    (cd "$PROMETHEUS" && apt-get -qq -o APT::Sandbox::User= download prometheus) || die "apt-get cannot download prometheus"
    dpkg-deb --extract "$PROMETHEUS"/prometheus_*.deb "$PROMETHEUS" || die "prometheus cannot be unpacked"
}

# need_prometheus: afterwards both are on the PATH or in build/prometheus (tests/edge/prometheus looks there first).
need_prometheus() {
    command -v promtool >/dev/null || [ -x "$PROMETHEUS/usr/bin/promtool" ] || prometheus_unpack
}
