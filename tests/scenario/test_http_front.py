"""The HTTP front under unkind conditions: full houses, no descriptors, readers that do not read, clients that vanish, drains."""
import json
import os
import resource
import signal
import socket
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from raw_http import get, post
from weir_process import WeirProcess, binary

WAIT_SECONDS = 30
ADMIN = "admin: {address: '127.0.0.1:0'}\n"
LISTEN = "listen: [{address: '127.0.0.1:0'}]\n"
SLOW = """
commands:
  - {name: wait, run: [sleep, "100"], input_schema: {type: object}, timeout: 100s}
  - {name: second, run: [sleep, "1"], input_schema: {type: object}, timeout: 100s}
"""
FLOOD = f"modules: [{{path: '{Path(binary()).resolve().parent}/fixtures/flood.so'}}]\n"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def wait_for(condition, what):
    end = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)
    return found


def modern(method, params=None, name=None, number=1, meta=None):
    body = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**(params or {}), "_meta": {**META, **(meta or {})}}}
    return post(json.dumps(body).encode(), {"Mcp-Method": method, "Mcp-Name": name})


def call(tool, arguments=None, number=1):
    return modern("tools/call", {"name": tool, "arguments": arguments or {}}, tool, number)


LISTEN_REQUEST = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})


class Client:
    """A socket that reads responses."""

    def __init__(self, weir, data=b""):
        self.socket = socket.create_connection((weir.host, weir.port), timeout=WAIT_SECONDS)
        self.file = self.socket.makefile("rb")
        self.send(data)

    def send(self, data):
        self.socket.sendall(data)
        return self

    def head(self):
        """Status and fields of the next response; (0, {}) at the end."""
        line = self.file.readline()
        if not line:
            return 0, {}
        found = {}
        while (text := self.file.readline()) not in (b"\r\n", b""):
            name, value = text.split(b":", 1)
            found[name.decode().lower()] = value.strip().decode()
        return int(line.split(b" ")[1]), found

    def response(self):
        status, found = self.head()
        return status, found, self.file.read(int(found.get("content-length", 0)))

    def event(self):
        """The next event of a stream as its fields; None at the end. Comments are skipped."""
        found = {}
        while True:
            size = int(self.file.readline() or b"0", 16)
            chunk = self.file.read(size + 2)[:size]
            if size == 0:
                return None
            for line in chunk.decode().split("\n"):
                name, colon, value = line.partition(":")
                if name and colon:
                    found[name] = value.removeprefix(" ")
            if found:
                return found

    def closed(self):
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()


def ask(weir, data):
    """One request on a connection of its own."""
    client = Client(weir, data)
    try:
        return client.response()
    finally:
        client.close()


def metrics(weir):
    """The admin listener's numbers by name and labels."""
    with urllib.request.urlopen(weir.logs("ready")[0]["admin"] + "/metrics", timeout=WAIT_SECONDS) as response:
        lines = response.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}


def used(weir, limit):
    return metrics(weir)[f'weir_limit_used{{limit="{limit}"}}']


