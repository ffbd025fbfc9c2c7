"""What the scenarios share: a gateway that is watched, the load generator, and the verdict.

    def main(stress):
        with stress.gateway("limits: {max_connections: 100}") as weir:
            figures = stress.calls(weir, connections=200, count=stress.size(10_000, quick=500))
            stress.check(figures["wrong"] == 0, "an answer was another's")
        return "load applied", "result"

    run(main, 2, "connection flood")

A scenario prints one line of JSON: its number, name, load, result, verdict (PASS, FAIL, SKIP), failures and figures; it ends with
0, 1 or 77. `--quick`: a small form that judges no clock but against a control of the same run. `--tenth`: a tenth of the size,
for a build with sanitizers. PYTHONPATH must name tests/scenario.
"""
import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from pathlib import Path

import weir_process
from weir_process import COMPLAINTS, WeirProcess

ROOT = Path(__file__).resolve().parents[2]

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
NUMBER, ID = "#" * 10, "@" * 10
SECONDS = 60
LISTEN = "listen: [{address: '127.0.0.1:0'}]\n"
ADMIN = "admin: {address: '127.0.0.1:0'}\n"
LINES = "listen: [{address: '127.0.0.1:0'}, {address: '127.0.0.1:0', transports: [stream]}]\n"
# Limits of what ends with its client; others are of what is remembered on purpose, or of the process.
HELD = ("connections", "sessions", "streams", "in_flight", "tasks", "subscriptions", "workers", "processes")


class Skip(Exception):
    """The machine cannot; says why."""


def fixture(name):
    return f"{Path(weir_process.binary()).resolve().parent}/fixtures/{name}.so"


def module(*names):
    return "modules: [" + ", ".join(f"{{path: '{fixture(name)}'}}" for name in names) + "]\n"


# ---- messages ----


def message(method="tools/call", params=None, id=f"{ID}", meta=META):
    body = {"jsonrpc": "2.0", "id": "ID", "method": method, "params": {**(params or {}), **({"_meta": meta} if meta else {})}}
    return json.dumps(body, separators=(",", ":")).replace('"ID"', id, 1).encode()


def call_message(tool="echo", arguments=None, **more):
    return message("tools/call", {"name": tool, "arguments": {"message": NUMBER} if arguments is None else arguments}, **more)


def http(body, fields=(), method="tools/call", name="echo", modern=True):
    lines = ["POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}",
             "Accept: application/json, text/event-stream"]
    if modern:
        lines += ["MCP-Protocol-Version: 2026-07-28", f"Mcp-Method: {method}"] + ([f"Mcp-Name: {name}"] if name else [])
    return "\r\n".join([*lines, *fields]).encode() + b"\r\n\r\n" + body


def http_call(tool="echo", arguments=None, fields=()):
    return http(call_message(tool, arguments), fields, name=tool)


def http_method(method, params=None, name=None):
    return http(message(method, params), method=method, name=name)


def lines(body):
    return body + b"\n"


UPGRADE = ("GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n").encode()


def websocket_frame(body):
    """Masked with zeros: legal, and the numbers can be put in afterwards."""
    size = len(body)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    return head + bytes(4) + body


def fixed(*messages):
    """For load whose answers nobody reads: with numbers instead of their places."""
    return [one.replace(ID.encode(), b"1234567890") for one in messages]


# ---- the gateway, watched ----


def whole(config):
    """What is not said otherwise; no line per request, which the scenario would have to read as fast as they come."""
    return (LISTEN if "listen:" not in config else "") + ADMIN + "log: {access: false}\n" + config


