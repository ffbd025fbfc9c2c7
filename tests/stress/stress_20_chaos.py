"""Chaos: honest calls on three transports beside mutated connections, slow readers, dying handlers and reloads, in an order that a
seed decides, and a drain in the end. `SEED=N` repeats one."""
import os
import random
import signal
import time

from stress import (Gateway, LINES, UPGRADE, call_message, fixed, http_call, http_method, lines, module, run, wait_for, websocket_frame)
from forms import mutate
from test_http_front import Client

GRACE_S = 4
COMMANDS = """
commands:
  - {name: dies, run: [sh, -c, 'kill -9 $$']}
  - {name: nap, run: [sleep, "0.05"]}
  - {name: long, run: [sleep, "6"]}
"""


def config(n):
    return (LINES + module("strain", "conformance") + COMMANDS + f"page_size: {40 + n}\n"
            "limits: {max_connections: 3000, max_processes: 40, head_timeout: 1s, body_timeout: 1s, request_timeout: 20s, "
            f"max_send_queue: 256KiB, idle_timeout: 20s, drain_grace: {GRACE_S}s, drain_timeout: 60s}}\n")


class Chaos:
    def __init__(self, stress, weir, chance):
        self.stress, self.weir, self.chance, self.loads, self.reloads = stress, weir, chance, [], 0

    def start(self, mode, *messages, **keys):
        self.loads.append(self.stress.start(mode, *messages, **{"port": self.weir.port, "seconds": 10, **keys}))

    def mutants(self):
        good = self.chance.choice([fixed(http_call()), fixed(lines(call_message())), fixed(UPGRADE + websocket_frame(call_message()))])
        listener = 1 if good[0].startswith(b"{") else 0
        files = [mutate(self.chance, good[0]) for _ in range(30)]
        self.start("churn", *files, port=self.weir.ports[listener], connections=500, count=self.chance.randrange(500, 2000),
                   silent=5, patience=2, seed=self.chance.randrange(1000), rate=1000)

    def deaf(self):
        self.start("pour", *fixed(http_call("large", {"bytes": 100000})), connections=self.chance.randrange(1, 20), count=200, receive_buffer=4096)

    def pour(self):
        self.start("pour", *fixed(lines(call_message())), port=self.weir.ports[1], connections=1, count=20_000, seconds=3)

    def dying(self):
        self.start("calls", http_call("dies", {}), http_call("nap", {}), connections=10, count=100, seconds=60)

    def streams(self):
        self.start("churn", *fixed(http_method("subscriptions/listen", {"notifications": {"toolsListChanged": True}})), connections=200,
                   count=300, silent=300, patience=1, seed=self.chance.randrange(1000), rate=1000)

    def turns(self):
        self.start("calls", http_call("turn"), connections=4, count=400, seconds=60)

    def reload(self):
        self.reloads += 1
        self.weir.write_config(config(self.reloads))
        self.weir.signal(signal.SIGHUP)
        self.weir.wait_log("reloaded", 60, self.reloads)

    DEEDS = (mutants, deaf, pour, dying, streams, turns, reload)


def not_ready(weir):
    try:
        return Client(weir, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").response()[0] == 503
    except OSError:
        return False


def drain(stress, weir, honest):
    """As a balancer does it: it learns that the gateway is not ready, sends nothing more there, and gets all its answers; calls
    that last longer than the grace are finished, too."""
    long = stress.start("calls", http_call("long", {}), port=weir.port, connections=10, count=10, seconds=90)
    wait_for(lambda: weir.used().get("processes", 0) >= 10, "the long calls")
    weir.signal(signal.SIGTERM)
    wait_for(lambda: not_ready(weir), "the gateway to say that it is not ready")
    for load in honest:
        load.send_signal(signal.SIGINT)
    done = [stress.finish(load) for load in honest]
    finished = stress.finish(long)
    stress.check(finished["results"] == 10, f"long calls in the drain: {finished}")
    status = weir.process.wait(90)
    stress.check(status == 0, f"exit status {status}")
    stress.check(not weir.logs("drain_cut_short"), "the drain was cut short")
    return done


def main(stress):
    seed = int(os.environ.get("SEED", "0")) or (20 if stress.quick else random.randrange(1, 10**6))
    print(f"SEED={seed}", flush=True)
    chance, seconds = random.Random(seed), stress.size(120, quick=6, least=6)
    weir = Gateway(config(0))
    try:
        stress.warm_up(weir)
        honest = [stress.start("calls", http_call(), http_method("tools/list"), port=weir.port, connections=16, seconds=600, rate=1000, reconnect=0),
                  stress.start("calls", lines(call_message()), port=weir.ports[1], framing="lines", connections=4, seconds=600, rate=300),
                  stress.start("calls", websocket_frame(call_message()), port=weir.port, framing="websocket", prelude=UPGRADE, connections=4,
                               seconds=600, rate=300)]
        chaos, end, deeds = Chaos(stress, weir, chance), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            chance.choice(Chaos.DEEDS)(chaos)
            deeds += 1
            chaos.loads = [load for load in chaos.loads if load.poll() is None]
            wait_for(lambda: len([load for load in chaos.loads if load.poll() is None]) < 6, "less to do")
        crowd = weir.used()
        done = drain(stress, weir, honest)
        for load in chaos.loads:
            stress.finish(load)
        for what, found in zip(("over HTTP", "by lines", "over WebSocket"), done):
            stress.right(found, f"{what}, the drain included")
            stress.check(found["results"] > 0 and set(found["statuses"]) <= {"200", "503", "8"}, f"answers {what}: {found['statuses']}")
        stress.check(not weir.logs("reload_refused"), "a reload was refused")
        weir.stop()
    except AssertionError as mistake:
        stress.check(False, f"{mistake}; SEED={seed}")
        weir.kill()
    except BaseException:
        weir.kill()
        raise
    served = sum(found["results"] for found in done)
    stress.figure(seed=seed, deeds=deeds, reloads=chaos.reloads, served=served)
    return (f"{deeds} deeds of {len(Chaos.DEEDS)} kinds in {seconds} s beside {served:,} honest calls, seed {seed}, then SIGTERM with "
            f"{crowd.get('connections', 0)} connections", "no crash, no honest call lost, drained")


run(main, 20, "chaos")
