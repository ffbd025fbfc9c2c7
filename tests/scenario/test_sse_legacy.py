"""HTTP with SSE (2024-11-05): what is particular to it. What it has in common with the others is in test_every_transport.py."""
import asyncio
import http.client
import json
import signal
import time
import unittest

from transports import SECONDS, HttpConnection, Peer, Sse
from weir_process import WeirProcess

LISTEN = "listen: [{address: '127.0.0.1:0', transports: [http, sse], allowed_origins: ['https://app.example']}]\n"
SLOW = """
admin: {address: '127.0.0.1:0'}
threads: 2
commands: [{name: wait, run: [sleep, "600"], timeout: 600s}]
limits: {drain_timeout: 5s, request_timeout: 600s}
"""
WAIT = {"name": "wait", "arguments": {}}
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def sse(weir, **named):
    return Sse(weir.host, weir.port, "/sse", **named)


def used(weir):
    """{quota: units in use}"""
    host = weir.logs("ready")[0]["admin"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=SECONDS)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
            if line.startswith("weir_limit_used{")}


async def until(weir, **wanted):
    end = time.monotonic() + SECONDS
    while any((now := used(weir))[name] != value for name, value in wanted.items()):
        assert time.monotonic() < end, (now, wanted)
        await asyncio.sleep(0.02)


async def status_of(weir, method, target, fields=None, body=None):
    """Status, fields and body of one request on its own."""
    connection = await HttpConnection.open(weir.host, weir.port, None)
    status = await connection.request(method, target, "localhost", {"Connection": "close", **(fields or {})}, body)
    found = status, connection.fields, await connection.body() if status != 200 else b""
    connection.close()
    return found


