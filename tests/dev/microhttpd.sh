# Sourced by ./dev: libmicrohttpd, from the system where that is new enough, else built into build/deps from Debian's
# own newer source package (about 20 seconds, once).
# shellcheck shell=bash

# Debian 12's libmicrohttpd 0.9.75 lets requests be smuggled; 1.0.1 is Debian 13's.
readonly MICROHTTPD_MINIMUM=1.0.1
readonly MICROHTTPD_SUITE=trixie
readonly MICROHTTPD_BUILD_PACKAGES=(dpkg-dev patch xz-utils)
readonly MICROHTTPD_CFLAGS="-O2 -g -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2 -Wformat -Werror=format-security"
readonly MICROHTTPD_CONFIGURE=(
    --disable-shared --enable-static --with-pic --enable-epoll=yes
    --disable-https --disable-curl --disable-doc --disable-examples --disable-tools
    --disable-postprocessor --disable-bauth --disable-dauth --disable-cookie
    --disable-dependency-tracking --enable-silent-rules
)

microhttpd_found() {
    pkg-config --atleast-version="$MICROHTTPD_MINIMUM" libmicrohttpd
}

microhttpd_in_apt() {
    local candidate
    candidate=$(apt-cache policy libmicrohttpd-dev 2>/dev/null | awk '$1 == "Candidate:" {print $2}')
    [ -n "$candidate" ] && dpkg --compare-versions "$candidate" ge "$MICROHTTPD_MINIMUM"
}

# The recipe's fingerprint: another recipe, compiler or checkout directory builds again.
microhttpd_recipe() {
    printf '%s\n' "$DEPS" "$MICROHTTPD_MINIMUM" "$MICROHTTPD_CFLAGS" "${MICROHTTPD_CONFIGURE[@]}" "$(gcc --version)" |
        sha256sum
}

microhttpd_cached() {
    [ "$(microhttpd_recipe)" = "$(cat "$DEPS/recipe" 2>/dev/null)" ]
}

# The system's own Debian mirror, however its sources are written (deb822 or one line): apt itself says.
debian_mirror() {
    local format="\$(CODENAME) \$(REPO_URI)" codename
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    apt-get indextargets --format "$format" 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        awk -v codename="$codename" '$1 == codename {print $2; exit}'
}

# Fetches the source package with a private list: the system's own sources stay as they are.
microhttpd_fetch() {
    local mirror apt=$DEPS/apt options
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || die "apt names no Debian mirror to fetch libmicrohttpd's source package from"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    printf 'deb-src [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
        "$mirror" "$MICROHTTPD_SUITE" >"$apt/sources.list"
    options=(
        -qq -o Acquire::Retries=3 -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=-
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=
    )
    apt-get "${options[@]}" update && cd "$DEPS/work" && apt-get "${options[@]}" source libmicrohttpd
}

microhttpd_make() {
    cd "$DEPS/work"/libmicrohttpd-*/ &&
        ./configure --quiet --prefix="$DEPS" "${MICROHTTPD_CONFIGURE[@]}" CFLAGS="$MICROHTTPD_CFLAGS" &&
        make --silent -j"$(nproc)" &&
        make --silent install
}

microhttpd_build() {
    local log=$DEPS/build.log
    need_packages "${MICROHTTPD_BUILD_PACKAGES[@]}"
    say "building libmicrohttpd >= $MICROHTTPD_MINIMUM from Debian $MICROHTTPD_SUITE's source package (log: $log)"
    rm -rf "${DEPS:?}/work" "${DEPS:?}/apt" "${DEPS:?}/lib" "${DEPS:?}/include"
    mkdir -p "$DEPS/work"
    if ! (microhttpd_fetch && microhttpd_make) >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "libmicrohttpd did not build; all of it is in $log"
    fi
    rm -rf "$DEPS/apt"
    microhttpd_recipe >"$DEPS/recipe"
}

microhttpd_install() {
    apt_get update
    if microhttpd_in_apt; then
        need_packages libmicrohttpd-dev
    else
        microhttpd_build
    fi
}

# need_microhttpd: afterwards pkg-config finds libmicrohttpd >= 1.0.1, from the system or from build/deps.
need_microhttpd() {
    local lock
    microhttpd_found && return
    export PKG_CONFIG_PATH=$DEPS/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    mkdir -p "$DEPS"
    exec {lock}>"$DEPS/.lock"
    flock "$lock"
    microhttpd_cached || microhttpd_install
    exec {lock}>&-
    microhttpd_found || die "pkg-config still finds no libmicrohttpd >= $MICROHTTPD_MINIMUM"
}
