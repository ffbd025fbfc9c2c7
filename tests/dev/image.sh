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
    buildah podman runc mmdebstrap netavark catatonit golang-github-containers-common iptables python3
)
readonly IMAGE_STORE=(--root "$IMAGE/storage" --runroot "$IMAGE/run")

need_image() {
    need_packages "${IMAGE_PACKAGES[@]}"
    mkdir -p "$IMAGE"
    # Limits that a machine with tight ones of its own allows; runc and cgroupfs work without systemd, too.
    cat >"$IMAGE/containers.conf" <<'END'
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
}

in_image_store() {
    as_root env CONTAINERS_CONF="$IMAGE/containers.conf" DISABLE_HC_SYSTEMD=true "$@"
}

image_podman() {
    in_image_store podman "${IMAGE_STORE[@]}" --tmpdir "$IMAGE/tmp" "$@"
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

image_build() {
    local log=$IMAGE/build.log
    say "building docker/Dockerfile (log: $log)"
    if ! in_image_store buildah "${IMAGE_STORE[@]}" bud --isolation chroot --pull-never --layers --format docker \
        --network host --build-arg BASE="$IMAGE_BASE" --file docker/Dockerfile --tag "$IMAGE_NAME" . >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "docker/Dockerfile does not build; all of it is in $log"
    fi
}

# Whether this machine can have containers at all: namespaces and mounts are not everybody's.
image_possible() {
    image_podman info >"$IMAGE/info.log" 2>&1 && as_root unshare --mount --pid --net --fork true 2>>"$IMAGE/info.log"
}

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
    image_base || die "the base image cannot be made"
    image_build
    in_image_store env WEIR_IMAGE="$IMAGE_NAME" WEIR_BASE="$IMAGE_BASE" \
        WEIR_PODMAN="podman ${IMAGE_STORE[*]} --tmpdir $IMAGE/tmp" python3 -B tests/image/check -v
}
