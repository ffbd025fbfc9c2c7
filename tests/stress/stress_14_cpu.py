"""Command handlers that burn processor time: held to cpu_per_second, and the others do not notice."""
import os
import time
from pathlib import Path

from stress import http_call, run, wait_for

CONFIG = """
limits: {cpu_per_second: 100ms, max_processes: 20}
commands: [{name: burn, run: [sh, -c, 'while :; do :; done'], timeout: LASTSs}]
"""


def burned(weir):
    """Processor seconds of the programs that run now."""
    total = 0.0
    for pid in weir.programs():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def main(stress):
    stress.needs("limits.cpu_per_second")
    burners, seconds = 4, 4 if stress.quick else 20
    with stress.gateway(CONFIG.replace("LASTS", str(seconds + 2))) as weir:
        control = stress.calls(weir, connections=4, rate=200, seconds=2)
        with stress.beside(weir) as beside:
            load = stress.start("calls", http_call("burn", {}), port=weir.port, connections=burners, count=burners, seconds=60)
            wait_for(lambda: len(weir.programs()) == burners, "the burners")
            most, begun = 0.0, time.monotonic()
            while time.monotonic() - begun < seconds and weir.programs():
                most = max(most, burned(weir))
                time.sleep(0.1)
            lasted = time.monotonic() - begun
        found = stress.finish(load)
        worst = stress.judge_beside(beside, control, "while handlers burned")
        # Ended past the budget or held to it: either way they got no more than this. One second's budget may be spent at once.
        allowed = burners * (0.1 * (lasted + 1) + 0.2)
        stress.check(most <= allowed, f"{most:.2f} s of processor time in {lasted:.1f} s, {allowed:.2f} s at most")
        stress.check(found["failed_tools"] == burners, f"answers: {found}")
        stress.figure(burned_s=most, lasted_s=lasted, others_p95_ms=worst)
    return (f"{burners} handlers that burn, each allowed 100 ms a second, beside 200 calls a second",
            f"{most:.2f} s in {lasted:.1f} s; p95 of the others {worst:.1f} ms")


run(main, 14, "CPU exhaustion")
