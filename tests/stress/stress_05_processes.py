"""Programs of command handlers, started as fast as possible: never more than may run, none left when the gateway ends or is killed."""
import os
import signal
import threading
import time
from pathlib import Path

from stress import Gateway, http_call, run, wait_for

MOST, FAMILIES = 20, 10
CONFIG = f"""
limits: {{max_processes: {MOST}, drain_timeout: 100ms}}
commands:
  - {{name: nap, run: [sleep, "0.02"]}}
  - {{name: quick, run: ["true"]}}
  - name: family
    run: [sh, -c, 'sleep 1000 & echo $! >>"$0"; echo $$ >>"$0"; wait', FOLDER]
    timeout: 1000s
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Watcher:
    """The most programs at once, dead ones that are not yet collected among them."""

    def __init__(self, weir):
        self.weir, self.most, self.stop = weir, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        tasks, keeper = Path(f"/proc/{self.weir.pid}/task"), str(self.weir.keeper())
        while not self.stop.is_set():
            found = 0
            for task in tasks.iterdir():
                try:
                    found += len(set((task / "children").read_text().split()) - {keeper})
                except OSError:
                    pass
            self.most = max(self.most, found)
            time.sleep(0.001)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def start_families(stress, weir, journal, count=FAMILIES):
    """Programs with a child each that would run for a quarter of an hour; the load generator that waits for them."""
    load = stress.start("calls", http_call("family", {}), port=weir.port, connections=count, count=count, seconds=60)
    wait_for(lambda: journal.exists() and len(journal.read_text().split()) == 2 * count, "the programs")
    pids = [int(word) for word in journal.read_text().split()]
    stress.check(all(map(alive, pids)), "a program ended by itself")
    return load, pids


def ends_with_them(stress, how):
    """However the gateway ends, its programs do."""
    journal = stress.folder / f"journal-{how}"
    weir = Gateway(CONFIG.replace("FOLDER", str(journal)))
    try:
        load, pids = start_families(stress, weir, journal)
        weir.signal(how)
        weir.process.wait(60)
        try:
            wait_for(lambda: not any(map(alive, pids)), "the programs to end", 10)
        except AssertionError:
            stress.check(False, f"{sum(map(alive, pids))} of {len(pids)} programs outlive the gateway's {how.name}")
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)
        stress.finish(load)
    finally:
        weir.kill()


def main(stress):
    count = stress.size(20_000, quick=600, least=400)
    with stress.gateway(CONFIG.replace("FOLDER", "/dev/null")) as weir, Watcher(weir) as watcher:
        found = stress.calls(weir, http_call("nap", {}), http_call("quick", {}), connections=200, count=count, seconds=600)
        stress.right(found)
        stress.check(set(found["statuses"]) <= {"200", "503"}, f"answers: {found['statuses']}")
        stress.check(found["statuses"].get("503", 0) > 0, "nothing was refused: too little load")
        stress.check(found["failed_tools"] == 0, f"{found['failed_tools']} programs failed")
        stress.check(watcher.most <= MOST, f"{watcher.most} programs at once")
        wait_for(lambda: not weir.programs(), "every program to be collected")
        stress.right(stress.calls(weir, http_call("quick", {}), connections=4, count=20), "afterwards")
        stress.figure(most=watcher.most, served=found["results"], refused=found["statuses"].get("503", 0))
    for how in (signal.SIGTERM, signal.SIGKILL):
        ends_with_them(stress, how)
    return (f"{count:,} programs from 200 clients, {MOST} allowed; the gateway ended and killed with {2 * FAMILIES} running",
            f"never more than {watcher.most}, {found['statuses'].get('503', 0):,} refused, none left")


run(main, 5, "process explosion")
