# Sourced by ./dev: testssl.sh with its rating, which Debian 12's 3.0 does not have: from the system where that is new
# enough, else Debian's own newer package (one script and its tables), unpacked into build/testssl.
# shellcheck shell=bash

readonly TESTSSL=$BUILD/testssl
readonly TESTSSL_MINIMUM=3.2
readonly TESTSSL_SUITE=trixie

testssl_new_enough() {
    local version
    version=$(dpkg-query --show --showformat='${Version}' testssl.sh 2>/dev/null) &&
        dpkg --compare-versions "$version" ge "$TESTSSL_MINIMUM"
}

# With a private list: the system's own sources stay as they are.
testssl_unpack() {
    local mirror apt=$TESTSSL/apt options
    say "unpacking testssl.sh from Debian $TESTSSL_SUITE into build/testssl"
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || die "apt names no Debian mirror to fetch testssl.sh from"
    rm -rf "$TESTSSL"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg "$mirror" "$TESTSSL_SUITE" \
        >"$apt/sources.list"
    options=(
        -qq -o Acquire::Retries=3 -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=-
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=
    )
    (apt-get "${options[@]}" update && cd "$apt" && apt-get "${options[@]}" download testssl.sh) ||
        die "apt-get cannot download testssl.sh"
    dpkg-deb --extract "$apt"/testssl.sh_*.deb "$TESTSSL" || die "testssl.sh cannot be unpacked"
    rm -rf "$apt"
}

# need_testssl: afterwards `testssl` is one that rates, or there is such a one in build/testssl (tests/edge/testssl looks
# there first).
need_testssl() {
    need_packages bsdextrautils dnsutils openssl procps
    testssl_new_enough || [ -x "$TESTSSL/usr/bin/testssl" ] || testssl_unpack
}