def cpu_seconds(weir):
    times = Path(f"/proc/{weir.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


class Streams(unittest.TestCase):
    def test_many_and_gone(self):
        with WeirProcess(LISTEN + ADMIN) as weir:
            before = weir.descriptors()
            clients = [Client(weir, LISTEN_REQUEST) for _ in range(200)]
            for client in clients:
                status, found = client.head()
                self.assertEqual(status, 200)
                self.assertEqual(found["content-type"], "text/event-stream")
                self.assertEqual(found["cache-control"], "no-store")
                self.assertEqual(found["x-accel-buffering"], "no")
                self.assertIn("acknowledged", client.event()["data"])
            for number, client in enumerate(clients):
                client.close() if number % 2 else client.reset()
            wait_for(lambda: weir.descriptors() <= before, "closed connections")
            wait_for(lambda: metrics(weir)["weir_hang_ups_total"] == 200, "hang-ups to be counted")

    def test_end_of_the_writing_side_counts_as_gone(self):
        with WeirProcess(LISTEN) as weir:
            before = weir.descriptors()
            client = Client(weir, LISTEN_REQUEST)
            self.assertEqual(client.head()[0], 200)
            client.socket.shutdown(socket.SHUT_WR)
            while client.event():
                pass
            wait_for(lambda: weir.descriptors() <= before, "the connection to go")
            client.close()

    def test_get_stream_on_a_connection_that_has_carried_posts(self):
        legacy = {"MCP-Protocol-Version": None, "Mcp-Method": None}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        hello = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).encode()
        with WeirProcess(LISTEN) as weir:
            client = Client(weir, post(hello, legacy))
            status, found, _ = client.response()
            self.assertEqual(status, 200)
            session = {**legacy, "Mcp-Session-Id": found["mcp-session-id"]}
            client.send(post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}', session))
            self.assertEqual(client.response()[0], 202)
            client.send(get(b"/mcp", extra=[b"Accept: text/event-stream", b"Mcp-Session-Id: " + found["mcp-session-id"].encode()]))
            status, found = client.head()
            self.assertEqual((status, found["content-type"]), (200, "text/event-stream"))
            self.assertIn("id", client.event())
            client.close()

    def test_a_hang_up_ends_the_handler(self):
        with WeirProcess(LISTEN + ADMIN + SLOW) as weir:
            def running():
                return used(weir, "processes")

            clients = [Client(weir, call("wait")) for _ in range(8)]
            wait_for(lambda: running() == 8, "the programs")
            for client in clients:
                client.close()
            wait_for(lambda: running() == 0, "the programs to be ended")


    def test_silence_is_broken_by_comments(self):
        with WeirProcess(LISTEN) as weir:
            client = Client(weir, LISTEN_REQUEST)
            self.assertEqual(client.head()[0], 200)
            client.event()
            self.assertEqual(client.file.readline(), b"3\r\n")  # within the socket's time limit, twice the interval
            self.assertEqual(client.file.readline(), b":\n")
            client.close()

    def test_a_stream_that_nobody_reads(self):
        loud = {"io.modelcontextprotocol/logLevel": "debug"}
        with WeirProcess(LISTEN + ADMIN + FLOOD + "limits: {max_send_queue: 256KiB}\n") as weir:
            before = weir.descriptors()
            slow = Client(weir, modern("tools/call", {"name": "flood", "arguments": {}}, "flood", meta=loud))
            wait_for(lambda: metrics(weir)["weir_slow_readers_total"] == 1, "the reader to be cut off")
            self.assertEqual(ask(weir, call("echo", {"message": "hi"}))[0], 200)
            wait_for(lambda: used(weir, "workers") == 0, "the handlers to be told")
            slow.close()
            wait_for(lambda: weir.descriptors() <= before, "closed connections")


