"""A request that comes whole over TLS, on a connection that has had one, goes a way of its own (transports/serve/http_straight.c).
What is answered there must be what a plain connection is answered, byte for byte but for names and times."""
import contextlib
import json
import re
import signal
import socket
import ssl
import tempfile
import threading
import unittest
from pathlib import Path

from certificates import Authority
from issuer import Issuer
from keys import ALICE, rows
from raw_http import get, post
from test_http_front import ADMIN, LISTEN_REQUEST, WAIT_SECONDS, Client, call, metrics, modern, wait_for
from weir_process import WeirProcess, binary

FIXTURES = Path(binary()).resolve().parent / "fixtures"
CONFIG = ADMIN + f"""
threads: 1
modules: [{{path: {FIXTURES}/conformance.so}}]
commands:
  - {{name: later, run: [sh, -c, "sleep 0.05; echo done"]}}
  - {{name: long, run: [seq, "30000"]}}
  - {{name: never, run: [sleep, "100"], timeout: 100s}}
"""
SECRETS = re.compile(rb"(Date: |Mcp-Session-Id: )[^\r]*|\"(time|traceId)\":\"[^\"]*\"")
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
         "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "scenario", "version": "1"}}}


def legacy(message, **fields):
    return post(json.dumps(message).encode(), {"MCP-Protocol-Version": None, "Mcp-Method": None, **fields})


def progress(number):
    return modern("tools/call", {"name": "test_tool_with_progress", "arguments": {}}, "test_tool_with_progress", number, {"progressToken": "p"})


