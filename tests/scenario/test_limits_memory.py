"""limits.memory: floods of large messages are refused at once, the process stays small, and all is well right after."""
import json
import os
import socket
import threading
import time
import unittest
from pathlib import Path

from raw_http import get, post
from test_http_front import ADMIN, LISTEN, META, WAIT_SECONDS, Client, call, metrics, used, wait_for
from websocket_client import CONTINUATION, TEXT, Closed, WebSocket, frame
from weir_process import WeirProcess

MIB = 1024 * 1024
BODY = 15 * MIB
SECONDS = 4
# What a sanitizer keeps of freed memory is no memory of ours.
QUIET = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}


def resident(weir):
    return int(Path(f"/proc/{weir.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def at_rest():
    """Resident bytes of a gateway that does nothing: sanitizers have much of their own."""
    with WeirProcess(LISTEN, QUIET) as weir:
        return resident(weir)


def shadowed(weir):
    """Whether the thread sanitizer keeps a shadow of all that was ever touched: what is resident says nothing then."""
    return "libtsan" in Path(f"/proc/{weir.process.pid}/maps").read_text()


def large(size=BODY):
    return call("echo", {"message": "x" * size})


class Flood(threading.Thread):
    """Clients that send one large message after another until they are told to stop; by HTTP status, what they got."""

    def __init__(self, weir, message, stop):
        super().__init__(daemon=True)
        self.weir, self.message, self.stop, self.seen = weir, message, stop, {}

    def run(self):
        while not self.stop.is_set():
            try:
                client = Client(self.weir)
                try:
                    client.send(self.message)
                    status = client.response()[0]
                finally:
                    client.close()
            except (ConnectionError, TimeoutError):
                status = "cut"  # refused while the body was still being sent
            self.seen[status] = self.seen.get(status, 0) + 1


class Memory(unittest.TestCase):
    def test_flood(self):
        limit = at_rest() + 100 * MIB
        with WeirProcess(LISTEN + ADMIN + f"limits: {{memory: {limit}}}\n", QUIET) as weir:
            stop, most = threading.Event(), 0
            floods = [Flood(weir, large(), stop) for _ in range(8)]
            for flood in floods:
                flood.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                most = max(most, resident(weir))
                time.sleep(0.005)
            stop.set()
            for flood in floods:
                flood.join(WAIT_SECONDS)
            if not shadowed(weir):
                self.assertLess(most, limit * 1.1, [flood.seen for flood in floods])
            self.assertGreater(metrics(weir)['weir_refusals_total{reason="memory"}'], 0)
            seen = {status for flood in floods for status in flood.seen}
            self.assertLessEqual(seen, {200, 503, "cut"})
            client = Client(weir)
            wait_for(lambda: client.send(call("echo", {"message": "x"})).response()[0] == 200, "normal service")
            wait_for(lambda: client.send(get(b"/readyz")).response()[0] == 200, "ready")
            client.close()
            self.assertEqual(metrics(weir)['weir_limit_max{limit="memory"}'], limit)

    def test_what_could_never_fit(self):
        limit = at_rest() + 8 * MIB
        with WeirProcess(LISTEN + ADMIN + f"limits: {{memory: {limit}, max_payload: 1GiB}}\n", QUIET) as weir:
            client = Client(weir, b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                  b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n" % (limit * 2))
            status, _, body = client.response()
            self.assertEqual((status, "limits.memory" in json.loads(body)["error"]["message"]), (413, True))
            client.close()
            client = Client(weir, large(3 * MIB)[:2000])  # five times that, while it is worked on
            status, fields, body = client.response()
            self.assertEqual((status, fields.get("retry-after")), (503, "1"), body)
            client.close()

    def test_small_things_that_make_large_trees(self):
        """Three bytes of JSON may be a kilobyte of objects."""
        limit = at_rest() + 200 * MIB
        with WeirProcess(LISTEN + ADMIN + f"limits: {{memory: {limit}}}\n", QUIET) as weir:
            things = "[" + ",".join(["{}"] * (3 * MIB)) + "]"
            body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
                               "params": {"name": "echo", "arguments": {"message": 0}, "_meta": META}})
            client = Client(weir, post(body.replace('"message": 0', f'"message": {things}').encode(),
                                       {"Mcp-Method": "tools/call", "Mcp-Name": "echo"}))
            status, _, answer = client.response()
            self.assertEqual((status, json.loads(answer)["id"]), (413, 7))
            self.assertLess(resident(weir), limit)
            client.close()

    def test_websocket(self):
        limit = at_rest() + 24 * MIB
        with WeirProcess(LISTEN + ADMIN + f"limits: {{memory: {limit}}}\n", QUIET) as weir:
            with WebSocket(weir.port) as client:
                answer = client.call("tools/call", {"name": "echo", "arguments": {"message": "x" * 8 * MIB}})
                self.assertEqual(answer["error"]["code"], 413 if 5 * 8 * MIB > limit else 503)  # sanitizers are large at rest
                self.assertIn("limits.memory", answer["error"]["message"])
                self.assertIn("result", client.call("tools/list"))
            half = "y" * 14 * MIB  # of a message that does not end
            with WebSocket(weir.port) as first, WebSocket(weir.port) as second:
                start(first, half)
                wait_for(lambda: used(weir, "memory") > limit - 12 * MIB, "the first half")
                with self.assertRaises((Closed, ConnectionError)) as refused:
                    start(second, half)
                    second.receive()
                if isinstance(refused.exception, Closed):
                    self.assertEqual(refused.exception.code, 1013)
            if shadowed(weir):
                return
            wait_for(lambda: used(weir, "memory") < limit - 12 * MIB, "what was charged to go")
            self.assertGreater(metrics(weir)['weir_refusals_total{reason="memory"}'], 0)


    def test_lines(self):
        """What waits for the end of its line is charged; what is refused is skipped, and the next line is served."""
        limit = at_rest() + 24 * MIB
        listen = "listen: [{address: '127.0.0.1:0', transports: [stream]}]\n"
        with WeirProcess(listen + ADMIN + f"limits: {{memory: {limit}}}\n", QUIET) as weir:
            half = b'"' + b"y" * 14 * MIB
            with socket.create_connection(("127.0.0.1", weir.port), WAIT_SECONDS) as first, \
                    socket.create_connection(("127.0.0.1", weir.port), WAIT_SECONDS) as second:
                first.sendall(half)
                wait_for(lambda: used(weir, "memory") > limit - 12 * MIB, "the first half")
                second.sendall(half + b'"\n{"jsonrpc": "2.0", "id": 7, "method": "tools/list"}\n')
                answers = second.makefile("rb")
                refused, served = json.loads(answers.readline()), json.loads(answers.readline())
                self.assertEqual((refused["error"]["code"], refused.get("id")), (503, None))
                self.assertIn("limits.memory", refused["error"]["message"])
                self.assertEqual(served["id"], 7)
                self.assertGreater(metrics(weir)['weir_refusals_total{reason="memory"}'], 0)
                first.close()
                if not shadowed(weir):  # nothing is kept for the one that stays
                    wait_for(lambda: used(weir, "memory") < limit - 18 * MIB, "what was charged to go")


def start(client, message):
    for at in range(0, len(message), MIB):
        part = message[at:at + MIB].encode()
        client.send(frame(TEXT if at == 0 else CONTINUATION, part, fin=False))


if __name__ == "__main__":
    unittest.main()
