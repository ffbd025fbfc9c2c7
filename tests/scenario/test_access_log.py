"""The access log: a line per request on every front and in both eras, and nothing in any log that is secret."""
import asyncio
import http.client
import json
import signal
import socket
import unittest

import client
from transports import Http, Peer, WebSocket
from weir_process import WeirProcess
from websocket import frame, upgrade_head

SECRET = "s3cr3t-T0ken-never-in-a-log"


def config(extra="", log=""):
    return f"listen: [{{address: '127.0.0.1:0', transports: [http, websocket, sse]}}]\nlog: {{level: debug{log}}}\n{extra}"


def named(weir, name):
    """The line of the request of that name, when it has come."""
    for count in range(1, 1000):
        line = weir.wait_log("request", count=count)
        if line.get("name") == name:
            return line
    raise AssertionError(name)


class AccessLog(unittest.TestCase):
    def check(self, line, **expected):
        self.assertEqual({key: line.get(key) for key in expected}, expected, line)

    def test_fields(self):
        with WeirProcess(config(log=", format: json")) as weir:
            client.call_text(weir, "echo", {"message": "hello"})
            line = weir.wait_log("request")
            self.check(line, client="127.0.0.1", proof="anonymous", subject="", era="modern", revision="2026-07-28",
                       method="tools/call", name="echo", front="http", endpoint="/mcp", outcome="ok", status=200)
            self.assertNotIn("arguments", line)
            self.assertGreater(line["in"], 200)
            self.assertGreater(line["out"], 100)
            self.assertGreater(line["ms"], 0)

    def test_each_outcome(self):
        with WeirProcess(config()) as weir:
            status, _ = client.post(weir, "tools/call", {"name": "nope"}, "nope")
            self.check(named(weir, "nope"), outcome="error", error="INVALID_PARAMS", status=str(status))
            client.post(weir, "resources/read", {"uri": f"a://u:{SECRET}@b/c?{SECRET}"}, f"a://u:{SECRET}@b/c?{SECRET}")
            self.check(named(weir, "a://…@b/c?…"), outcome="error", error="RESOURCE_NOT_FOUND")
            status, _ = client.post(weir, "no/such")
            self.check(weir.wait_log("request", count=3), method="unknown", status=str(status), error="METHOD_NOT_FOUND")
            self.ask(weir, b"{", 400)
            self.check(weir.wait_log("request", count=4), outcome="refused", error="PARSE", status="400")
            self.ask(weir, b"{}", 415, {"Content-Type": "text/plain"})
            self.check(weir.wait_log("request", count=5), outcome="refused", error="UNSUPPORTED_MEDIA", status="415")
            self.assertEqual(len(weir.logs("request")), 5)

    def ask(self, weir, body, expected, fields=None):
        connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(fields or {})}
        connection.request("POST", weir.path, body, fields)
        self.assertEqual(connection.getresponse().status, expected)
        connection.close()

    @staticmethod
    def of_method(weir, method):
        """Its line, when it has come: those of several reactors come in any order."""
        for count in range(1, 100):
            weir.wait_log("request", count=count)
            for line in weir.logs("request"):
                if line.get("method") == method:
                    return line
        raise AssertionError(f"no line of {method}")

    def test_every_front_and_era(self):
        async def use(weir, transport, modern):
            async with Peer(transport(weir.host, weir.port, weir.path), modern) as peer:
                await peer.call("echo", {"message": "hello"})

        for transport, front in ((Http, "http"), (WebSocket, "websocket")):
            for modern in False, True:
                with self.subTest(front=front, modern=modern), WeirProcess(config()) as weir:
                    asyncio.run(use(weir, transport, modern))
                    line = named(weir, "echo")
                    self.check(line, front=front, era="modern" if modern else "legacy", method="tools/call", outcome="ok",
                               revision="2026-07-28" if modern else "2025-11-25", endpoint="/mcp")
                    self.assertEqual("session" in line, not modern)
                    method = "server/discover" if modern else "initialize"
                    self.check(self.of_method(weir, method), method=method, outcome="ok")

    def test_a_stream_has_its_line_when_it_begins(self):
        async def use(weir):
            async with Peer(Http(weir.host, weir.port, weir.path), True) as peer:
                await peer.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await peer.wait_notification("notifications/subscriptions/acknowledged")
                line = await asyncio.to_thread(self.of_method, weir, "subscriptions/listen")
                self.check(line, method="subscriptions/listen", outcome="ok", status="200")

        with WeirProcess(config()) as weir:
            asyncio.run(use(weir))
            self.assertEqual(len([line for line in weir.logs("request") if line["method"] == "subscriptions/listen"]), 1)

    def test_what_was_no_request_yet(self):
        """Refused while its body came, or as the head of an upgrade: on a new connection, and on one that is kept alive."""
        keys = "auth: {api_keys: [{name: somebody, sha256: '%s'}]}\n" % ("ab" * 32)
        head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" \
               b"Accept: application/json, text/event-stream\r\n\r\n"
        with WeirProcess(config("limits: {max_payload: 1KiB}\n")) as weir:
            with socket.create_connection((weir.host, weir.port), timeout=30) as raw:
                raw.sendall(head + b"1000\r\n" + b" " * 4096 + b"\r\n")
                self.assertIn(b" 413 ", raw.recv(1000))
            self.check(weir.wait_log("request"), client="127.0.0.1", proof="anonymous", front="http", endpoint="/mcp",
                       outcome="refused", error="PAYLOAD_TOO_LARGE", status="413")
            self.refused_upgrade(weir, ("Origin", "https://evil.example"), b"", b" 403 ")
            self.check(weir.wait_log("request", count=2), front="websocket", outcome="refused", status="403")
        with WeirProcess(config(keys)) as weir:
            for count, before in enumerate((b"", b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1):
                self.refused_upgrade(weir, ("X-API-Key", "wrong"), before, b" 401 ")
                self.check(weir.wait_log("request", count=count), client="127.0.0.1", front="websocket", outcome="refused",
                           error="UNAUTHENTICATED", status="401")

    def refused_upgrade(self, weir, field, before, expected):
        """`before`: a request that is answered first."""
        with socket.create_connection((weir.host, weir.port), timeout=30) as raw:
            if before:
                raw.sendall(before)
                raw.recv(4096)
            raw.sendall(upgrade_head(f"{weir.host}:{weir.port}", weir.path, [field])[0])
            self.assertIn(expected, raw.recv(4096))

    def test_off_and_on_again(self):
        with WeirProcess(config(log=", access: false")) as weir:
            client.call_text(weir, "echo", {"message": "one"})
            weir.config_path.write_text(config(log=", arguments: true"))
            weir.signal(signal.SIGHUP)
            weir.wait_log("reloaded")
            client.call_text(weir, "echo", {"message": "two\n" + "x" * 5000})
            line = weir.wait_log("request")
            self.assertTrue(line["arguments"].startswith('{"message": "two\\n'), line)
            self.assertTrue(line["arguments"].endswith("…"), line)
            self.assertEqual(len(weir.logs("request")), 1)

    def test_hostile_names_stay_on_their_line(self):
        with WeirProcess(config()) as weir:
            name = "a\nlevel=error event=forged \x1b[2J\u202e"

            async def use():
                async with Peer(WebSocket(weir.host, weir.port, weir.path), True) as peer:
                    await (await peer.begin("tools/call", {"name": name + "x" * 10000}))[1]

            asyncio.run(use())
            line = self.of_method(weir, "tools/call")
            self.assertTrue(line["name"].startswith(name), line)
            self.assertLess(len(line["name"]), 300)
            self.assertFalse(weir.logs("forged"))

    def test_no_secret_in_any_line(self):
        """A token where tokens belong, and where they do not."""
        fields = {"Authorization": f"Bearer {SECRET}", "X-API-Key": SECRET, "Cookie": f"a={SECRET}", "Mcp-Session-Id": SECRET,
                  "Mcp-Name": SECRET, "Last-Event-ID": SECRET, "User-Agent": SECRET, f"X-{SECRET}": SECRET}
        meta = client._META
        bodies = [f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {{"x": "{SECRET}'.encode(),
                  SECRET.encode(), b"\xff" + SECRET.encode(), json.dumps([SECRET]).encode(),
                  json.dumps({"jsonrpc": "2.0", "id": SECRET, "method": SECRET, "params": {SECRET: SECRET, "_meta": meta}}).encode()]
        for tool in "echo", "nope":
            arguments = {"name": tool, "arguments": {"message": SECRET, SECRET: SECRET}, "requestState": SECRET, "_meta": meta}
            bodies.append(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments}).encode())
        for method in "tasks/get", "resources/read", "tools/list", "completion/complete":
            params = {"taskId": SECRET, "uri": f"a://b?{SECRET}", "cursor": SECRET, "_meta": meta,
                      "ref": {"type": "ref/prompt", "name": SECRET}, "argument": {"name": SECRET, "value": SECRET}}
            bodies.append(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
        with WeirProcess(config()) as weir:
            for path in weir.path, f"{weir.path}?access_token={SECRET}", f"/{SECRET}":
                for method in "POST", "GET", "DELETE", "PUT", SECRET[:10]:
                    for body in bodies:
                        self.send(weir, method, path, fields, body)
                for subprotocol in f"mcp.auth.{SECRET}", SECRET:
                    self.upgrade(weir, path, subprotocol, fields, bodies)
                with socket.create_connection((weir.host, weir.port), timeout=30) as raw:
                    raw.sendall(f"{SECRET}\r\n\r\n".encode())
                    raw.recv(1)
            asyncio.run(self.in_a_session(weir))
            weir.wait_log("request")
            weir.stop()
            self.assertGreater(len(weir.logs("request")), 30)
            self.assertNotIn(SECRET, weir.output())
            self.assertNotIn(SECRET[:10], weir.output())

    def send(self, weir, method, path, fields, body):
        connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
        try:
            for extra in {}, {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo"}:
                connection.request(method, path, body, {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                                                        **fields, **extra})
                connection.getresponse().read()
        except (http.client.HTTPException, ConnectionError):
            pass
        finally:
            connection.close()

    def upgrade(self, weir, path, subprotocol, fields, bodies):
        head, _ = upgrade_head(f"{weir.host}:{weir.port}", path, list(fields.items()))
        head = head.replace(b"Sec-WebSocket-Protocol: mcp", f"Sec-WebSocket-Protocol: mcp, {subprotocol}".encode())
        with socket.create_connection((weir.host, weir.port), timeout=30) as raw:
            raw.sendall(head)
            raw.recv(4096)
            try:
                for body in bodies:
                    raw.sendall(frame(body))
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):
                    pass
            except ConnectionError:
                pass

    async def in_a_session(self, weir):
        transport = Http(weir.host, weir.port, weir.path, fields={"Authorization": f"Bearer {SECRET}"})
        async with Peer(transport, False) as peer:
            await peer.call("echo", {"message": SECRET})
            session = transport.session
        await asyncio.to_thread(weir.wait_log, "request", 30, 2)
        self.assertNotIn(session, weir.output())


if __name__ == "__main__":
    unittest.main()
