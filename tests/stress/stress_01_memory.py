"""A flood of large payloads against a small limits.memory: refused at once, resident memory stays below, service goes on after."""
import time

from stress import http_call, run

MIB = 1024 * 1024


def main(stress):
    stress.needs("limits.memory")
    limit, payload = (96, 4) if stress.quick else (160, 16)
    limit += 400 if stress.tenth else 0  # the sanitizer needs memory of its own
    clients, count = 64, stress.size(3000, quick=400, least=100)
    with stress.gateway(f"limits: {{memory: {limit}MiB}}\n") as weir:
        weir.reset_highest()
        found = stress.calls(weir, http_call("echo", {"message": "x" * (payload * MIB - 1000)}), connections=clients, count=count,
                             reconnect=1, seconds=300)
        highest = weir.highest_mib()
        begun = time.monotonic()
        after = stress.calls(weir, count=200)
        normal_ms = (time.monotonic() - begun) * 1000
        refused = sum(number for status, number in found["statuses"].items() if status in ("503", "413"))
        stress.check(found["unanswered"] == 0 and found["wrong"] == 0, f"{found['unanswered']} unanswered, {found['wrong']} wrong")
        stress.check(refused > 0 and set(found["statuses"]) <= {"200", "503", "413"}, f"answers: {found['statuses']}")
        stress.check(found["results"] > 0, "nothing was served: refusing everything is no answer to a flood")
        stress.within(found["refused_ms"]["p95"], 5, "p95 of refusals")
        if not stress.tenth:
            stress.check(highest <= limit * 1.1, f"{highest:.0f} MiB resident at a limit of {limit} MiB")
        stress.check(after["results"] == 200, f"afterwards: {after['statuses']}")
        stress.within(normal_ms, 1000, "until normal service")
        stress.figure(highest_mib=highest, refused=refused, served=found["results"], refused_p95_ms=found["refused_ms"]["p95"],
                      refused_max_ms=found["refused_ms"]["max"], normal_ms=normal_ms)
    return (f"{count:,} payloads of {payload} MiB from {clients} clients at a limit of {limit} MiB",
            f"{refused:,} refused, p95 {found['refused_ms']['p95']:.1f} ms; {highest:.0f} MiB at most; normal service in {normal_ms:.0f} ms")


run(main, 1, "memory flood")
