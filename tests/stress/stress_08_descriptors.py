"""No descriptors left (EMFILE): accepting pauses without spinning, who is served stays served, who waits is served in the end.
ENFILE, which only the whole machine could run into, is handled by the same rows of the same switch (acceptor.c)."""
import resource
import time

from stress import http_call, run, wait_for

SPARE = 4


def main(stress):
    waiting = stress.size(1000, quick=200)
    with stress.gateway("commands: [{name: quick, run: ['true']}]\n") as weir:
        load = stress.start("calls", http_call(), port=weir.port, connections=32, seconds=5 if stress.quick else 8, rate=500)
        wait_for(lambda: weir.used().get("connections", 0) >= 32, "the clients inside")
        soft, hard = resource.prlimit(weir.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(weir.pid, resource.RLIMIT_NOFILE, (weir.descriptors() + SPARE, hard))
        outside = stress.start("calls", http_call(), port=weir.port, connections=waiting, count=waiting, seconds=60)
        idle = weir.cpu_seconds()
        time.sleep(2)  # what is measured is two seconds of pause
        spent = (weir.cpu_seconds() - idle) / 2
        resource.prlimit(weir.pid, resource.RLIMIT_NOFILE, (soft, hard))
        inside, found = stress.finish(load), stress.finish(outside)
        stress.right(inside, "of those inside")
        stress.check(inside["results"] == inside["sent"], f"inside: {inside['statuses']}")
        stress.right(found, "of those that waited")
        stress.check(found["results"] == waiting, f"those that waited: {found['statuses']}")
        pauses = weir.counted("weir_accept_pauses_total")
        stress.check(pauses > 0, "accepting never paused: too little load")
        # 500 calls a second cost something, too; a loop that spins takes a whole processor.
        stress.check(spent < 0.7, f"{spent:.2f} processors while it paused")
        stress.figure(cpu=spent, pauses=pauses, inside_p95_ms=inside["ms"]["p95"])
    return (f"{waiting:,} connections with {SPARE} descriptors left, 32 clients inside",
            f"{pauses} pauses, {spent:.2f} processors meanwhile, {inside['results']:,} calls served inside, all {waiting:,} later")


run(main, 8, "descriptor exhaustion")
