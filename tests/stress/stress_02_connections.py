"""A flood of connections: more than there may be, the surplus is told so, and those within the limit are served in time."""
import resource

from stress import call_message, http_call, lines, run, Skip, LINES


def most_connections():
    """What the descriptors of a gateway allow: a plain connection needs one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 9_500:
        raise Skip(f"{hard} descriptors are too few for 9,000 connections")
    return 10_000 if hard >= 10_500 else 9_000


def flood(stress, weir, limit, surplus, rate, seconds, what, message, **keys):
    found = stress.calls(weir, message, connections=limit + surplus, rate=rate, seconds=seconds, **keys)
    refused = found["statuses"].get("503", 0)
    stress.right(found, what, answered=False)
    stress.check(found["open"] == limit, f"{found['open']} connections were left of {limit} {what}")
    stress.check(refused + found["unconnected"] >= surplus, f"{refused} were told so of {surplus} beyond the limit {what}")
    stress.check(set(found["statuses"]) <= {"200", "503"}, f"answers {what}: {found['statuses']}")
    stress.check(found["results"] >= limit, f"{found['results']} calls were served {what}")
    stress.within(found["ms"]["p95"], 100, f"p95 of those within the limit {what}")
    return found


def main(stress):
    most = 1000 if stress.quick else most_connections()
    limit = stress.size(most, quick=1000)
    surplus = limit * 2027 // 10_000
    rate, seconds = (4 * limit, 3) if stress.quick or stress.tenth else (4000, 20)
    with stress.gateway(LINES + f"limits: {{max_connections: {limit}}}\n") as weir:
        first = flood(stress, weir, limit, surplus, rate, seconds, "over HTTP", http_call())
        stress.settle(weir)
        flood(stress, weir, limit, surplus, rate, seconds, "by lines", lines(call_message()), port=weir.ports[1], framing="lines")
        stress.check(weir.refusals("connections") >= 2 * surplus, "refused connections are not counted right")
        stress.figure(limit=limit, p95_ms=first["ms"]["p95"], p99_ms=first["ms"]["p99"])
    return (f"{limit + surplus:,} connections at a limit of {limit:,}, over HTTP, then by lines",
            f"{surplus:,} told 503, the others' p95 {first['ms']['p95']:.1f} ms")


run(main, 2, "connection flood")