class Gateway(WeirProcess):
    def __init__(self, config, environment=None):
        super().__init__(whole(config), environment)
        self.pid = self.process.pid
        self.admin = self.logs("ready")[0]["admin"]

    def page(self, path, base=None):
        with urllib.request.urlopen((base or self.admin) + path, timeout=SECONDS) as response:
            return response.read().decode()

    def metrics(self):
        return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", self.page("/metrics"), re.M)}

    def used(self):
        """What is held for clients now, by limit; the admin listener's own connection is not a client's."""
        found = self.metrics()
        held = {name: int(found.get(f'weir_limit_used{{limit="{name}"}}', 0)) for name in HELD}
        held["connections"] -= 1
        return {name: value for name, value in held.items() if value}

    def counted(self, name):
        return int(self.metrics().get(name, 0))

    def refusals(self, reason):
        return self.counted(f'weir_refusals_total{{reason="{reason}"}}')

    def status_kib(self, field="VmRSS"):
        return int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])

    def resident_mib(self):
        return self.status_kib() / 1024

    def highest_mib(self):
        """The most it ever had, since reset_highest()."""
        return self.status_kib("VmHWM") / 1024

    def reset_highest(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_seconds(self):
        times = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def reload(self, config):
        """The event that answers SIGHUP."""
        seen = len(self.logs("reloaded")) + len(self.logs("reload_refused"))
        self.write_config(config)
        self.signal(signal.SIGHUP)
        wait_for(lambda: len(self.logs("reloaded")) + len(self.logs("reload_refused")) > seen, "the answer to SIGHUP")
        return "reloaded" if self.logs("reloaded") else "reload_refused"

    def write_config(self, config):
        self.config_path.write_text(whole(config))


def wait_for(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited too long for {what}")
        time.sleep(0.02)
    return found


# ---- a scenario ----


class Stress:
    def __init__(self, quick, tenth):
        self.quick, self.tenth = quick, tenth
        self.failures, self.figures = [], {}
        self.folder = Path(tempfile.mkdtemp(prefix="weir-stress-"))
        self._files = 0

    def size(self, full, quick, least=1):
        """How much: the scenario's figure, or less of it."""
        chosen = quick if self.quick else full
        return max(least, chosen // 10 if self.tenth else chosen)

    def check(self, good, what):
        if not good:
            self.failures.append(what)
        return good

    def within(self, found_ms, limit_ms, what, control_ms=0.0):
        """A bound of time. The quick form shares its machine with other tests, and sanitizers slow everything down: there it is
        what would be wrong on any machine."""
        if self.quick or self.tenth:
            limit_ms = max(20_000, 20 * control_ms)
        return self.check(found_ms <= limit_ms, f"{what}: {found_ms:.1f} ms, more than {limit_ms:.0f} ms")

    def knows(self, option):
        known = subprocess.run([weir_process.binary(), "options"], capture_output=True, text=True, check=True).stdout
        return option in known

    def needs(self, option):
        """Skips aloud what this build has no option for."""
        if not self.knows(option):
            raise Skip(f"this build has no {option}")

    def figure(self, **named):
        self.figures.update({name: round(value, 3) if isinstance(value, float) else value for name, value in named.items()})

    def file(self, data):
        self._files += 1
        path = self.folder / f"message-{self._files}"
        path.write_bytes(data)
        return path

    # load

    def start(self, mode, *messages, binary=None, **keys):
        tool = Path(weir_process.binary()).resolve().parent / "tests/stress/storm"
        files = [one if isinstance(one, Path) else self.file(one) for one in messages]
        if "prelude" in keys:
            keys["prelude"] = self.file(keys["prelude"])
        return subprocess.Popen([str(tool), mode, *(f"{key}={value}" for key, value in keys.items()), *map(str, files)],
                                stdout=subprocess.PIPE, text=True)

    def finish(self, process, seconds=3600):
        try:
            out, _ = process.communicate(timeout=seconds)
        finally:
            if process.poll() is None:
                process.kill()
        assert process.returncode == 0, "the load generator failed"
        return json.loads(out.splitlines()[-1])

    def storm(self, mode, *messages, **keys):
        return self.finish(self.start(mode, *messages, **keys))

    def calls(self, weir, *messages, **keys):
        keys = {"port": weir.port, "connections": 8, "seconds": 300, **keys}
        return self.storm("calls", *(messages or [http_call()]), **keys)

    @contextlib.contextmanager
    def beside(self, weir, *messages, **keys):
        """Well-behaved calls that go on while the block runs; their figures are in the list afterwards. Asks 200 times a second."""
        keys = {"port": weir.port, "connections": 4, "seconds": 3500, "rate": 200, "count": 1_000_000, "reconnect": 1, **keys}
        del keys["count"]
        stop = threading.Event()
        found = []

        def go_on():
            while not stop.is_set():
                found.append(self.storm("calls", *(messages or [http_call()]), **{**keys, "seconds": 1}))

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield found
        finally:
            stop.set()
            thread.join()

    def judge_beside(self, found, control, what, limit_ms=100.0):
        """The others' calls: all answered, in time."""
        worst = max(one["ms"]["p95"] for one in found)
        missing = sum(one["sent"] - one["results"] for one in found)
        self.check(missing == 0, f"{missing} calls of others were not served {what}")
        self.check(sum(one["wrong"] for one in found) == 0, f"others got wrong answers {what}")
        self.within(worst, limit_ms, f"p95 of others {what}", control["ms"]["p95"])
        return worst

    def right(self, figures, what="", answered=True):
        """Nothing lost, nothing wrong."""
        self.check(figures["wrong"] == 0, f"{figures['wrong']} wrong answers {what}")
        if answered:
            missing = figures["lost"] + figures["unanswered"]
            self.check(missing == 0, f"{missing} calls without an answer {what}")

    # the gateway

    @contextlib.contextmanager
    def gateway(self, config="", environment=None):
        """In the end it must be as before its load: nothing in use, its descriptors as they were, a clean exit."""
        weir = Gateway(config, environment)
        try:
            self.warm_up(weir)
        except BaseException:
            weir.kill()
            raise
        try:
            yield weir
            self.settle(weir)
            weir.stop()
        except AssertionError as mistake:
            self.check(False, str(mistake))
            with contextlib.suppress(Exception):
                weir.kill()
            if complaint := COMPLAINTS.search(weir.output()):
                self.check(False, f"a sanitizer complained: {complaint[0]}")
        except BaseException:
            weir.kill()
            raise

    def warm_up(self, weir):
        """Everything that is made at the first use is there afterwards."""
        self.calls(weir, connections=16, count=64)
        if "websocket" in weir.logs("ready")[0]:
            self.calls(weir, websocket_frame(call_message()), connections=16, count=64, framing="websocket", prelude=UPGRADE)
        for name, url in weir.logs("ready")[0].items():
            if url.startswith("tcp:"):
                self.calls(weir, lines(call_message()), connections=16, count=64, framing="lines", port=int(url.rpartition(":")[2].split("/")[0]))
        wait_for(lambda: "connections" not in weir.used(), "the warm-up's connections to end")
        weir.descriptors_before = weir.descriptors()
        weir.memory_before = weir.resident_mib()

    def settle(self, weir):
        """Until nothing is in use any more."""
        if weir.process.poll() is not None:
            return
        end, used, descriptors = time.monotonic() + 20, {"not asked": 1}, 0
        while (used or descriptors > weir.descriptors_before) and time.monotonic() < end:
            time.sleep(0.02)
            descriptors, used = weir.descriptors(), weir.used()
        self.check(not used, f"still in use at the end: {used}")
        self.check(descriptors <= weir.descriptors_before, f"descriptors: {weir.descriptors_before} before, {descriptors} after")
        strays = weir.programs()
        self.check(not strays, f"programs left: {strays}")


def enough_descriptors(wanted):
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard >= wanted


def run(main, number, name):
    arguments = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--tenth", action="store_true")
    chosen = arguments.parse_args()
    stress = Stress(chosen.quick, chosen.tenth)
    begun, load, result, verdict = time.monotonic(), "", "", None
    enough_descriptors(0)
    try:
        load, result = main(stress)
    except Skip as reason:
        verdict, result = "SKIP", str(reason)
    except Exception as mistake:
        traceback.print_exc()
        stress.check(False, f"{type(mistake).__name__}: {mistake}")
    finally:
        subprocess.run(["rm", "-rf", str(stress.folder)], check=False)
    if stress.failures:
        verdict = "FAIL"
    verdict = verdict or "PASS"
    print(json.dumps({"number": number, "scenario": name, "load": load, "result": result, "verdict": verdict,
                      "failures": stress.failures, "figures": stress.figures, "seconds": round(time.monotonic() - begun, 1)}))
    sys.exit({"PASS": 0, "FAIL": 1, "SKIP": 77}[verdict])
