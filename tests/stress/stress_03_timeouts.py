"""A timeout storm: as many calls as may be in flight, all of which reach their deadline together."""
from stress import http_call, module, run


def main(stress):
    count = stress.size(6200, quick=1000)
    deadline_ms = 1500 if stress.quick else 3000
    config = module("strain") + f"limits: {{max_in_flight: {count}, request_timeout: {deadline_ms}ms}}\n"
    with stress.gateway(config) as weir:
        found = stress.calls(weir, http_call("never", {}), connections=count, count=count, seconds=120)
        late = found["refused_ms"]["max"] - deadline_ms
        stress.right(found)
        stress.check(found["statuses"] == {"504": count}, f"answers: {found['statuses']}")
        stress.check(found["refused_ms"]["min"] >= deadline_ms - 1, "a call ended before its deadline")
        stress.within(late, 100, "after the deadline")
        stress.check(weir.counted('weir_timeouts_total{stage="request"}') == count, "timeouts are not counted right")
        stress.right(stress.calls(weir, count=1000), "afterwards")
        stress.figure(late_ms=late, p50_ms=found["refused_ms"]["p50"])
    return f"{count:,} calls with one deadline", f"each told so within {late:.0f} ms of it"


run(main, 3, "timeout storm")