class Limits(unittest.TestCase):
    def test_full_house(self):
        with WeirProcess(LISTEN + "limits: {max_connections: 20}\n") as weir:
            inside = [Client(weir, get()) for _ in range(20)]
            for client in inside:
                self.assertEqual(client.response()[0], 200)
            for _ in range(100):  # more than linger at once
                client = Client(weir)
                status, found, body = client.response()
                self.assertEqual((status, found["connection"]), (503, "close"))
                self.assertGreaterEqual(int(found["retry-after"]), 1)
                self.assertEqual(json.loads(body)["error"]["code"], 503)
                client.close()
            for client in inside:
                self.assertEqual(client.send(get()).response()[0], 200)
            inside.pop().close()
            wait_for(lambda: ask(weir, get())[0] == 200, "a place")
            for client in inside:
                client.close()

    def test_no_descriptors_left(self):
        with WeirProcess(LISTEN + ADMIN + "threads: 1\n") as weir:
            inside = [Client(weir, get()) for _ in range(10)]
            for client in inside:
                self.assertEqual(client.response()[0], 200)
            soft, hard = resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE, (weir.descriptors() + 2, hard))
            outside = [Client(weir, get()) for _ in range(10)]
            for client in inside:
                self.assertEqual(client.send(get()).response()[0], 200, "who is served stays served")
            before = cpu_seconds(weir)
            self.assertEqual(inside[0].send(call("time")).response()[0], 200)
            time.sleep(1)  # what is measured is a second in which nothing should happen
            self.assertLess(cpu_seconds(weir) - before, 0.3, "no spinning")
            resource.prlimit(weir.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            for client in outside:
                self.assertEqual(client.response()[0], 200, "who waited is served in the end")
            self.assertGreaterEqual(metrics(weir)["weir_accept_pauses_total"], 1)
            for client in inside + outside:
                client.close()

    def test_answers_that_nobody_reads(self):
        """Back-pressure while the socket is full, the end when that lasts; others do not notice."""
        with WeirProcess(LISTEN + ADMIN + "limits: {body_timeout: 1s}\n") as weir:
            before = weir.descriptors()
            greedy = Client(weir)
            greedy.socket.setblocking(False)
            data = call("echo", {"message": "x" * 50000}) * 20
            rest = b""
            other = Client(weir)
            end = time.monotonic() + WAIT_SECONDS
            try:
                while time.monotonic() < end:
                    rest = rest or data
                    try:
                        rest = rest[greedy.socket.send(rest):]
                    except BlockingIOError:
                        pass
                    start = time.monotonic()
                    self.assertEqual(other.send(call("echo", {"message": "hi"})).response()[0], 200)
                    self.assertLess(time.monotonic() - start, 5)
            except (ConnectionResetError, BrokenPipeError):
                pass
            self.assertLess(time.monotonic(), end, "a reader that never reads is cut off")
            self.assertEqual(metrics(weir)["weir_slow_readers_total"], 1)
            greedy.close()
            other.close()
            wait_for(lambda: weir.descriptors() <= before, "closed connections")

    def test_payload_is_refused_in_time(self):
        with WeirProcess(LISTEN + "limits: {max_payload: 1MiB}\n") as weir:
            for data in (post(b"", extra=[b"Content-Length: 1048577"], length=False),
                         post(b"110000\r\n" + b" " * 0x110000, extra=[b"Transfer-Encoding: chunked"], length=False)):
                start = time.monotonic()
                client = Client(weir)
                try:
                    client.send(data)
                except ConnectionError:
                    pass
                self.assertEqual(client.response()[0], 413)
                self.assertLess(time.monotonic() - start, 2)
                client.close()


class Browsers(unittest.TestCase):
    def test_allowed_origin(self):
        config = "listen: [{address: '127.0.0.1:0', allowed_hosts: [localhost, gw.example], allowed_origins: ['https://app.example']}]\n"
        with WeirProcess(config) as weir:
            client = Client(weir, get(b"/mcp", host=b"gw.example:99", method=b"OPTIONS", extra=[
                b"Origin: https://app.example", b"Access-Control-Request-Method: POST",
                b"Access-Control-Request-Headers: content-type, mcp-param-region"]))
            status, found, _ = client.response()
            self.assertEqual(status, 204)
            self.assertEqual(found["access-control-allow-origin"], "https://app.example")
            self.assertIn("POST", found["access-control-allow-methods"])
            self.assertEqual(found["access-control-allow-headers"], "content-type, mcp-param-region")
            self.assertEqual(found["vary"], "Origin")
            client.send(post(changes={"Origin": "https://app.example"}))
            status, found, _ = client.response()
            self.assertEqual((status, found["access-control-allow-origin"]), (200, "https://app.example"))
            self.assertEqual(found["access-control-expose-headers"], "Mcp-Session-Id, Retry-After, WWW-Authenticate")
            client.send(post())
            self.assertNotIn("access-control-allow-origin", client.response()[1])
            client.send(post(changes={"Origin": "http://localhost"}))
            status, found, body = client.response()
            self.assertEqual(status, 403, "configured origins replace the loopback ones")
            self.assertNotIn("access-control-allow-origin", found)
            self.assertEqual(json.loads(body)["error"]["code"], 403)
            client.close()

    def test_refusals_have_what_they_owe(self):
        with WeirProcess(LISTEN) as weir:
            status, found, body = ask(weir, get(b"/mcp", method=b"PUT"))
            self.assertEqual((status, found["allow"]), (405, "GET, POST, DELETE"))
            status, found, body = ask(weir, get(method=b"DELETE"))
            self.assertEqual((status, found["allow"]), (405, "GET, HEAD"))
            for data in (get(b"/nowhere"), post(changes={"Content-Type": "text/plain"}), post(changes={"Accept": "text/html"}),
                         post(changes={"Host": "evil.example"}), get(host=None)):
                status, found, body = ask(weir, data)
                if data == get(host=None):
                    self.assertEqual(status, 400, "the library's own refusal")
                else:
                    self.assertEqual(json.loads(body)["error"]["code"], status)


class Ends(unittest.TestCase):
    def test_drain(self):
        with WeirProcess(LISTEN + ADMIN + SLOW) as weir:
            working = Client(weir, call("second"))
            idle = Client(weir, get())
            self.assertEqual(idle.response()[0], 200)
            stream = Client(weir, LISTEN_REQUEST)
            self.assertEqual(stream.head()[0], 200)
            self.assertIn("acknowledged", stream.event()["data"])
            wait_for(lambda: used(weir, "in_flight") == 1, "the call")
            weir.signal(signal.SIGTERM)
            self.assertTrue(idle.closed())
            last = stream.event()
            self.assertIn("result", json.loads(last["data"]))
            self.assertIsNone(stream.event())
            status, found, body = working.response()
            self.assertEqual((status, found["connection"]), (200, "close"))
            self.assertIn("result", json.loads(body))
            self.assertTrue(working.closed())
            for client in (working, idle, stream):
                client.close()

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = directory + "/weir.sock"
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()  # a path that nobody listens on is taken over
            with WeirProcess(f"listen: [{{address: 'unix:{path}'}}]\nthreads: 2\n") as weir:
                for _ in range(20):
                    client = socket.socket(socket.AF_UNIX)
                    client.connect(path)
                    client.sendall(post())
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200 "))
                    client.close()
                second = WeirProcess.__new__(WeirProcess)
                with self.assertRaises(AssertionError):
                    second.__init__(weir.config_path.read_text())  # somebody listens there
            self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
