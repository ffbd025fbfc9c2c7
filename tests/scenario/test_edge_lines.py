"""Newline-delimited messages: a client that starts the gateway itself and speaks on its standard input and output, and
listeners in the same framing."""
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from edge import SECONDS, connect, message, read_to_end, wait_counter
from weir_process import COMPLAINTS, WeirProcess, binary, parse_line

CONFIG = """
limits: {max_payload: 2MiB, max_connections: 3, drain_timeout: 5s}
commands:
  - {name: slow, run: [sleep, "0.5"]}
  - {name: chatty, run: [sh, -c, "echo to the result; echo to nobody >&2"]}
"""
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "scenario", "version": "1"}}}


class Lines:
    """Messages by lines; the two ends are file objects."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, *messages):
        for each in messages:
            self.writer.write((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n")
        self.writer.flush()

    def receive(self):
        return json.loads(self.reader.readline())

    def ask(self, *messages):
        self.send(*messages)
        return self.receive()


def check_both_eras(lines):
    """Of one connection; what comes is about the request that was sent last."""
    modern = lines.ask(message("tools/call", 1, name="echo", arguments={"message": "modern"}))
    assert modern["id"] == 1 and modern["result"]["content"][0]["text"] == "modern", modern
    begun = lines.ask(INITIALIZE)
    assert begun["result"]["protocolVersion"] == "2025-06-18", begun
    lines.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    legacy = lines.ask({"jsonrpc": "2.0", "id": "a", "method": "tools/call",
                        "params": {"name": "echo", "arguments": {"message": "legacy"}}})
    assert legacy["id"] == "a" and legacy["result"]["content"][0]["text"] == "legacy", legacy
    assert lines.ask({"jsonrpc": "2.0", "id": 2, "method": "ping"})["result"] == {}


def check_bad_lines(lines):
    """Each is refused, and the next is served."""
    for bad, code in [(b"garbage", -32700), (b"\xff\xfe", -32700), (b"[]", -32600), (b"{}", -32600), (b"17", -32600),
                      (b"[" * 5000, -32700)]:
        refused = lines.ask(bad)
        assert refused["error"]["code"] == code, (bad[:20], refused)
    refused = lines.ask(message("tools/call", 1, name="echo", arguments={"message": "x" * 2**21}))
    assert "error" in refused and refused.get("id") is None, refused
    lines.send(b"", b"\r", b"  ")  # empty lines say nothing
    assert lines.ask(message(number=7) + b"\r")["id"] == 7


class Stdio(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.config = Path(folder.name) / "weir.yaml"
        self.config.write_text(CONFIG)
        self.stderr = (Path(folder.name) / "stderr").open("w+")
        self.addCleanup(self.stderr.close)

    def start(self, *arguments, **options):
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
        process = subprocess.Popen([binary(), "serve", "--stdio", "--config", str(self.config), *arguments],
                                   stderr=self.stderr, **streams)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        for stream in process.stdin, process.stdout:
            if stream:
                self.addCleanup(stream.close)
        return process, Lines(process.stdout, process.stdin)

    def said(self):
        self.stderr.seek(0)
        return self.stderr.read()

    def assert_ended(self, process, status=0):
        self.assertEqual(process.wait(SECONDS), status, self.said())
        self.assertFalse(COMPLAINTS.search(self.said()), self.said())

    def test_both_eras_until_the_input_ends(self):
        process, lines = self.start()
        check_both_eras(lines)
        check_bad_lines(lines)
        process.stdin.close()
        self.assertEqual(process.stdout.read(), b"")  # nothing but answers
        self.assert_ended(process)

    def test_a_large_message(self):
        process, lines = self.start()
        text = "x" * 2**20
        echoed = lines.ask(message("tools/call", 1, name="echo", arguments={"message": text}))
        self.assertEqual(echoed["result"]["content"][0]["text"], text)
        process.stdin.close()
        self.assert_ended(process)

    def test_the_end_of_the_input_waits_for_answers(self):
        """The input ends while requests are under way, and within a last line that has no newline."""
        process, lines = self.start()
        lines.send(message("tools/call", 1, name="slow"), message("tools/call", 2, name="slow"))
        process.stdin.write(message(number=3))
        process.stdin.close()
        self.assertEqual(sorted(lines.receive()["id"] for _ in range(3)), [1, 2, 3])
        self.assertEqual(process.stdout.read(), b"")
        self.assert_ended(process)

    def test_an_input_that_ends_within_a_message(self):
        process, lines = self.start()
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"meth')
        process.stdin.close()
        self.assertEqual(lines.receive()["error"]["code"], -32700)
        self.assert_ended(process)

    def test_a_client_that_reads_no_more(self):
        process, lines = self.start()
        process.stdout.close()
        lines.send(message())
        self.assert_ended(process)

    def test_sigterm(self):
        process, lines = self.start()
        lines.send(message("tools/call", 1, name="slow"))
        lines.ask(message(number=2))
        process.terminate()
        self.assertEqual(lines.receive()["id"], 1)  # what was under way is answered
        self.assertEqual(process.stdout.read(), b"")
        self.assert_ended(process)

    def test_what_programs_print_does_not_come_between(self):
        process, lines = self.start()
        result = lines.ask(message("tools/call", 1, name="chatty"))["result"]
        self.assertIn("to the result", result["content"][0]["text"])
        process.stdin.close()
        self.assertEqual(process.stdout.read(), b"")
        self.assert_ended(process)

    def test_files(self):
        """Standard input and output may be files."""
        source = self.config.with_name("in")
        source.write_bytes(message(number=1) + b"\n" + message(number=2))
        target = self.config.with_name("out")
        with source.open("rb") as into, target.open("wb") as out:
            process, _ = self.start(stdin=into, stdout=out)
            self.assert_ended(process)
        self.assertEqual(sorted(json.loads(line)["id"] for line in target.read_text().splitlines()), [1, 2])

    def test_a_socket_for_both(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process, _ = self.start(stdin=theirs, stdout=theirs)
            theirs.close()
            stream = ours.makefile("rwb")
            check_both_eras(Lines(stream, stream))
            ours.shutdown(socket.SHUT_WR)
            self.assertEqual(stream.read(), b"")
            self.assert_ended(process)

    def test_listeners_only_when_asked_for(self):
        self.config.write_text(CONFIG + "listen: [{address: '127.0.0.1:1'}]\nadmin: {address: '127.0.0.1:2'}\n")
        process, lines = self.start()  # either address would be refused
        lines.ask(message())
        process.stdin.close()
        self.assert_ended(process)
        self.config.write_text(CONFIG)
        process, lines = self.start("--listen", "127.0.0.1:0")
        lines.ask(message())
        ready = [line for line in map(parse_line, self.said().splitlines()) if line.get("event") == "ready"][-1]
        with connect(int(ready["url"].rpartition(":")[2].partition("/")[0])) as web:
            web.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", web.recv(4096))
        process.stdin.close()
        self.assert_ended(process)


class Listeners(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "lines.sock")
        self.weir = WeirProcess(CONFIG + f"listen:\n- {{address: '127.0.0.1:0', transports: [stream]}}\n"
                                         f"- {{address: 'unix:{self.path}', transports: [stream]}}\n")
        self.addCleanup(self.weir.kill)
        ready = self.weir.logs("ready")[0]
        self.assertRegex(ready["url"], r"^tcp://127\.0\.0\.1:\d+$")
        self.assertEqual(ready["url2"], f"unix:{self.path}")
        self.port = int(ready["url"].rpartition(":")[2])

    def tearDown(self):
        self.weir.stop()

    def connect(self, local=False):
        if local:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(SECONDS)
            connection.connect(self.path)
        else:
            connection = connect(self.port)
        self.addCleanup(connection.close)
        stream = connection.makefile("rwb")
        self.addCleanup(stream.close)
        return connection, Lines(stream, stream)

    def test_both_eras(self):
        for local in False, True:
            connection, lines = self.connect(local)
            check_both_eras(lines)
            check_bad_lines(lines)
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(lines.reader.read(), b"")

    def test_sessions_are_of_their_connections(self):
        _, one = self.connect()
        _, other = self.connect()
        one.ask(INITIALIZE)
        refused = other.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        self.assertIn("error", refused)
        one.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.assertIn("result", one.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))

    def test_one_too_many_is_told_so_in_a_line(self):
        held = [self.connect(local) for local in (False, True, False)]
        for _, lines in held:
            lines.ask(message())
        connection, lines = self.connect()
        refused = lines.receive()
        self.assertEqual((refused["jsonrpc"], refused.get("id")), ("2.0", None))
        self.assertIn("message", refused["error"])
        self.assertEqual(read_to_end(connection), b"")
        held[0][0].close()
        held[0][1].reader.close()
        deadline = time.monotonic() + SECONDS
        while True:
            connection, lines = self.connect()
            if "result" in lines.ask(message()):
                break
            self.assertLess(time.monotonic(), deadline)

    def test_byte_by_byte_and_many_at_once(self):
        connection, lines = self.connect()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in message(number=1) + b"\n":
            connection.sendall(bytes([byte]))
        self.assertEqual(lines.receive()["id"], 1)
        lines.send(*(message(number=number) for number in range(1000)))
        self.assertEqual(sorted(lines.receive()["id"] for _ in range(1000)), list(range(1000)))


class Time(unittest.TestCase):
    """Connections that keep a place for nothing."""

    def setUp(self):
        self.weir = WeirProcess("listen: [{address: '127.0.0.1:0', transports: [stream]}]\nadmin: {address: '127.0.0.1:0'}\n"
                                "limits: {body_timeout: 1s, idle_timeout: 1s, session_idle: 1m}\n")
        self.addCleanup(self.weir.stop)

    def test_half_a_line(self):
        connection = connect(self.weir.port)
        connection.sendall(message()[:20])
        refused = json.loads(read_to_end(connection))
        self.assertEqual((refused["error"]["code"], refused.get("id")), (408, None))
        connection.close()
        wait_counter(self.weir, 'weir_timeouts_total{stage="body"}', 1)

    def test_nothing(self):
        connection = connect(self.weir.port)
        self.assertEqual(read_to_end(connection), b"")
        connection.close()
        wait_counter(self.weir, 'weir_timeouts_total{stage="idle"}', 1)

    def test_answers_that_nobody_takes(self):
        """A few, that fit into the send queue: others get no answer for want of it."""
        connection = connect(self.weir.port)
        connection.setblocking(False)
        block, sent = (message() + b"\n") * 100, 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                sent += connection.send(block[sent % len(block):])
            except BlockingIOError:
                time.sleep(0.01)  # the other side is to lose its patience
            except ConnectionError:
                break
        else:
            self.fail("it was not cut off")
        connection.close()
        wait_counter(self.weir, "weir_slow_readers_total", 1)

    def test_a_session_may_rest(self):
        connection, other = connect(self.weir.port), connect(self.weir.port)
        lines = Lines(connection.makefile("rb"), connection.makefile("wb"))
        self.assertIn("result", lines.ask(INITIALIZE))
        self.assertEqual(read_to_end(other), b"", "without one, the time is over")
        self.assertEqual(lines.ask({"jsonrpc": "2.0", "id": 2, "method": "ping"})["result"], {})
        lines.reader.close(), lines.writer.close(), connection.close(), other.close()


if __name__ == "__main__":
    unittest.main()
