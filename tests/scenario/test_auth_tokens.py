"""Tokens: signed ones, verified by their issuer's keys, and opaque ones, about which the issuer is asked; over HTTP and WebSocket;
while the issuer is slow, away, or has other keys; and what clients are told to come back with (RFC 9728)."""
import http.client
import json
import tempfile
import threading
import unittest

from client import post
from issuer import Issuer, Key
from keys import bearer
from test_auth_keys import count, refused, reload, send, session_less_listen
from weir_process import WeirProcess
from websocket_client import Closed, WebSocket

RESOURCE = "https://gw.example/mcp"
METADATA = "https://gw.example/.well-known/oauth-protected-resource/mcp"


def config(*issuers, auth="", more=""):
    return f"""
listen: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
auth: {{required: true, leeway: 0s, jwt: [{', '.join(issuers)}]{auth}}}
limits: {{auth_attempts: {{per_minute: 0}}{more}}}
"""


class Tokens(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.issuer = Issuer(self.folder)
        self.issuer.__enter__()
        self.addCleanup(self.issuer.__exit__)

    def status(self, weir, token):
        return post(weir, "tools/list", fields=bearer(token))[0]

    def test_judged(self):
        issuer = self.issuer
        stranger = Key(self.folder, "stranger")
        with WeirProcess(config(issuer.config(RESOURCE))) as weir:
            good = issuer.token(aud=RESOURCE)
            self.assertEqual(self.status(weir, good), 200)
            self.assertEqual(self.status(weir, issuer.token(aud=["https://other.example", RESOURCE])), 200)
            head, claims, signature = good.split(".")
            for token, comment in ((issuer.token(aud="https://other.example"), "another's"), (issuer.token(), "nobody's"),
                                   (issuer.token(aud=RESOURCE, seconds=-10), "expired"),
                                   (issuer.token(aud=RESOURCE, iss="https://evil.example"), "of another issuer"),
                                   (f"{head}.{claims}.{signature[:-4]}AAAA", "tampered"),
                                   (stranger.sign(issuer.claims(aud=RESOURCE), kid="one"), "signed by another key"),
                                   (f"{head}.{claims}.", "not signed")):
                status, fields, _ = send(weir, "POST", "/mcp", {"Content-Type": "application/json", **bearer(token)}, "{}")
                self.assertEqual(status, 401, comment)
                self.assertIn(f'resource_metadata="{METADATA}"', fields["WWW-Authenticate"])
                self.assertIn('error="invalid_token", error_description="', fields["WWW-Authenticate"])
            self.assertEqual(count(weir, 'weir_authentications_total{proof="jwt",outcome="verified"}'), 2)

    def test_waits_for_the_issuer(self):
        """The first token needs the keys: requests and upgrades wait, and none of their bodies is read."""
        issuer = self.issuer
        issuer.gate.clear()
        with WeirProcess(config(issuer.config(RESOURCE))) as weir:
            token, results = issuer.token(aud=RESOURCE), []

            def upgrade():
                with WebSocket(weir.port, protocol=b"mcp, mcp.auth." + token.encode()) as ws:
                    results.append(ws.call("tools/list"))
                    ws.close()

            def later_upgrade():
                connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
                connection.request("GET", "/healthz")
                connection.getresponse().read()
                with WebSocket(weir.port, sock=connection.sock, changes={b"Authorization": b"Bearer " + token.encode()}) as ws:
                    results.append(ws.call("tools/list"))
                    ws.close()

            threads = [threading.Thread(target=lambda: results.append(self.status(weir, token))) for _ in range(8)]
            threads += [threading.Thread(target=upgrade), threading.Thread(target=later_upgrade)]
            for thread in threads:
                thread.start()
            gone = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
            gone.request("POST", "/mcp", "{}", {"Content-Type": "application/json", **bearer(token)})
            gone.close()  # while it waits
            self.assertEqual(results, [])
            issuer.gate.set()
            for thread in threads:
                thread.join(30)
            self.assertEqual(len(results), 10)
            self.assertEqual([one for one in results if one != 200 and "result" not in one], [])

    def test_issuer_away(self):
        """Keys that are known go on to count; a token that only the issuer could judge is no fault of the client's."""
        issuer = self.issuer
        with WeirProcess(config(issuer.config(RESOURCE), more=", request_timeout: 2s")) as weir:
            self.assertEqual(self.status(weir, issuer.token(aud=RESOURCE)), 200)
            issuer.away = True
            self.assertEqual(self.status(weir, issuer.token(aud=RESOURCE, sub="bob")), 200)
            fresh = Key(self.folder, "two")
            self.assertIn(self.status(weir, issuer.token(fresh, aud=RESOURCE)), (401, 503))
        with WeirProcess(config(issuer.config(RESOURCE), more=", request_timeout: 2s")) as weir:
            status, fields, body = send(weir, "POST", "/mcp", {"Content-Type": "application/json",
                                                               **bearer(issuer.token(aud=RESOURCE))}, "{}")
            self.assertEqual((status, json.loads(body)["error"]["code"]), (503, 503))
            self.assertGreaterEqual(int(fields["Retry-After"]), 1)
            self.assertEqual(refused(weir.port, protocol=b"mcp, mcp.auth." + issuer.token(aud=RESOURCE).encode())[0], 503)

    def test_time_limit(self):
        """An issuer that never answers costs a request its time, and no more."""
        self.issuer.gate.clear()
        with WeirProcess(config(self.issuer.config(RESOURCE), more=", request_timeout: 300ms")) as weir:
            self.assertEqual(self.status(weir, self.issuer.token(aud=RESOURCE)), 503)
            self.assertEqual(refused(weir.port, protocol=b"mcp.auth." + self.issuer.token(aud=RESOURCE).encode())[0], 503)
            self.issuer.gate.set()

    def test_stop_while_waiting(self):
        self.issuer.gate.clear()
        with WeirProcess(config(self.issuer.config(RESOURCE), more=", drain_timeout: 100ms")) as weir:
            waiting = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
            waiting.request("POST", "/mcp", "{}", {"Content-Type": "application/json", **bearer(self.issuer.token(aud=RESOURCE))})
            while not self.issuer.asked:
                self.issuer.gate.wait(0.01)
            weir.stop()
            waiting.close()
            self.issuer.gate.set()

    def test_token_ends(self):
        """What is open when the token ends is ended."""
        issuer = self.issuer
        with WeirProcess(config(issuer.config(RESOURCE))) as weir:
            token = issuer.token(aud=RESOURCE, seconds=3)
            listening = session_less_listen(weir, token)
            with WebSocket(weir.port, protocol=b"mcp, mcp.auth." + token.encode()) as ws:
                self.assertIn("result", ws.call("tools/list"))
                with self.assertRaises(Closed) as closed:
                    ws.receive()
                self.assertEqual((closed.exception.code, closed.exception.reason), (1008, "the token has expired"))
            try:
                listening.read()
            except (http.client.IncompleteRead, ConnectionError):
                pass
            self.assertEqual(self.status(weir, token), 401)

    def test_introspection(self):
        issuer = self.issuer
        issuer.opaque = {"opaque-alice": {"sub": "alice", "aud": RESOURCE, "scope": "tools"},
                         "opaque-other": {"sub": "alice", "aud": "https://other.example"}}
        with WeirProcess(config(issuer.introspection(RESOURCE), auth=", cache: 1s")) as weir:
            self.assertEqual(self.status(weir, "opaque-alice"), 200)
            self.assertEqual(self.status(weir, "opaque-other"), 401)
            self.assertEqual(self.status(weir, "opaque-nobody"), 401)
            with WebSocket(weir.port, changes={b"Authorization": b"Bearer opaque-alice"}) as ws:
                self.assertIn("result", ws.call("tools/list"))
                del issuer.opaque["opaque-alice"]  # the issuer revokes it
                with self.assertRaises(Closed) as closed:
                    ws.receive()
                self.assertEqual((closed.exception.code, closed.exception.reason), (1008, "the credential is not valid any more"))
            self.assertEqual(self.status(weir, "opaque-alice"), 401)

    def test_reload(self):
        """An issuer that is not trusted any more; keys of the others are kept."""
        issuer = self.issuer
        both = config(issuer.config(RESOURCE), "{issuer: 'https://unused.example', audience: 'https://gw.example/mcp', jwks: 'http://127.0.0.1:9/'}")
        with WeirProcess(both) as weir:
            token = issuer.token(aud=RESOURCE)
            with WebSocket(weir.port, protocol=b"mcp, mcp.auth." + token.encode()) as ws:
                self.assertIn("result", ws.call("tools/list"))
                issuer.away = True
                reload(weir, config(issuer.config(RESOURCE)))
                self.assertIn("result", ws.call("tools/list", id=2))
                self.assertEqual(self.status(weir, token), 200)
                reload(weir, config("{issuer: 'https://unused.example', audience: 'https://gw.example/mcp', jwks: 'http://127.0.0.1:9/'}"))
                with self.assertRaises(Closed) as closed:
                    ws.receive()
                self.assertEqual(closed.exception.code, 1008)
            self.assertEqual(self.status(weir, token), 401)


class Metadata(unittest.TestCase):
    ENTRY = "{issuer: 'https://issuer.example', audience: 'https://gw.example/mcp', jwks: 'https://issuer.example/jwks'}"

    def test_page(self):
        with WeirProcess(config(self.ENTRY, auth=", scopes: [tools, admin], resource_name: 'Our tools'")) as weir:
            for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"):
                status, fields, body = send(weir, "GET", path, {"Origin": "https://anywhere.example"})
                self.assertEqual((status, fields["Access-Control-Allow-Origin"], fields["Content-Type"]), (200, "*", "application/json"))
                self.assertEqual(json.loads(body), {"resource": RESOURCE, "authorization_servers": ["https://issuer.example"],
                                                    "scopes_supported": ["tools", "admin"], "bearer_methods_supported": ["header"],
                                                    "resource_name": "Our tools"})
            status, fields, _ = send(weir, "OPTIONS", path, {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "GET",
                                                             "Access-Control-Request-Headers": "mcp-protocol-version"})
            self.assertEqual((status, fields["Access-Control-Allow-Headers"]), (204, "mcp-protocol-version"))
            self.assertEqual(send(weir, "POST", path)[0], 405)
            self.assertEqual(send(weir, "GET", path + "/more")[0], 404)
            challenge = send(weir, "POST", "/mcp")[1]["WWW-Authenticate"]
            self.assertEqual(challenge, f'Bearer resource_metadata="{METADATA}", scope="tools admin"')

    def test_resource(self):
        """Behind a proxy the gateway has another URL."""
        with WeirProcess(config(self.ENTRY, auth=", resource: 'https://public.example/weir/mcp'")) as weir:
            status, _, body = send(weir, "GET", "/.well-known/oauth-protected-resource/weir/mcp")
            self.assertEqual((status, json.loads(body)["resource"]), (200, "https://public.example/weir/mcp"))
            self.assertIn('"https://public.example/.well-known/oauth-protected-resource/weir/mcp"',
                          send(weir, "POST", "/mcp")[1]["WWW-Authenticate"])

    def test_only_with_tokens(self):
        with WeirProcess("listen: [{address: '127.0.0.1:0'}]\n") as weir:
            self.assertEqual(send(weir, "GET", "/.well-known/oauth-protected-resource")[0], 404)


if __name__ == "__main__":
    unittest.main()
