# Sourced by ./dev: `./dev test` and `./dev fuzz`. Every test is a ctest test; its labels say which preset runs it.
# shellcheck shell=bash

# Whose lines unit tests and scenarios must reach; tests/dev/coverage has the percentage.
readonly COVERAGE_FOLDERS=(gateway transports limits auth)
readonly COVERAGE_LABELS='^(unit|scenario)$'
# What is shipped is judged by the suite, by real clients, by the clock and by tools that try its edge; all but the first
# not under sanitizers.
readonly SHIPPED='interop|bench|edge|package|image|deploy|contract'
readonly RELEASE_LABELS="^(conformance|stress|$SHIPPED)\$"
readonly UNSANITIZED_LABELS="^($SHIPPED)\$"
readonly CONCURRENCY_LABELS='^concurrency$'
readonly FUZZ_SECONDS=60
readonly FAILURE_LINES=40

need_conformance() {
    need_packages ca-certificates curl
    need_npm_lock "$ROOT/tests/conformance" conformance
}

need_interop() {
    need_packages ca-certificates curl python3 python3-venv
    need_node
}

# Other people's tools, for tests/edge.
need_edge() {
    need_packages chromium haproxy openssl slowhttptest
    need_testssl
    need_prometheus
}

# Balancers, and what reads and judges their files, for tests/deploy.
need_deploy() {
    need_packages curl haproxy openssl python3-yaml
    need_nginx
    need_prometheus
}

# Redocly, which needs Node, and Schemathesis, which needs a venv.
need_contract() {
    local to="${BUILD:?}/contract" wanted=$ROOT/tests/contract/requirements.txt
    need_packages ca-certificates curl python3 python3-venv
    need_npm_lock "$ROOT/tests/contract" contract
    cmp --quiet "$wanted" "$to/venv/installed" && return
    say "installing schemathesis into build/contract"
    if ! python3 -m venv --clear "$to/venv" || ! "$to/venv/bin/pip" install --quiet --requirement "$wanted" >&2; then
        die "pip cannot install ${wanted#"$ROOT"/}"
    fi
    cp "$wanted" "$to/venv/installed"
}

# A clean root to install the package into, and systemd's judge of its unit.
need_package() {
    need_packages mmdebstrap systemd
}

need_bench() {
    need_packages openssl python3
    need_nginx
}

# Runs the covered tests and prints the table; the verdict is left to the test named `coverage`.
measure_coverage() {
    local build="${BUILD:?}/coverage"
    say "line coverage of ${COVERAGE_FOLDERS[*]}"
    find "$build" -name '*.gcda' -delete
    rm -f "$build/tests.failed" "$build/coverage.json"
    if ! run_ctest "$build" --label-regex "$COVERAGE_LABELS" --quiet --output-log "$build/tests.log"; then
        touch "$build/tests.failed"
        tail -n 30 "$build/tests.log"
    fi
    tests/dev/coverage report "$build" "${COVERAGE_FOLDERS[@]}" || true # without a report the verdict is no
}

# build/package/weir.deb: with its paths under /usr and /etc, so from a build of its own.
make_package() {
    local build="${BUILD:?}/package" log=${BUILD:?}/package/cpack.log
    need_packages dpkg-dev file
    build_preset package
    rm -f "$build"/weir*.deb
    (cd "$build" && cpack -G DEB >"$log" 2>&1) || { cat "$log" >&2 && die "cpack makes no package"; }
    ln -s "$(basename "$build"/weir_*.deb)" "$build/weir.deb"
}

cmd_package() {
    make_package
    say "$(readlink -f "$BUILD/package/weir.deb")"
}

# The thread sanitizer of gcc 12 cannot place its shadow where a kernel randomizes addresses by more than 28 bits.
without_randomized_addresses() {
    if setarch --addr-no-randomize true 2>/dev/null; then
        setarch --addr-no-randomize "$@"
    else
        "$@"
    fi
}

run_ctest() {
    local folder=$1
    shift
    export ASAN_OPTIONS=detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}
    export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
    # libuv is not instrumented and closes descriptors by plain system calls: without the last option a descriptor that it
    # closed and another thread got again is taken for shared.
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}
    without_randomized_addresses ctest --test-dir "$folder" --parallel "$(nproc)" --output-on-failure --no-tests=error "$@"
}

# One ctest for the tests of all presets, so that its last lines speak of all of them.
run_all_tests() {
    tests/dev/gather "$BUILD" "asan:-LE:$UNSANITIZED_LABELS" "release:-L:$RELEASE_LABELS" \
        "tsan:-L:$CONCURRENCY_LABELS" 'coverage:-L:^coverage$'
    say "all tests"
    run_ctest "$BUILD/tests" && return
    # Once more, for whoever reads only the end.
    local log=$BUILD/tests/Testing/Temporary/LastTest
    say "what the failed ones said"
    grep -hE -A 3 '^(FAIL|ERROR): |^[A-Za-z_.]*(Error|Exception|Refused|Closed):|^\[ +(ERROR|FAILED) +\]|runtime error:|Sanitizer: |"verdict": "FAIL"' \
        "$log.log" | tail -n "$FAILURE_LINES" || true # some say nothing that can be told from what others say
    cat "${log}sFailed.log"
    return 1
}

cmd_test() {
    local preset
    need_packages gcovr groff-base python3 zsh
    need_bench
    # Without the npm registry, or PyPI, everything else can still be judged; ctest names what was skipped.
    (need_conformance) || say "the conformance suite cannot be installed: it will be skipped"
    (need_edge) || say "the tools of tests/edge cannot be installed: their tests will be skipped"
    (need_contract) || say "the judges of openapi/gateway.yaml cannot be installed: they will be skipped"
    (need_package) || say "mmdebstrap cannot be installed: the package will not be tried on a clean root"
    (need_deploy) || say "the balancers cannot be installed: what runs behind them will be skipped"
    (need_image) || say "buildah and podman cannot be installed: the image will be skipped"
    (need_interop) || say "the interop clients cannot be installed: they will be skipped"
    need_collector || true # it has said so
    use_node
    for preset in asan release tsan coverage; do
        say "building $preset"
        build_preset "$preset"
    done
    make_package
    measure_coverage
    run_all_tests
}

# The artifacts of a crash stay in build/fuzz/crashes; what the corpus gained, in build/fuzz/corpus.
explore() {
    local target=$1 seconds=$2 found=$BUILD/fuzz/corpus/$1 crashes=$BUILD/fuzz/crashes/$1
    say "$target for $seconds s"
    mkdir -p "$found" "$crashes" "tests/fuzz/corpus/$target"
    "$BUILD/fuzz/tests/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$crashes/" "$found" "tests/fuzz/corpus/$target"
}

fuzz_targets() {
    find tests/fuzz -name 'fuzz-*.c' -printf '%f\n' | sed 's/\.c$//' | sort
}

# ./dev fuzz [TARGET] [SECONDS]: every target is explored, even after one has failed.
cmd_fuzz() {
    local target status=0 seconds=$FUZZ_SECONDS targets
    mapfile -t targets < <(fuzz_targets)
    if [[ ${1:-} == fuzz-* ]]; then
        targets=("$1")
        shift
    fi
    seconds=${1:-$FUZZ_SECONDS}
    build_preset fuzz "${targets[@]}"
    for target in "${targets[@]}"; do
        explore "$target" "$seconds" || status=1
    done
    return "$status"
}
