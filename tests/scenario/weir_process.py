"""A gateway as a child process, for black-box tests.

    with WeirProcess("listen: [{address: '127.0.0.1:0'}]") as weir:
        ... weir.url, weir.port ...

Starts `$WEIR_BINARY serve --config FILE` (default: build/asan/weir of this tree), waits until it says that it is ready, and on
stop() asserts that it exits with status 0 and that no sanitizer has complained.
"""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_CONFIG = "listen: [{address: '127.0.0.1:0'}]\n"
KEEPER = "command-keeper"
START_SECONDS = 60
STOP_SECONDS = 60
LAST_LINES = 5
URL = re.compile(r"(?:https?|tcp|tls)://(.*):(\d+)(/.*)?$")
COMPLAINTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|runtime error:")


def binary():
    return os.environ.get("WEIR_BINARY", str(ROOT / "build" / "asan" / "weir"))


class WeirProcess:
    """`under`: a program that starts it, as prlimit. stderr: the lines so far; logs(event): the parsed ones of that event."""

    def __init__(self, config=DEFAULT_CONFIG, environment=None, arguments=(), under=()):
        self.stderr = []
        self._news = threading.Condition()
        self._directory = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.config_path = Path(self._directory.name) / "weir.yaml"
        self.config_path.write_text(config)
        self.process = subprocess.Popen(
            [*under, binary(), "serve", "--config", str(self.config_path), *arguments],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self._directory.name,
            env={**os.environ, **(environment or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            ready = self.wait_log("ready", START_SECONDS)
        except AssertionError:
            self.kill()
            raise
        self.url = ready["url"].split(",")[0].split(" ")[0]
        match = URL.match(self.url)
        self.host, self.port, self.path = (match[1], int(match[2]), match[3]) if match else ("", 0, "/mcp")

    @property
    def ports(self):
        """Of all listeners, in their order; 0: a Unix socket."""
        ready = self.logs("ready")[0]
        urls = [ready["url"], *(ready[key] for key in ready if re.fullmatch(r"url\d+", key))]
        return [int(match[2]) if (match := URL.match(url)) else 0 for url in urls]

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self.stderr.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self.stderr.append("")
            self._news.notify_all()

    def logs(self, event):
        return [fields for fields in map(parse_line, list(self.stderr)) if fields.get("event") == event]

    def wait_log(self, event, seconds=30, count=1):
        """The count-th line of that event, when it has come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while len(found := self.logs(event)) < count:
                left = deadline - time.monotonic()
                if left <= 0 or (self.stderr and self.stderr[-1] == "" and self.process.poll() is not None):
                    raise AssertionError(f"no {count}. line {event!r}; the gateway said:\n{self.output()}")
                self._news.wait(min(left, 1))
        return found[count - 1]

    def output(self):
        return "\n".join(self.stderr)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        self.process.stderr.close()
        self._directory.cleanup()

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM; asserts a clean end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            waits, events = self._waits(), [line for line in self.stderr if parse_line(line).get("event") != "request"]
            self.kill()
            raise AssertionError(f"the gateway did not stop within {seconds} s. Its threads wait in {waits}. It said last:\n" +
                                 "\n".join(events[-LAST_LINES:])) from None
        self._reader.join(5)
        self.process.stderr.close()
        self._directory.cleanup()
        complaint = COMPLAINTS.search(self.output())
        assert not complaint, f"a sanitizer complained:\n{self.output()}"
        assert status == 0, f"exit status {status}:\n{self.output()}"

    def _waits(self):
        """Where in the kernel each thread is."""
        return ", ".join(f"{(task / 'comm').read_text().strip()}: {(task / 'wchan').read_text()}"
                         for task in Path(f"/proc/{self.process.pid}/task").iterdir())

    def _children(self):
        """(pid, name) of each."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, name, rest = re.match(r"(\d+) \((.*)\) (.*)", path.read_text(), re.DOTALL).groups()
            except OSError:
                continue
            if int(rest.split()[1]) == self.process.pid:
                found.append((int(pid), name))
        return found

    def programs(self):
        """The ids of the programs that commands have started, and that are not reaped."""
        return [pid for pid, name in self._children() if name != KEEPER]

    def keeper(self):
        """The id of the process that ends them if the gateway is killed."""
        return next(pid for pid, name in self._children() if name == KEEPER)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            self.stop()
        else:
            self.kill()


def parse_line(line):
    """One log line, JSON or logfmt, as a dictionary."""
    if line.startswith("{"):
        try:
            return json.loads(line)
        except ValueError:
            return {}
    fields = {}
    for key, quoted, bare in re.findall(r'([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line):
        fields[key] = json.loads(f'"{quoted}"') if quoted else bare
    return fields