REQUESTS = {
    "a call": call("echo", {"message": "x"}),
    "a call with a string for an id": call("echo", {"message": "é"}, number="é"),
    "a list": modern("tools/list"),
    "discovery": modern("server/discover"),
    "a resource": modern("resources/read", {"uri": "test://static-text"}, "test://static-text"),
    "a prompt": modern("prompts/get", {"name": "test_simple_prompt"}, "test_simple_prompt"),
    "no such tool": call("nobody"),
    "bad arguments": call("echo", {"message": 1}),
    "a tool that fails": call("test_error_handling"),
    "no such method": modern("no/such"),
    "another name in the head": modern("tools/call", {"name": "echo", "arguments": {"message": "x"}}, "other"),
    "another method in the head": post(call("echo", {"message": "x"}).partition(b"\r\n\r\n")[2], {"Mcp-Method": "tools/list"}),
    "an unknown version": post(changes={"MCP-Protocol-Version": "1999-01-01"}),
    "no JSON": post(b"{"),
    "no message": post(b"[1]"),
    "an empty body": post(b""),
    "a notification": modern("notifications/cancelled", {"requestId": 7}),
    "a legacy notification": legacy({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    "initialize": legacy(HELLO),
    "a session that is none": legacy({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, **{"Mcp-Session-Id": "x" * 32}),
    "a program": call("later"),
    "a long answer": call("long"),
    "a long request": call("echo", {"message": "x" * 40000}),
    "a request of middle size": call("echo", {"message": "x" * 9000}),
    "progress": progress("asked"),
    "an allowed origin": post(changes={"Origin": "http://localhost:3000"}),
    "a foreign origin": post(changes={"Origin": "http://evil.example"}),
    "a foreign host": post(changes={"Host": "evil.example"}),
    "another media type": post(changes={"Content-Type": "text/plain"}),
    "no event-stream": post(changes={"Accept": "application/json"}),
    "no such path": post(line=b"POST /elsewhere HTTP/1.1"),
    "a page": get(),
    "a page by POST": post(line=b"POST /healthz HTTP/1.1"),
    "a query": post(line=b"POST /mcp?x=y HTTP/1.1"),
    "the absolute form": post(line=b"POST http://localhost/mcp HTTP/1.1"),
    "the last": post(extra=[b"Connection: close"]),
    "one that waits to be asked": post(extra=[b"Expect: 100-continue"]),
    "too much": post(b" " * 20_000_000),
    "a trace": post(extra=[b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
    "a proxy's word": post(extra=[b"X-Forwarded-For: 203.0.113.9"]),
}
AUTHENTICATED = {
    "no key": post(),
    "a key": post(extra=[b"Authorization: Bearer " + ALICE.encode()]),
    "a key in its own field": post(extra=[b"X-API-Key: " + ALICE.encode()]),
    "a wrong key": post(extra=[b"Authorization: Bearer wrong"]),
    "not even a key": post(extra=[b"Authorization: Basic x"]),
}


class SecureClient(Client):
    def __init__(self, weir, trust):
        plain = socket.create_connection((weir.host, weir.port), timeout=WAIT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = trust.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def say_goodbye(self):
        """close_notify, whatever is on its way."""
        with contextlib.suppress(ssl.SSLError):
            self.socket.unwrap()


class Straight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        authority = Authority(Path(cls.folder.name))
        cls.certificate, cls.key = authority.sign("gateway")
        cls.trust = ssl.create_default_context(cafile=str(authority.path))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def start(self, tls, more=""):
        listener = f", tls: {{certificate: {self.certificate}, key: {self.key}}}" if tls else ""
        weir = WeirProcess(f"listen: [{{address: '127.0.0.1:0'{listener}}}]\n" + CONFIG + more)
        self.addCleanup(weir.kill)
        return weir

    def client(self, weir, warm=True):
        client = SecureClient(weir, self.trust) if weir.url.startswith("https") else Client(weir)
        self.addCleanup(client.close)
        if warm:
            self.assertEqual(client.send(get()).response()[0], 200)
        return client

    def whole(self, client):
        """All bytes of the next response, and whether the connection goes on."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = client.file.readline()
            if not line:
                return head, False
            head += line
        fields = head.lower()
        body = b""
        if length := re.search(rb"content-length: (\d+)", fields):
            body = client.file.read(int(length[1]))
        elif b"chunked" in fields:
            while size := int(client.file.readline(), 16):
                body += client.file.read(size)
                client.file.readline()
            client.file.readline()
        if b" 100 " in head:
            return self.whole(client)
        return b"\r\n".join(sorted(SECRETS.sub(rb"\1", head).split(b"\r\n"))) + SECRETS.sub(b"", body), b"connection: close" not in fields

    def answer(self, weir, data):
        """What a warm connection is answered, and that it is in step behind it."""
        client = self.client(weir)
        try:
            client.send(data)
        except OSError:
            pass  # it has closed; what it said counts
        try:
            said, goes_on = self.whole(client)
        except ConnectionError:
            return b"cut"  # refused while it was still sending
        if goes_on:
            self.assertEqual(client.send(get()).response()[0], 200, data[:300])
        else:
            self.assertTrue(client.closed(), data[:300])
        client.close()
        return said

    def compare(self, plain, secure, requests):
        for name, data in requests.items():
            with self.subTest(name):
                said = self.answer(plain, data)
                self.assertGreater(len(said), 0)
                self.assertEqual(self.answer(secure, data), said)

    def test_answers(self):
        self.compare(self.start(False), self.start(True), REQUESTS)

    def test_who_may(self):
        more = f"auth: {{required: true, api_keys: {rows(alice=ALICE)}}}\n"
        self.compare(self.start(False, more), self.start(True, more), AUTHENTICATED)

    def test_whom_the_issuer_knows(self):
        """Their requests wait for the issuer, half way to libmicrohttpd; some of the callers do not wait with them."""
        resource = "https://gw.example/mcp"
        with Issuer(self.folder.name) as issuer:
            issuer.opaque = {"known": {"sub": "alice", "aud": resource}}
            more = f"auth: {{required: true, jwt: [{issuer.introspection(resource)}]}}\nlimits: {{auth_attempts: {{per_minute: 0}}}}\n"
            weir = self.start(True, more)
            issuer.gate.clear()
            clients = [(self.client(weir), token) for token in ("known", "unknown", "known", "unknown", "known")]
            for client, token in clients:
                client.send(post(extra=[b"Authorization: Bearer " + token.encode()]))
            gone = clients.pop()[0]
            gone.close()
            wait_for(lambda: metrics(weir)['weir_limit_used{limit="connections"}'] <= len(clients) + 1, "the end of the one that left")
            issuer.gate.set()
            for client, token in clients:
                status, fields, body = client.response()
                self.assertEqual(status, 200 if token == "known" else 401, body)
                if status == 200:
                    self.assertEqual(client.send(get()).response()[0], 200)
                else:
                    self.assertTrue(client.closed())

    def test_large_heads(self):
        more = "limits: {max_head: 1KiB}\n"
        requests = {name: post(extra=[b"X: " + b"x" * size]) for name, size in (("small", 10), ("large", 1024))}
        self.compare(self.start(False, more), self.start(True, more), requests)

    def test_whom_a_proxy_speaks_for(self):
        listen = f"tls: {{certificate: {self.certificate}, key: {self.key}}}, trusted_proxies: [127.0.0.1]"
        weir = WeirProcess(f"listen: [{{address: '127.0.0.1:0', {listen}}}]\n" + CONFIG)
        self.addCleanup(weir.kill)
        client = self.client(weir)
        for i in range(3):
            self.assertEqual(client.send(post(extra=[b"X-Forwarded-For: 203.0.113.%d" % i])).response()[0], 200)
        self.assertEqual([line["client"] for i in range(3) for line in [weir.wait_log("request", count=i + 1)]], [f"203.0.113.{i}" for i in range(3)])

    def test_in_step(self):
        """Many on one connection: whole, in two pieces, two at once, with streams and programs between them."""
        weir = self.start(True)
        client = self.client(weir)
        for i in range(60):
            data = call("later" if i % 7 == 3 else "echo", None if i % 7 == 3 else {"message": "y" * (i * 37 % 5000)}, number=i)
            at = data.index(b"\r\n\r\n") + (4 if i % 3 else 1)
            for piece in ([data], [data[:at], data[at:]])[i % 5 == 1]:
                client.send(piece)
            if i % 5 == 2:
                client.send(call("echo", {"message": "z"}, number=1000 + i))
            self.assertEqual(json.loads(client.response()[2])["id"], i)
            if i % 5 == 2:
                self.assertEqual(json.loads(client.response()[2])["id"], 1000 + i)
            if i % 11 == 5:
                client.send(get())
                self.assertEqual(client.response()[0], 200)
        before = metrics(weir)["weir_http_straight_total"]
        for i in range(10):
            self.assertEqual(json.loads(client.send(call("echo", {"message": "x"}, number=i)).response()[2])["id"], i)
        self.assertEqual(metrics(weir)["weir_http_straight_total"], before + 10)
        client.send(b"".join(call("echo", {"message": "x"}, number=i) for i in range(50)))
        self.assertEqual([json.loads(client.response()[2])["id"] for _ in range(50)], list(range(50)))
        client.send(progress("last"))
        self.assertEqual(client.head()[0], 200)
        messages = [json.loads(event["data"]) for event in iter(client.event, None)]
        self.assertEqual((len(messages) > 1, messages[-1]["id"]), (True, "last"))

    def test_a_stream(self):
        weir = self.start(True)
        client = self.client(weir)
        client.send(LISTEN_REQUEST)
        self.assertEqual(client.head()[0], 200)
        self.assertIn("acknowledged", client.event()["data"])
        client.close()
        wait_for(lambda: metrics(weir)['weir_limit_used{limit="streams"}'] == 0, "the end of the stream")

    def test_refused_while_it_is_sent(self):
        """A client that writes on reads why, whatever is left: over plain connections and TLS alike."""
        more = f"auth: {{required: true, api_keys: {rows(alice=ALICE)}}}\nlimits: {{max_payload: 1MiB}}\n"
        allowed = [b"Authorization: Bearer " + ALICE.encode()]
        chunked = b"Transfer-Encoding: chunked"
        for tls in (False, True):
            weir = self.start(tls, more)
            for data, status in ((post(b" " * 20_000_000, extra=allowed), 413),  # at its head
                                 (post(b"%x\r\n" % 20_000_000 + b" " * 20_000_000, extra=[*allowed, chunked], length=False), 413),  # on its way
                                 (post(b" " * 900_000), 401), (post(b" " * 900_000, {"Content-Type": "text/plain"}, allowed), 415)):
                for _ in range(2):
                    client = self.client(weir, warm=False)
                    client.send(data)
                    self.assertEqual(client.response()[0], status)
                    self.assertTrue(client.closed())
                    client.close()

    def test_hang_ups(self):
        """In the middle of a call, and with one: nothing stays."""
        weir = self.start(True)
        for last in (b"", call("echo", {"message": "x"}), call("never")[:50]):
            client = self.client(weir)
            client.send(call("never"))
            wait_for(lambda: metrics(weir)['weir_limit_used{limit="in_flight"}'] == 1, "the call")
            client.send(last)
            client.close()
            wait_for(lambda: metrics(weir)['weir_limit_used{limit="in_flight"}'] == 0, "the end of the call")
        for end in [SecureClient.say_goodbye, SecureClient.reset] * 10:
            client = self.client(weir)
            client.send(call("echo", {"message": "x"}))
            end(client)
        wait_for(lambda: metrics(weir)['weir_limit_used{limit="connections"}'] <= 1, "the end of the connections")
        weir.stop()

    def test_leaving(self):
        """While the gateway leaves, each answer is its connection's last."""
        weir = self.start(True, "limits: {drain_grace: 1h}\n")
        clients = [self.client(weir) for _ in range(2)]
        self.assertEqual(clients[0].send(call("echo", {"message": "x"})).response()[1].get("connection"), None)
        weir.signal(signal.SIGTERM)
        weir.wait_log("leaving")
        for client in clients:
            status, fields, _ = client.send(call("echo", {"message": "x"})).response()
            self.assertEqual((status, fields["connection"]), (200, "close"))
            self.assertTrue(client.closed())
        weir.signal(signal.SIGTERM)
        weir.stop()

    def test_a_reader_that_does_not_read(self):
        """Answers wait, within bounds; all come when it reads."""
        weir = self.start(True)
        client = self.client(weir)
        count, message = 400, "x" * 12000

        def ask():
            for i in range(count):
                client.send(call("echo", {"message": message}, number=i))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        other = self.client(weir)
        for _ in range(20):
            self.assertEqual(other.send(call("echo", {"message": "x"})).response()[0], 200)
        self.assertEqual([json.loads(client.response()[2])["id"] for _ in range(count)], list(range(count)))
        asking.join(WAIT_SECONDS)


if __name__ == "__main__":
    unittest.main()
