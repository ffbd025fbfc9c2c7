# Sourced by ./dev: a real OpenTelemetry Collector for tests/edge/opentelemetry, built from tests/edge/collector with Go,
# where there is Go: about two minutes once, then build/otel/collector stays.
# shellcheck shell=bash

readonly OTEL=$BUILD/otel
readonly OTEL_BUILD_SECONDS=600

# need_collector: 1, aloud, where it cannot be built.
need_collector() {
    local source=tests/edge/collector
    [ ! -x "$OTEL/collector" ] || [ "$source/go.sum" -nt "$OTEL/collector" ] || [ "$source/main.go" -nt "$OTEL/collector" ] ||
        return 0
    if ! command -v go >/dev/null; then
        say "there is no Go: the OpenTelemetry Collector cannot be built, and its test will be skipped"
        return 1
    fi
    say "building the OpenTelemetry Collector (tests/edge/collector)"
    mkdir -p "$OTEL"
    if ! (cd "$source" && GOMODCACHE=$OTEL/mod GOCACHE=$OTEL/cache GOFLAGS='-modcacherw -mod=readonly -buildvcs=false' \
        timeout "$OTEL_BUILD_SECONDS" go build -o "$OTEL/collector" .) >"$OTEL/build.log" 2>&1; then
        tail -n 20 "$OTEL/build.log" >&2
        say "the OpenTelemetry Collector cannot be built; all of it is in $OTEL/build.log"
        return 1
    fi
    rm -rf "$OTEL/mod" "$OTEL/cache" # a gigabyte
}
