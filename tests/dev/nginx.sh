# Sourced by ./dev: nginx, which the benchmark compares with. Only its program, unpacked into build/nginx: installing
# the package would start a web server on the machine.
# shellcheck shell=bash

nginx_unpack() {
    say "unpacking nginx into build/nginx"
    rm -rf "$NGINX"
    mkdir -p "$NGINX"
    need_packages libcrypt1 zlib1g # what else it needs, weir needs too
    apt_get update
    (cd "$NGINX" && apt-get -qq -o APT::Sandbox::User= download nginx) || die "apt-get cannot download nginx"
    dpkg-deb --extract "$NGINX"/nginx_*.deb "$NGINX" || die "nginx cannot be unpacked"
}

# need_nginx: afterwards nginx is on PATH.
need_nginx() {
    export PATH=$PATH:/usr/sbin:$NGINX/usr/sbin
    command -v nginx >/dev/null || nginx_unpack
}
