"""Calls while the catalogue and the configuration are replaced without pause: none lost, none wrong, none torn."""
import itertools
import signal

from stress import LINES, http_call, http_method, lines, call_message, module, run

EXTRA = "commands:\n  - {{name: extra, run: [echo, 'version {n}'], description: 'version {n}'}}\n"


def config(n):
    """Each differs from the one before: page size, modules, commands, limits."""
    modules = ("strain", "probe") if n % 3 == 0 else ("strain",)
    return LINES + module(*modules) + f"page_size: {50 + n % 50}\nlimits: {{max_send_queue: {1024 + n % 7}KiB}}\n" + (EXTRA.format(n=n) if n % 2 else "")


def main(stress):
    count = stress.size(100_000, quick=20_000)
    with stress.gateway(config(0)) as weir:
        loads = [stress.start("calls", http_call(), http_call("turn"), http_call(), http_method("tools/list"), port=weir.port,
                              connections=48, count=count * 3 // 4, seconds=600),
                 stress.start("calls", lines(call_message()), lines(call_message("turn")), port=weir.ports[1], connections=16,
                              count=count // 4, seconds=600, framing="lines")]
        for n in itertools.count(1):
            if all(load.poll() is not None for load in loads):
                break
            weir.write_config(config(n))
            weir.signal(signal.SIGHUP)
            weir.wait_log("reloaded", 60, n)
        reloads = len(weir.logs("reloaded"))
        for load, what in zip(loads, ("over HTTP", "by lines")):
            found = stress.finish(load)
            stress.right(found, what)
            stress.check(found["results"] == found["sent"], f"answers {what}: {found['statuses']}")
        stress.check(not weir.logs("reload_refused"), f"refused: {weir.logs('reload_refused')[:1]}")
        stress.check(reloads >= 3, f"{reloads} reloads: too few")
        changes = count * 3 // 16 + count // 8
        stress.figure(reloads=reloads, catalogue_changes=changes)
    return (f"{count:,} calls on 64 connections beside {reloads:,} reloads and {changes:,} changes of the catalogue",
            "0 lost, 0 wrong, 0 torn")


run(main, 12, "races")
