"""Who is calling, shown by API keys: over every transport, in both eras; what is refused and how; what a reload revokes; whose
sessions are whose."""
import asyncio
import hashlib
import http.client
import json
import re
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

import transports
from certificates import Authority
from client import post
from keys import ALICE, BOB, MALLORY, bearer, row, rows, x_api_key
from legacy import Session
from weir_process import WeirProcess, binary
from websocket_client import Closed, Refused, WebSocket

HERE = "127.0.0.1"
LISTEN = "listen: [{address: '127.0.0.1:0', transports: [http, websocket, sse]}]\nadmin: {address: '127.0.0.1:0'}\n"


def config(keys, required=True, more="", attempts="{per_minute: 0}"):
    return LISTEN + f"""auth: {{required: {str(required).lower()}, api_keys: {keys}{more}}}
limits: {{auth_attempts: {attempts}}}
"""


BOTH = config(rows(alice=ALICE, bob=BOB))


def send(weir, method, path, fields=None, body=None):
    """(status, header fields, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
    try:
        connection.request(method, path, body, fields or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def page(weir, path):
    address = weir.wait_log("ready")["admin"].removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def count(weir, metric):
    found = re.search(rf"^{re.escape(metric)} (\d+)$", page(weir, "/metrics"), re.MULTILINE)
    return int(found[1])


def reload(weir, text):
    done = len(weir.logs("reloaded"))
    weir.config_path.write_text(text)
    weir.signal(1)
    weir.wait_log("reloaded", count=done + 1)


def refused(port, **upgrade):
    """(status, fields, body) of an upgrade that is refused."""
    try:
        WebSocket(port, **upgrade).drop()
    except Refused as answer:
        return answer.status, answer.fields, json.loads(answer.body)
    raise AssertionError("the upgrade was let in")


class Http(unittest.TestCase):
    def test_shown(self):
        with WeirProcess(BOTH) as weir:
            for fields in (bearer(ALICE), x_api_key(ALICE), {"authorization": f"bearer {ALICE}"}, {**bearer(BOB), **x_api_key(BOB)}):
                status, answer = post(weir, "tools/list", fields=fields)
                self.assertEqual(status, 200, answer)
            before = count(weir, 'weir_authentications_total{proof="api_key",outcome="cached"}')
            self.assertEqual(post(weir, "tools/list", fields=bearer(ALICE))[0], 200)
            self.assertEqual(count(weir, 'weir_authentications_total{proof="api_key",outcome="cached"}'), before + 1)

    def test_refused(self):
        with WeirProcess(BOTH) as weir:
            for fields, status, challenge in (
                    ({}, 401, 'Bearer realm="weir"'),
                    (bearer(MALLORY), 401, 'Bearer realm="weir", error="invalid_token", error_description="unknown key"'),
                    (x_api_key(MALLORY), 401, 'Bearer realm="weir", error="invalid_token", error_description="unknown key"'),
                    (bearer(ALICE[:-1]), 401, "invalid_token"),
                    ({**bearer(ALICE), **x_api_key(BOB)}, 400, 'error="invalid_request"')):
                body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
                answer = send(weir, "POST", "/mcp", {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                                                     **fields}, body)
                self.assertEqual(answer[0], status, (fields, answer[2]))
                self.assertIn(challenge, answer[1]["WWW-Authenticate"])
                self.assertEqual(json.loads(answer[2])["error"]["code"], status)
                self.assertEqual(answer[1]["Connection"], "close")
            self.assertEqual(count(weir, 'weir_refusals_total{reason="unauthenticated"}'), 5)
            for method in ("GET", "DELETE"):
                self.assertEqual(send(weir, method, "/mcp", {"Accept": "text/event-stream"})[0], 401)
            self.assertEqual(send(weir, "GET", "/sse", {"Accept": "text/event-stream"})[0], 401)
            self.assertEqual(send(weir, "POST", "/messages?session=x", {"Content-Type": "application/json"}, "{}")[0], 401)

    def test_order(self):
        """Path, method, Host and Origin come before; media types and length after."""
        with WeirProcess(BOTH) as weir:
            self.assertEqual(send(weir, "POST", "/nothing")[0], 404)
            self.assertEqual(send(weir, "PUT", "/mcp")[0], 405)
            self.assertEqual(send(weir, "POST", "/mcp", {"Origin": "https://evil.example"})[0], 403)
            self.assertEqual(send(weir, "POST", "/mcp", {"Content-Type": "text/plain"})[0], 401)
            self.assertEqual(send(weir, "POST", "/mcp", {"Content-Length": str(1 << 40)})[0], 401)
            self.assertEqual(send(weir, "POST", "/mcp", {"Content-Type": "text/plain", **bearer(ALICE)})[0], 415)

    def test_needs_none(self):
        """Probes, and what a browser asks before it shows anything."""
        with WeirProcess(BOTH) as weir:
            self.assertEqual(send(weir, "GET", "/healthz")[0], 200)
            self.assertEqual(send(weir, "GET", "/readyz")[0], 200)
            fields = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST",
                      "Access-Control-Request-Headers": "authorization, x-api-key"}
            status, answer, _ = send(weir, "OPTIONS", "/mcp", fields)
            self.assertEqual((status, answer["Access-Control-Allow-Headers"]), (204, "authorization, x-api-key"))
            status, answer, _ = send(weir, "POST", "/mcp", {"Origin": "http://localhost:3000"})
            self.assertEqual((status, answer["Access-Control-Allow-Origin"]), (401, "http://localhost:3000"))
            self.assertIn("WWW-Authenticate", answer["Access-Control-Expose-Headers"])

    def test_not_required(self):
        """Who shows nothing is anonymous; who shows something wrong is refused all the same."""
        with WeirProcess(config(rows(alice=ALICE), required=False)) as weir:
            self.assertEqual(post(weir, "tools/list")[0], 200)
            self.assertEqual(post(weir, "tools/list", fields=bearer(ALICE))[0], 200)
            self.assertEqual(post(weir, "tools/list", fields=bearer(MALLORY))[0], 401)
            self.assertEqual(count(weir, 'weir_authentications_total{proof="none",outcome="let_in"}'), 1)

    def test_never_in_the_log(self):
        with WeirProcess(BOTH + "log: {level: debug}\n") as weir:
            for key in (ALICE, MALLORY):
                post(weir, "tools/list", fields=bearer(key))
                try:
                    WebSocket(weir.port, changes={b"X-API-Key": key.encode()}).drop()
                except Refused:
                    pass
            weir.stop()
            for secret in (ALICE, MALLORY):
                self.assertNotIn(secret, weir.output())


class Attempts(unittest.TestCase):
    def test_limited(self):
        """Beyond the limit nothing is looked at, save what was verified a moment ago; whoever shows nothing is told what to
        show."""
        with WeirProcess(config(rows(alice=ALICE, bob=BOB), attempts="{per_minute: 4, burst: 4}")) as weir:
            self.assertEqual(post(weir, "tools/list", fields=bearer(ALICE))[0], 200)
            for _ in range(3):
                self.assertEqual(post(weir, "tools/list", fields=bearer(MALLORY))[0], 401)
            for fields in (bearer(MALLORY), bearer(BOB), x_api_key(MALLORY)):
                status, answer, body = send(weir, "POST", "/mcp", {"Content-Type": "application/json", **fields}, "{}")
                self.assertEqual((status, json.loads(body)["error"]["code"]), (429, 429))
                self.assertIn(int(answer["Retry-After"]), range(1, 16))
                self.assertIsNone(answer["WWW-Authenticate"])
            status, fields, _ = refused(weir.port, protocol=b"mcp, mcp.auth." + MALLORY.encode())
            self.assertEqual(status, 429)
            self.assertIn(int(fields[b"retry-after"]), range(1, 16))
            self.assertEqual(post(weir, "tools/list")[0], 401)
            self.assertEqual(post(weir, "tools/list", fields=bearer(ALICE))[0], 200)
            self.assertEqual(count(weir, 'weir_refusals_total{reason="auth_attempts"}'), 4)
            self.assertEqual([line["subject"] for line in weir.logs("audit_authenticated")], ["alice"])
            self.assertGreaterEqual(len(weir.logs("audit_refused")), 3)
            self.assertGreaterEqual(len(weir.logs("audit_limited")), 1)


class Sessions(unittest.TestCase):
    def test_of_one_identity(self):
        with WeirProcess(config("[" + rows(alice=ALICE)[1:-1] + ", " + rows(alice=BOB)[1:-1] + ", " + rows(mallory=MALLORY)[1:])) as weir:
            session = Session(weir, fields=bearer(ALICE))
            self.assertEqual(session.result("ping"), {})
            session.fields = bearer(MALLORY)
            with session.request("ping") as reply:
                self.assertEqual(reply.status, 404)
            with session.stream() as reply:
                self.assertEqual(reply.status, 404)
            self.assertEqual(session.end(), 404)
            session.fields = {}
            with session.request("ping") as reply:
                self.assertEqual(reply.status, 401)
            session.fields = bearer(BOB)  # another key of the same name
            self.assertEqual(session.result("ping"), {})
            self.assertEqual(session.end(), 204)

    def test_messages_of_a_stream(self):
        """HTTP with SSE: only who has opened the stream posts to it."""

        async def run(weir):
            stream = transports.Sse(HERE, weir.port, "/sse", fields=bearer(ALICE))
            stream.receive = lambda message: None
            await stream.open()
            ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
            stream.extra = bearer(BOB)
            self.assertEqual(await stream.post(ping), 404)
            stream.extra = {}
            self.assertEqual(await stream.post(ping), 401)
            stream.extra = bearer(ALICE)
            self.assertEqual(await stream.post(ping), 202)
            await stream.close()

        with WeirProcess(BOTH) as weir:
            asyncio.run(run(weir))


class Handlers(unittest.TestCase):
    """They are told who calls, and never what he has shown."""

    def test_told(self):
        fixture = Path(binary()).resolve().parent / "fixtures" / "probe.so"
        more = f"""modules: [{{path: {fixture}}}]
