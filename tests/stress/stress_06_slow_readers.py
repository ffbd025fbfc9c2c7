"""Clients that ask for large results and do not read them: cut off at their bound, and the memory comes back."""
import time

from stress import LINES, UPGRADE, call_message, fixed, http_call, lines, module, run, wait_for, websocket_frame

RESULT = 512 * 1024
UNTRIMMED_MIB = 10


def most_after(before):
    """A fifth more; what is less than the gateway trims for stays."""
    return before * 1.2 + UNTRIMMED_MIB


def memory_after(weir, before):
    """When the allocator has given back what it kept: the gateway sees to that now and then."""
    end = time.monotonic() + 15
    while (found := weir.resident_mib()) > most_after(before) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def main(stress):
    clients = stress.size(500, quick=40, least=8)
    # Without limits.queue_delay: what makes all this slow, as sanitizers do, would have its small refusals sent instead.
    config = LINES + module("strain") + "limits: {max_send_queue: 1MiB, body_timeout: 1s, idle_timeout: 3s, queue_delay: 0}\n"
    forms = [("over HTTP", http_call("large", {"bytes": RESULT}), 0, {}),
             ("by lines", lines(call_message("large", {"bytes": RESULT})), 1, {}),
             ("over WebSocket", websocket_frame(call_message("large", {"bytes": RESULT})), 0, {"prelude": UPGRADE})]
    with stress.gateway(config) as weir:
        for _, form, listener, keys in forms:  # what any service leaves behind
            stress.storm("pour", *fixed(form), connections=2, count=20, seconds=20, receive_buffer=4096, port=weir.ports[listener], **keys)
        wait_for(lambda: not weir.used(), "the warm-up to end")
        before = weir.resident_mib()
        weir.reset_highest()
        cut = 0
        with stress.beside(weir) as beside:
            for what, form, listener, keys in forms:
                found = stress.storm("pour", *fixed(form), connections=clients, count=1000, seconds=60,
                                     receive_buffer=4096, port=weir.ports[listener], **keys)
                cut += found["cut"]
                stress.check(found["left_open"] == 0, f"{found['left_open']} were not cut off {what}")
        wait_for(lambda: not weir.used(), "the clients to be gone")
        highest, after = weir.highest_mib(), memory_after(weir, before)
        bound = before + clients * 4 + 64
        stress.judge_beside(beside, stress.calls(weir, count=200), "while many did not read", 250)
        if not stress.tenth:  # address sanitizer keeps what was freed
            stress.check(highest <= bound, f"{highest:.0f} MiB at most for {clients} clients at a time")
            stress.check(after <= most_after(before) or not stress.knows("limits.memory"), f"{before:.0f} MiB before, {after:.0f} MiB after")
        stress.check(weir.counted("weir_slow_readers_total") > 0, "slow readers are not counted")
        stress.figure(before_mib=before, highest_mib=highest, after_mib=after, cut=cut)
    return (f"3 times {clients:,} clients that read nothing of results of {RESULT // 1024} KiB, over HTTP, by lines, over WebSocket",
            f"all cut off; {before:.0f} MiB before, {highest:.0f} at most, {after:.0f} after")


run(main, 6, "slow readers")