class Requests(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(LISTEN + SLOW)

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    async def test_refused_streams(self):
        stream = {"Accept": "text/event-stream"}
        rows = [
            ("GET", "/sse", {**stream, "Origin": "http://evil.example"}, 403, "another origin"),
            ("GET", "/sse", {"Accept": "application/json"}, 406, "no stream wanted"),
            ("POST", "/sse", {**stream, "Content-Type": "application/json"}, 405, "a client of another transport tries its own first"),
            ("DELETE", "/sse", stream, 405, "nothing to delete"),
            ("GET", "/sse/", stream, 404, "another path"),
        ]
        for method, target, fields, wanted, comment in rows:
            with self.subTest(comment):
                status, found, _ = await status_of(self.weir, method, target, fields, b"{}" if method == "POST" else None)
                self.assertEqual(status, wanted)
                if status == 405:
                    self.assertEqual(found["allow"], "GET")

    async def test_refused_messages(self):
        transport = sse(self.weir)
        await transport.open()
        here = transport.endpoint.result()
        self.assertRegex(here, r"^/messages\?session=[0-9a-f]{32}$")
        ours = {"Content-Type": "application/json"}
        rows = [
            (here, {"Content-Type": "text/plain"}, PING, 415, "no JSON by its type"),
            (here, {}, PING, 415, "no type"),
            (here, ours, b"{", 400, "half a message"),
            (here, ours, b'{"jsonrpc":"2.0"}', 400, "no message"),
            (here, {**ours, "Origin": "http://evil.example"}, PING, 403, "another origin"),
            ("/messages", ours, PING, 404, "no session"),
            ("/messages?session=", ours, PING, 404, "an empty one"),
            ("/messages?session=" + "0" * 32, ours, PING, 404, "one that never was"),
            (here + "0", ours, PING, 404, "one digit too many"),
            (here, {**ours, "Accept": "text/html"}, b'{"jsonrpc":"2.0","method":"notifications/x"}', 202, "whatever it accepts"),
            (here + "&x=1", ours, b'{"jsonrpc":"2.0","method":"notifications/x"}', 202, "more in the query"),
        ]
        for target, fields, body, wanted, comment in rows:
            with self.subTest(comment):
                status, _, answer = await status_of(self.weir, "POST", target, fields, body)
                self.assertEqual(status, wanted, answer)
                if body is PING and wanted == 404:
                    self.assertEqual(json.loads(answer)["id"], 1)
        status, found, _ = await status_of(self.weir, "GET", here, {"Accept": "text/event-stream"})
        self.assertEqual((status, found["allow"]), (405, "POST"))
        await transport.close()
        await until(self.weir, streams=0)
        self.assertEqual((await status_of(self.weir, "POST", here, ours, PING))[0], 404)

    async def test_browser(self):
        """A page of an allowed origin: preflight, and the fields that let it read."""
        status, found, _ = await status_of(self.weir, "OPTIONS", "/messages", {
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type"})
        self.assertEqual((status, found["access-control-allow-origin"], found["access-control-allow-methods"]),
                         (204, "https://app.example", "POST"))

    async def test_too_large(self):
        with WeirProcess(LISTEN + "limits: {max_payload: 1KiB}\n") as weir:
            transport = sse(weir)
            await transport.open()
            self.assertEqual(await transport.post(b'"' + b"x" * 1024 + b'"'), 413)
            await transport.close()

    async def test_hang_up(self):
        """The end of the stream is the end of the session and of its calls."""
        transport = sse(self.weir)
        peer = await Peer(transport, False).__aenter__()
        await peer.begin("tools/call", WAIT)
        await peer.begin("tools/call", WAIT)
        await until(self.weir, sessions=1, streams=1, in_flight=2, processes=2)
        await transport.close()
        await until(self.weir, sessions=0, streams=0, in_flight=0, processes=0, subscriptions=0)

    async def test_many_streams(self):
        """Each message finds its own stream, on whatever reactor either is."""
        peers = [await Peer(sse(self.weir), False).__aenter__() for _ in range(20)]
        rounds = await asyncio.gather(*(peer.call("echo", {"message": f"{number}-{i}"})
                                        for i in range(10) for number, peer in enumerate(peers)))
        self.assertEqual([answer["content"][0]["text"] for answer in rounds],
                         [f"{number}-{i}" for i in range(10) for number in range(len(peers))])
        for peer in peers:
            await peer.__aexit__()

    async def test_back_pressure(self):
        """A request too many is refused; what it would take to go on is not."""
        async with Peer(sse(self.weir), False) as peer:
            statuses = []
            numbers = []
            for number in range(300):
                body = {"jsonrpc": "2.0", "id": f"n{number}", "method": "tools/call", "params": WAIT}
                statuses.append(await peer.transport.post(json.dumps(body).encode()))
                if statuses[-1] != 202:
                    break
                numbers.append(f"n{number}")
            self.assertEqual((statuses[-1], len(numbers)), (503, 256))
            self.assertIn("under way", json.loads(peer.transport.answer)["error"]["message"])
            for number in numbers:
                await peer.notify("notifications/cancelled", {"requestId": number})
            await until(self.weir, in_flight=0)
            self.assertEqual((await peer.call("echo", {"message": "on"}))["content"][0]["text"], "on")


class Limits(unittest.IsolatedAsyncioTestCase):
    async def test_streams(self):
        with WeirProcess(LISTEN + "limits: {max_streams: 1}\n") as weir:
            async with Peer(sse(weir), False) as peer:
                status, found, body = await status_of(weir, "GET", "/sse", {"Accept": "text/event-stream"})
                self.assertEqual((status, found["retry-after"]), (503, "1"))
                self.assertIn("limits.max_streams", json.loads(body)["error"]["message"])
                self.assertTrue(await peer.list_all("tools/list", "tools"))

    async def test_sessions(self):
        with WeirProcess(LISTEN + "limits: {max_sessions: 0}\n") as weir:
            transport = sse(weir)
            with self.assertRaisesRegex(Exception, "limits.max_sessions"):
                await Peer(transport, False).__aenter__()
            await transport.close()

    async def test_silent(self):
        """A stream that is opened and never spoken to does not stay; one that is used does."""
        with WeirProcess(LISTEN + "admin: {address: '127.0.0.1:0'}\nlimits: {idle_timeout: 300ms}\n") as weir:
            async with Peer(sse(weir), False) as peer:
                silent = sse(weir)
                await silent.open()
                await until(weir, streams=1)
                self.assertEqual((await peer.call("echo", {"message": "here"}))["content"][0]["text"], "here")
                await silent.close()

    async def test_drain(self):
        """What is under way is answered, then the streams end; so do those without a session."""
        with WeirProcess(LISTEN + "commands: [{name: second, run: [sleep, '1']}]\n") as weir:
            silent, transport = sse(weir), sse(weir)
            await silent.open()
            peer = await Peer(transport, False).__aenter__()
            _, future = await peer.begin("tools/call", {"name": "second", "arguments": {}})
            _, listed = await peer.begin("tools/list")
            await asyncio.wait_for(listed, SECONDS)
            weir.signal(signal.SIGTERM)
            self.assertNotIn("error", await asyncio.wait_for(future, SECONDS))
            for one in (silent, transport):
                while one._tasks:
                    await asyncio.wait(set(one._tasks), timeout=SECONDS)
                self.assertEqual(one.failures, [])
                await one.close()


if __name__ == "__main__":
    unittest.main()