commands:
  - {{name: env, run: [env], environment: [WEIR_CALLER_SUBJECT, WEIR_CALLER_ISSUER]}}
"""
        keys = "[" + row("alice", ALICE, ["notes:write"]) + ", " + row("bob", BOB) + "]"
        lies = {"WEIR_CALLER_SUBJECT": "root", "WEIR_CALLER_ISSUER": "nobody"}
        with WeirProcess(config(keys, required=False) + more, lies) as weir:
            for fields, told, scope in ((bearer(ALICE), "api_key|alice|-|-", "may write"), (x_api_key(BOB), "api_key|bob|-|-", "reads"),
                                        ({}, "anonymous||-|-", "reads")):
                texts = [post(weir, "tools/call", {"name": name, "arguments": {}}, name, fields=fields)[1]["result"]["content"][0]["text"]
                         for name in ("who", "who_worker", "env")]
                self.assertEqual(texts[:2], [f"{told}|{scope}"] * 2)
                variables = dict(line.split("=", 1) for line in texts[2].splitlines())
                self.assertEqual("|".join(variables.get(f"WEIR_CALLER_{fact}", "-") for fact in ("PROOF", "SUBJECT", "ISSUER", "CLIENT_ID")), told)
                self.assertNotIn(ALICE, texts[2])
                self.assertNotIn(BOB, texts[2])


class Upgrades(unittest.TestCase):
    def test_shown(self):
        with WeirProcess(BOTH) as weir:
            for changes, protocol in (({b"Authorization": b"Bearer " + ALICE.encode()}, b"mcp"), ({b"X-API-Key": ALICE.encode()}, b"mcp"),
                                      ({}, b"mcp, mcp.auth." + ALICE.encode())):
                with WebSocket(weir.port, changes=changes, protocol=protocol) as ws:
                    self.assertEqual(ws.protocol, b"mcp")
                    self.assertIn("result", ws.call("tools/list"))
                    ws.close()

    def test_refused(self):
        with WeirProcess(BOTH) as weir:
            status, fields, body = refused(weir.port)
            self.assertEqual((status, fields[b"www-authenticate"], body["error"]["code"]), (401, b'Bearer realm="weir"', 401))
            status, fields, body = refused(weir.port, protocol=b"mcp, mcp.auth." + MALLORY.encode())
            self.assertEqual(status, 401)
            self.assertIn(b'error="invalid_token"', fields[b"www-authenticate"])
            status, fields, _ = refused(weir.port, protocol=b"mcp, mcp.auth." + b"a" * 2000)  # it reaches the guard whole
            self.assertEqual(status, 401)
            status, fields, _ = refused(weir.port, protocol=b"mcp.auth." + BOB.encode(), changes={b"X-API-Key": ALICE.encode()})
            self.assertEqual(status, 400)
            self.assertEqual(refused(weir.port, target=b"/nothing")[0], 404)
            self.assertEqual(refused(weir.port, changes={b"Origin": b"https://evil.example"})[0], 403)

    def test_after_requests(self):
        """An upgrade on a connection that has carried requests."""
        with WeirProcess(BOTH) as weir:
            for key, status in ((ALICE, 101), (MALLORY, 401)):
                connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                if status == 101:
                    ws = WebSocket(weir.port, sock=connection.sock, changes={b"X-API-Key": key.encode()})
                    self.assertIn("result", ws.call("tools/list"))
                    ws.close()
                else:
                    with self.assertRaises(Refused) as caught:
                        WebSocket(weir.port, sock=connection.sock, changes={b"X-API-Key": key.encode()})
                    self.assertEqual(caught.exception.status, status)
                    self.assertIn(b"invalid_token", caught.exception.fields[b"www-authenticate"])
                connection.close()


class Reload(unittest.TestCase):
    def open_everything(self, weir, key):
        """A WebSocket, a stream of a session, a subscription, a stream of HTTP with SSE."""
        ws = WebSocket(weir.port, changes={b"X-API-Key": key.encode()})
        ws.initialize()
        session = Session(weir, fields=bearer(key))
        stream = session.stream()
        self.assertEqual(stream.status, 200)
        listening = session_less_listen(weir, key)
        sse = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
        sse.request("GET", "/sse", None, {"Accept": "text/event-stream", **x_api_key(key)})
        events = sse.getresponse()
        self.assertIn(b"endpoint", events.readline())
        return ws, session, stream, listening, events

    def test_revoked(self):
        with WeirProcess(BOTH) as weir:
            gone, kept = self.open_everything(weir, ALICE), self.open_everything(weir, BOB)
            reload(weir, config(rows(bob=BOB)))
            ws, session, stream, listening, events = gone
            with self.assertRaises(Closed) as closed:
                ws.receive()
            self.assertEqual((closed.exception.code, closed.exception.reason), (1008, "the credential is not valid any more"))
            self.assertEqual([event for event in stream.events() if event["data"]], [])
            self.assertEqual(drain(listening), b"")
            self.assertEqual(drain(events), b"")
            with session.request("ping") as reply:
                self.assertEqual(reply.status, 401)
            self.assertEqual(count(weir, 'weir_websocket_closes_total{code="1008"}'), 1)
            ws, session, stream, listening, events = kept
            self.assertEqual(ws.call("ping", modern=False)["result"], {})
            self.assertEqual(session.result("ping"), {})
            reload(weir, config(rows(bob=BOB), more=", cache: 2m"))  # another guard, the same key
            self.assertEqual(ws.call("ping", modern=False)["result"], {})
            ws.close()
            for one in (*gone[2:], *kept[2:]):
                one.close()

    def test_unchanged(self):
        """A reload that says nothing new of callers forgets none of them, and asks nobody again who is there."""
        def seen(weir):
            return re.findall(r"^weir_(?:authentications|credential_cache).*", page(weir, "/metrics"), re.MULTILINE)

        with WeirProcess(BOTH) as weir:
            ws = WebSocket(weir.port, changes={b"X-API-Key": ALICE.encode()})
            ws.initialize()
            before = seen(weir)
            self.assertIn("weir_credential_cache_entries 1", before)
            reload(weir, "page_size: 7\n\n" + BOTH)
            self.assertEqual(ws.call("ping", modern=False)["result"], {})
            self.assertEqual(seen(weir), before)
            reload(weir, config(rows(alice=ALICE, bob=BOB), more=", cache: 2m"))
            self.assertEqual(post(weir, "tools/list", fields=bearer(BOB))[0], 200)
            self.assertNotEqual(seen(weir), before)
            ws.close()

    def test_required_from_now_on(self):
        """Who came in without a credential is shut out when one is needed."""
        with WeirProcess(LISTEN) as weir:
            ws = WebSocket(weir.port)
            self.assertIn("result", ws.call("tools/list"))
            reload(weir, BOTH)
            with self.assertRaises(Closed) as closed:
                ws.receive()
            self.assertEqual((closed.exception.code, closed.exception.reason), (1008, "a credential is needed now"))
            ws.drop()
            reload(weir, LISTEN)
            self.assertEqual(post(weir, "tools/list")[0], 200)

    def test_another_name(self):
        """A key that becomes somebody else's ends what its old name had begun."""
        with WeirProcess(BOTH) as weir:
            ws = WebSocket(weir.port, changes={b"X-API-Key": ALICE.encode()})
            ws.initialize()
            reload(weir, config(rows(carol=ALICE, bob=BOB)))
            with self.assertRaises(Closed) as closed:
                ws.receive()
            self.assertEqual(closed.exception.code, 1008)
            ws.drop()


