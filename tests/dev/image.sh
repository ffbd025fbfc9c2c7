# Sourced by ./dev: `./dev image` builds docker/Dockerfile and tries what comes of it, with buildah and podman and without
# pulling anything: the base is a Debian root of mmdebstrap's. All of it is in build/image; the machine's own images and
# containers are not touched.
# shellcheck shell=bash

readonly IMAGE=$BUILD/image
readonly IMAGE_SUITE=trixie # as the Dockerfile's BASE
readonly IMAGE_BASE=localhost/weir-base:$IMAGE_SUITE
readonly IMAGE_NAME=localhost/weir:test
readonly IMAGE_SKIPPED=77
readonly IMAGE_PACKAGES=(
    buildah podman runc mmdebstrap netavark aardvark-dns catatonit golang-github-containers-common iptables
    iproute2 openssl podman-compose python3
)
readonly IMAGE_STORE=(--root "$IMAGE/storage" --runroot "$IMAGE/run")

need_image() {
    need_packages "${IMAGE_PACKAGES[@]}"
    mkdir -p "$IMAGE"
    # Limits that a machine with tight ones of its own allows; runc and cgroupfs work without systemd, too.
    cat >"$IMAGE/containers.conf" <<END
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "$IMAGE/networks"
END
    # For those who call it by its name.
    mkdir -p "$IMAGE/bin"
    printf '#!/bin/sh\nexec /usr/bin/podman %s --tmpdir %s "$@"\n' "${IMAGE_STORE[*]}" "$IMAGE/tmp" >"$IMAGE/bin/podman"
    chmod +x "$IMAGE/bin/podman"
}

in_image_store() {
    as_root env CONTAINERS_CONF="$IMAGE/containers.conf" DISABLE_HC_SYSTEMD=true "$@"
}

image_podman() {
    in_image_store "$IMAGE/bin/podman" "$@"
}

image_base() {
    local mirror
    ! image_podman image exists "$IMAGE_BASE" || return 0
    mirror=$(debian_mirror)
    say "making the base image of Debian $IMAGE_SUITE"
    as_root mmdebstrap --quiet --variant=minbase "$IMAGE_SUITE" "$IMAGE/base.tar" ${mirror:+"$mirror"} &&
        image_podman import --quiet "$IMAGE/base.tar" "$IMAGE_BASE" >/dev/null || return 1
    as_root rm "$IMAGE/base.tar"
}

# image_build DOCKERFILE NAME FOLDER
image_build() {
    local log=$IMAGE/build.log
    say "building ${1#"$ROOT"/} (log: $log)"
    if ! in_image_store buildah "${IMAGE_STORE[@]}" bud --isolation chroot --pull-never --layers --format docker \
        --network host --build-arg BASE="$IMAGE_BASE" --file "$1" --tag "$2" "$3" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "$1 does not build; all of it is in $log"
    fi
}

# Whether this machine can have containers at all: namespaces and mounts are not everybody's.
image_possible() {
    image_podman info >"$IMAGE/info.log" 2>&1 && as_root unshare --mount --pid --net --fork true 2>>"$IMAGE/info.log"
}

image_check() {
    in_image_store env WEIR_IMAGE="$IMAGE_NAME" WEIR_BASE="$IMAGE_BASE" WEIR_PODMAN="$IMAGE/bin/podman" \
        python3 -B tests/image/check -v
}

# Only without the npm registry is it not judged.
image_lint() {
    if (need_npm_lock "$ROOT/tests/image" dockerfile-utils); then
        use_node
        "$BUILD/dockerfile-utils/node_modules/.bin/dockerfile-utils" lint docker/Dockerfile
    else
        say "dockerfile-utils cannot be installed: the Dockerfile is not linted"
    fi
}

# docker/compose.yml in a network namespace of its own: its addresses and ports are nobody else's.
image_compose() (
    namespace=weir-image-$$
    image_build tests/image/haproxy.Dockerfile localhost/haproxy:test tests/image
    image_build tests/image/prometheus.Dockerfile localhost/prometheus:test tests/image
    build_preset release
    as_root ip netns add "$namespace" || die "there can be no network namespace"
    trap 'as_root ip netns delete "$namespace"' EXIT
    in_image_store env PATH="$IMAGE/bin:$PATH" WEIR_IMAGE="$IMAGE_NAME" HAPROXY_IMAGE=localhost/haproxy:test \
        PROMETHEUS_IMAGE=localhost/prometheus:test nsenter --net="/run/netns/$namespace" \
        sh -c 'ip link set lo up && python3 -B "$@"' sh tests/image/compose "$BUILD/release/weir" "$IMAGE/compose"
)

cmd_image() {
    local lock
    if ! (need_image); then
        say "skipped: buildah and podman cannot be installed"
        return "$IMAGE_SKIPPED"
    elif ! image_possible; then
        say "skipped: no containers can be run here ($IMAGE/info.log)"
        return "$IMAGE_SKIPPED"
    fi
    exec {lock}>"$IMAGE/.lock"
    flock "$lock"
    image_lint || die "docker/Dockerfile has mistakes"
    image_base || die "the base image cannot be made"
    image_build docker/Dockerfile "$IMAGE_NAME" .
    image_check || die "the image is not as it should be"
    image_compose || die "docker/compose.yml does not run as it should"
}
