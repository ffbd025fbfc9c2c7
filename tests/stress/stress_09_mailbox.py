"""One client pours a million messages into a connection and reads nothing: it is held back, the others do not notice."""
from stress import LINES, UPGRADE, call_message, fixed, http_call, lines, run, websocket_frame


def main(stress):
    count = stress.size(1_000_000, quick=100_000, least=100_000)
    forms = [("by lines", lines(call_message()), 1, {}), ("over HTTP", http_call(), 0, {}),
             ("over WebSocket", websocket_frame(call_message()), 0, {"prelude": UPGRADE})]
    with stress.gateway(LINES + "limits: {body_timeout: 2s}\n") as weir:
        control = stress.calls(weir, connections=4, rate=200, seconds=2)
        weir.reset_highest()
        before, taken, worst = weir.resident_mib(), {}, 0.0
        for what, form, listener, keys in forms:
            with stress.beside(weir) as beside:
                found = stress.storm("pour", *fixed(form), port=weir.ports[listener], connections=1,
                                     count=count, seconds=3 if stress.quick else 20, receive_buffer=4096, **keys)
            taken[what] = found["messages"]
            worst = max(worst, stress.judge_beside(beside, control, f"while one poured {what}"))
            stress.check(found["messages"] < count, f"all {count} messages were taken {what}: nothing held it back")
        stress.settle(weir)
        highest = weir.highest_mib()
        if not stress.tenth:
            stress.check(highest <= before + 24, f"{before:.0f} MiB before, {highest:.0f} MiB at most")
        stress.figure(others_p95_ms=worst, control_p95_ms=control["ms"]["p95"], before_mib=before, highest_mib=highest, **{
            name.replace(" ", "_"): number for name, number in taken.items()})
    return (f"{count:,} messages from one client that reads nothing, by lines, over HTTP, over WebSocket",
            f"held back after {max(taken.values()):,} at most; p95 of the others {worst:.1f} ms, {highest - before:.0f} MiB more")


run(main, 9, "mailbox bombing")