class Configuration(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weir.yaml"
            path.write_text(text)
            done = subprocess.run([binary(), "check", str(path)], capture_output=True, text=True, timeout=60)
            return [line.removeprefix(f"{path}:") for line in done.stderr.splitlines()] if done.returncode == 2 else []

    def test_mistakes(self):
        hexadecimal = "ab" * 32
        jwt = "auth: {jwt: [{issuer: 'https://i.example', audience: 'https://gw.example/mcp'%s}]}"
        for text, expected in (
                ("auth: {required: true}", '1:18: auth.required: nobody could get in'),
                ("auth: {certificates: true}", "1:22: auth.certificates: no listener asks"),
                ("auth: {api_keys: [{name: a, sha256: my-own-key}]}", "1:37: auth.api_keys[0].sha256: is no SHA-256 digest"),
                (f"auth: {{api_keys: [{{name: a, sha256: {hexadecimal}}},\n {{name: b, sha256: {hexadecimal.upper()}}}]}}",
                 "2:2: auth.api_keys[1]: its sha256 is that of the entry in line 1"),
                (f"auth: {{required: true, api_keys: [{{name: a, sha256: {hexadecimal}}}]}}\n"
                 "listen: [{address: '127.0.0.1:1', transports: [stream]}]", "2:10: listen[0]: with auth.required nobody could use it"),
                (jwt % "", "1:14: auth.jwt[0]: either jwks or introspection is needed"),
                (jwt % ", jwks: 'https://i.example', introspection: 'https://i.example'", "exclude each other"),
                (jwt % ", jwks: 'http://i.example/jwks'", "must be an https URL (http on loopback only)"),
                (jwt % ", introspection: 'https://i.example'", "introspection needs client_id and client_secret"),
                (jwt % ", jwks: 'https://i.example', algorithms: [none]", '"none" is no algorithm'),
                (jwt % ", jwks: 'https://i.example', client_secret: hush", "have no effect without introspection"),
                ("auth: {jwt: [{issuer: 'https://i.example', jwks: 'https://i.example'}]}", "auth.jwt[0]: audience is missing"),
                ("auth: {jwt: [{issuer: 'https://i.example', audience: weir, jwks: 'https://i.example'}]}", "auth.resource: is needed")):
            lines = self.check(text)
            self.assertTrue(any(expected in line for line in lines), (text, expected, lines))
            self.assertNotIn("my-own-key", "".join(lines))
            self.assertNotIn("hush", "".join(lines))


class HashKey(unittest.TestCase):
    def run_command(self, *arguments, key=""):
        return subprocess.run([binary(), "hash-key", *arguments], input=key, capture_output=True, text=True, timeout=60)

    def test_hash(self):
        done = self.run_command(key=ALICE + "\n")
        self.assertEqual((done.returncode, done.stdout), (0, f"sha256: {hashlib.sha256(ALICE.encode()).hexdigest()}\n"))
        for wrong in ("", "short", "with a blank in the middle", "x" * 600):
            self.assertEqual(self.run_command(key=wrong).returncode, 2)
        self.assertEqual(self.run_command("--nonsense").returncode, 2)

    def test_generate(self):
        one, other = (self.run_command("--generate").stdout.splitlines() for _ in range(2))
        self.assertNotEqual(one, other)
        key = one[0].removeprefix("key: ")
        self.assertGreaterEqual(len(key), 43)
        self.assertEqual(one[1], f"sha256: {hashlib.sha256(key.encode()).hexdigest()}")
        with WeirProcess(config(rows(made=key))) as weir:
            self.assertEqual(post(weir, "tools/list", fields=bearer(key))[0], 200)


def session_less_listen(weir, key):
    """The response of a subscriptions/listen, after its acknowledgement."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
            "params": {"notifications": {"toolsListChanged": True}, "_meta": meta}}
    connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
    connection.request("POST", "/mcp", json.dumps(body),
                       {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
                        "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen", **bearer(key)})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    while b"acknowledged" not in response.readline():
        pass
    response.readline()
    return response


def drain(response):
    """What still comes but comments and blank lines, until the end, clean or not."""
    rest = b""
    try:
        while line := response.readline():
            if line.strip() and not line.startswith((b":", b"data:", b"event:")):
                rest += line
    except (http.client.IncompleteRead, ConnectionError):
        pass
    return rest


class EveryTransport(unittest.TestCase):
    def test_call(self):
        async def run(transport, modern):
            async with transports.Peer(transport, modern) as peer:
                result = await peer.call("echo", {"message": "hi"})
                self.assertEqual(result["content"][0]["text"], "hi")

        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            certificate, key = authority.sign("gateway")
            mine = authority.sign("client", usage="clientAuth")
            tls = f"tls: {{certificate: {certificate}, key: {key}, client_ca: {authority.path}, client_auth: %s}}"
            everything = "transports: [http, websocket, sse]"
            text = f"""
listen:
  - {{address: '127.0.0.1:0', {everything}}}
  - {{address: '127.0.0.1:0', {everything}, {tls % 'request'}}}
  - {{address: '127.0.0.1:0', transports: [stream], {tls % 'require'}}}
auth: {{required: true, certificates: true, api_keys: {rows(alice=ALICE)}}}
"""
            stranger = ssl.create_default_context(cafile=str(authority.path))
            known = ssl.create_default_context(cafile=str(authority.path))
            known.load_cert_chain(*mine)
            stdio = Path(folder) / "stdio.yaml"
            stdio.write_text(f"auth: {{required: true, api_keys: {rows(alice=ALICE)}}}\n")
            with WeirProcess(text) as weir:
                plain, secure, lines = weir.ports
                for modern in (False, True):
                    asyncio.run(run(transports.Http(HERE, plain, "/mcp", fields=bearer(ALICE)), modern))
                    asyncio.run(run(transports.Http(HERE, secure, "/mcp", tls=stranger, fields=x_api_key(ALICE)), modern))
                    asyncio.run(run(transports.Http(HERE, secure, "/mcp", tls=known), modern))
                    asyncio.run(run(transports.WebSocket(HERE, plain, "/mcp", fields=bearer(ALICE)), modern))
                    asyncio.run(run(transports.WebSocket(HERE, secure, "/mcp", tls=known), modern))
                    asyncio.run(self.sse(run, plain, modern, fields=bearer(ALICE)))
                    asyncio.run(self.sse(run, secure, modern, tls=known))
                    asyncio.run(run(transports.Stream((HERE, lines), tls=known), modern))
                    asyncio.run(run(transports.Stdio([binary(), "serve", "--stdio", "--config", str(stdio)]), modern))
                self.assertEqual(refused(secure, tls=stranger)[0], 401)

    async def sse(self, run, port, modern, **more):
        await run(transports.Sse(HERE, port, "/sse", **more), modern)


if __name__ == "__main__":
    unittest.main()
