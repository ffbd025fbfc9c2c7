"""The WebSocket front from outside: both eras, many requests in flight, the server's own requests, cancellation, silence, slow
readers, capacity, drains, upgrades on kept-alive connections, and what is counted of it all."""
import json
import random
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from test_cancellation import Held
from test_http_front import ADMIN, FLOOD, LISTEN, metrics, used, wait_for
from websocket_client import (CLOSE, CONTINUATION, PING, PONG, SECONDS, TEXT, Closed, Connection, Refused, WebSocket, accept_of, KEY,
                              close_payload, frame, head, request, text)
from weir_process import WeirProcess, binary

FIXTURES = binary().rpartition("/")[0] + "/fixtures"
CONFORMANCE = f"modules: [{{path: '{FIXTURES}/conformance.so'}}]\n"
NAP = "commands: [{name: nap, run: [sleep, '{seconds}'], input_schema: {type: object, properties: {seconds: {type: string}}}}]\n"
META_INPUT = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}


def said(answer):
    return answer["result"]["content"][0]["text"]


def tool(name, arguments=None, id=1, modern=True, **params):
    return request("tools/call", {"name": name, "arguments": arguments or {}, **params}, id, modern)


def closes(weir, code):
    return metrics(weir)[f'weir_websocket_closes_total{{code="{code}"}}']


class Eras(unittest.TestCase):
    def test_modern(self):
        with WeirProcess(LISTEN + ADMIN) as weir, WebSocket(weir.port) as ws:
            self.assertEqual(ws.protocol, b"mcp")
            self.assertIn("2026-07-28", ws.call("server/discover", id="server-discover-probe-1")["result"]["supportedVersions"])
            self.assertTrue(ws.call("tools/list", id=0)["result"]["tools"])
            ws.send_text(tool("echo", {"message": "hé €"}))
            self.assertEqual(said(ws.receive_json()), "hé €")
            self.assertEqual(ws.call("ping", id=3)["error"]["code"], -32601, "no ping in this era")
            ws.send_text(json.dumps({"jsonrpc": "2.0", "id": 4, "method": "tools/list", "params": {"_meta": {
                "io.modelcontextprotocol/protocolVersion": "v999", "io.modelcontextprotocol/clientCapabilities": {}}}}))
            self.assertEqual(ws.receive_json()["error"]["code"], -32022)
            self.assertEqual(used(weir, "sessions"), 0)
            ws.close()

    def test_legacy(self):
        for version in ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"):
            with self.subTest(version), WeirProcess(LISTEN + ADMIN) as weir, WebSocket(weir.port) as ws:
                self.assertEqual(ws.initialize(version)["protocolVersion"], version)
                self.assertEqual(ws.call("ping", modern=False)["result"], {})
                self.assertTrue(ws.call("tools/list", modern=False)["result"]["tools"])
                self.assertEqual(used(weir, "sessions"), 1)
                ws.close()
                wait_for(lambda: used(weir, "sessions") == 0, "the session ends with its connection")

    def test_a_session_is_its_connections(self):
        with WeirProcess(LISTEN) as weir, WebSocket(weir.port) as one, WebSocket(weir.port) as two:
            one.initialize()
            self.assertEqual(two.call("tools/list", modern=False)["error"]["code"], -32600, "not initialized here")
            self.assertIn("result", one.call("tools/list", modern=False))

    def test_both_eras_at_once(self):
        with WeirProcess(LISTEN) as weir, WebSocket(weir.port) as ws:
            ws.initialize()
            self.assertIn("result", ws.call("ping", modern=False))
            self.assertIn("resultType", ws.call("tools/list", modern=True)["result"])

    def test_notifications_of_a_session(self):
        """What belongs to no request comes on the connection itself."""
        with WeirProcess(LISTEN + f"modules: [{{path: '{FIXTURES}/probe.so', config: null}}]\n") as weir, WebSocket(weir.port) as ws:
            ws.initialize()
            ws.send_text(tool("grow", modern=False))
            got = [ws.receive_json() for _ in range(2)]
            self.assertIn("notifications/tools/list_changed", [message.get("method") for message in got])

    def test_progress_comes_before_the_answer(self):
        with WeirProcess(LISTEN + CONFORMANCE) as weir, WebSocket(weir.port) as ws:
            ws.send_text(tool("test_tool_with_progress", _meta={"progressToken": "p"}))
            got = [ws.receive_json() for _ in range(4)]
            self.assertEqual([message.get("method") for message in got], ["notifications/progress"] * 3 + [None])


class InFlight(unittest.TestCase):
    def test_answers_in_any_order(self):
        with Held() as held, WebSocket(held.weir.port) as ws:
            ws.send_text(tool("hold", id=1))
            held.wait("held")
            ws.send_text(tool("echo", {"message": "quick"}, id=2))
            self.assertEqual(ws.receive_json()["id"], 2)
            ws.send_text(tool("release", id="three"))
            self.assertEqual({ws.receive_json()["id"] for _ in range(2)}, {1, "three"})

    def test_many(self):
        with WeirProcess(LISTEN + NAP) as weir, WebSocket(weir.port) as ws:
            for i in range(50):
                ws.send_text(tool("nap", {"seconds": "0.2"}, id=f"nap{i}"))
                ws.send_text(tool("echo", {"message": str(i)}, id=i))
            answers = {answer["id"]: answer for answer in (ws.receive_json() for _ in range(100))}
            self.assertEqual(len(answers), 100)
            for i in range(50):
                self.assertEqual(said(answers[i]), str(i))
                self.assertFalse(answers[f"nap{i}"]["result"].get("isError"))

    def test_more_than_may_be_under_way(self):
        """Beyond a bound nothing more is read, until answers have gone: all are answered in the end."""
        with WeirProcess(LISTEN + "limits: {max_send_queue: 64KiB}\n") as weir, WebSocket(weir.port) as ws:
            ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            count, sent, filler = 3000, 0, "x" * 1000
            data = b"".join(text(tool("echo", {"message": filler}, id=i)) for i in range(count))
            ws.socket.setblocking(False)
            give_up = time.monotonic() + 1
            while sent < len(data) and time.monotonic() < give_up:  # as much as it takes while we read nothing
                try:
                    sent += ws.socket.send(data[sent:sent + 65536])
                except BlockingIOError:
                    time.sleep(0.01)
            ws.socket.settimeout(SECONDS)
            got = set()
            while len(got) < count:
                if sent < len(data):
                    ws.socket.setblocking(False)
                    try:
                        sent += ws.socket.send(data[sent:sent + 65536])
                    except BlockingIOError:
                        pass
                    ws.socket.settimeout(SECONDS)
                got.add(ws.receive_json()["id"])
            self.assertEqual(got, set(range(count)))

    def test_answers_in_the_order_of_the_requests(self):
        """Whether a message comes whole or in pieces, of frames or of segments: it does not overtake the one before it."""
        chance = random.Random(20261127)

        def frames_of(payload, parts):
            cuts = [0, *sorted(chance.randrange(len(payload) + 1) for _ in range(parts - 1)), len(payload)]
            for i in range(parts):
                yield frame(CONTINUATION if i else TEXT, payload[cuts[i]:cuts[i + 1]], fin=i == parts - 1, mask=chance.randbytes(4))

        with WeirProcess(LISTEN) as weir, WebSocket(weir.port) as ws:
            count = 400
            data = b"".join(
                b"".join(frames_of(tool("echo", {"message": "é" * chance.choice((0, 10, 300, 20000, 70000))}, id=i).encode(),
                                   chance.choice((1, 1, 1, 2, 5)))) + chance.choice((b"", b"", frame(PING, b"?")))
                for i in range(count))

            def send():
                at = 0
                while at < len(data):
                    size = chance.choice((1, 7, 200, 1000, 5000, 66000, 200000))
                    ws.send(data[at:at + size])
                    at += size

            sender = threading.Thread(target=send)
            sender.start()
            for i in range(count):
                self.assertEqual(ws.receive_json()["id"], i)
            sender.join()
            ws.close()

    def test_a_message_behind_one_that_is_still_on_its_way(self):
        """libwebsockets takes several turns to hand on a large one."""
        with WeirProcess(LISTEN) as weir, WebSocket(weir.port) as ws:
            large = tool("echo", {"message": ""}, id="large")
            large = text(large.replace('"message": ""', f'"message": "{"x" * (65535 - len(large))}"'))
            for _ in range(50):
                ws.send(text(tool("echo", id="first")) + large[:7])
                self.assertEqual(ws.receive_json()["id"], "first")
                ws.send(large[7:] + text(tool("echo", id="last")))
                self.assertEqual([ws.receive_json()["id"] for _ in range(2)], ["large", "last"])

    def test_a_large_answer(self):
        with WeirProcess(LISTEN + "limits: {max_payload: 16MiB}\n") as weir, WebSocket(weir.port) as ws:
            message = "€" * (4 << 20)
            ws.send_text(tool("echo", {"message": message}))
            ws.send_text(tool("echo", {"message": "after"}, id=2))
            self.assertEqual(said(ws.receive_json()), message)
            self.assertEqual(said(ws.receive_json()), "after")


class Asking(unittest.TestCase):
    """The gateway's own requests."""

    def elicit(self, ws, name):
        question = ws.receive_json()
        self.assertEqual(question["method"], "elicitation/create")
        ws.send_text(json.dumps({"jsonrpc": "2.0", "id": question["id"],
                                 "result": {"action": "accept", "content": {"name": name}}}))

    def test_legacy(self):
        with WeirProcess(LISTEN + f"modules: [{{path: '{FIXTURES}/probe.so', config: null}}]\n") as weir, \
                WebSocket(weir.port) as one, WebSocket(weir.port) as two:
            for ws in (one, two):
                ws.initialize(capabilities={"elicitation": {}})
                ws.send_text(tool("greet", id=7, modern=False))
            self.elicit(two, "Zwei")
            self.elicit(one, "Eins")
            self.assertIn("Hello Eins", said(one.receive_json()))
            self.assertIn("Hello Zwei", said(two.receive_json()))

    def test_modern(self):
        with WeirProcess(LISTEN + f"modules: [{{path: '{FIXTURES}/probe.so', config: null}}]\n") as weir, WebSocket(weir.port) as ws:
            asked = ws.call("tools/call", {"name": "greet", "arguments": {}, "_meta": META_INPUT})["result"]
            self.assertEqual(asked["resultType"], "input_required")
            answer = ws.call("tools/call", {"name": "greet", "arguments": {}, "_meta": META_INPUT, "requestState": asked["requestState"],
                                            "inputResponses": {"who": {"action": "accept", "content": {"name": "Ada"}}}}, id=2)
            self.assertIn("Hello Ada", said(answer))


class Ending(unittest.TestCase):
    def test_cancelled(self):
        for modern in (True, False):
            with self.subTest(modern=modern), Held() as held, WebSocket(held.weir.port) as ws:
                if not modern:
                    ws.initialize()
                ws.send_text(tool("hold", id="h", modern=modern))
                held.wait("held")
                ws.send_text(request("notifications/cancelled", {"requestId": "other"}, id=None, modern=modern))
                ws.send_text(tool("echo", {"message": "still"}, id=2, modern=modern))
                self.assertEqual(ws.receive_json()["id"], 2)
                self.assertFalse(held.said("on_cancel"))
                ws.send_text(request("notifications/cancelled", {"requestId": "h"}, id=None, modern=modern))
                held.wait("answered after cancel")
                self.assertEqual(ws.call("tools/list", id=3, modern=modern)["id"], 3, "no answer to what was cancelled")

    def test_of_another_connection(self):
        with Held() as held, WebSocket(held.weir.port) as ws, WebSocket(held.weir.port) as other:
            ws.send_text(tool("hold", id=1))
            held.wait("held")
            other.send_text(request("notifications/cancelled", {"requestId": 1}, id=None))
            other.call("tools/list")
            self.assertFalse(held.said("on_cancel"))
            other.send_text(tool("release", id=2))
            self.assertEqual(ws.receive_json()["id"], 1)

    def test_hang_ups_cancel(self):
        def closed(ws):
            ws.close()

        def dropped(ws):
            ws.drop()

        def reset(ws):
            ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            ws.drop()

        def half_closed(ws):
            ws.socket.shutdown(socket.SHUT_WR)

        for end in (closed, dropped, reset, half_closed):
            with self.subTest(end.__name__), Held() as held, WebSocket(held.weir.port) as ws:
                before = held.weir.descriptors()
                ws.send_text(tool("hold"))
                held.wait("held")
                end(ws)
                held.wait("answered after cancel")
                wait_for(lambda: used(held.weir, "in_flight") == 0, "the request to end")
                wait_for(lambda: held.weir.descriptors() < before, "the descriptors to be closed")

    def test_listening_ends_with_its_result_then_1001(self):
        weir = WeirProcess(LISTEN + ADMIN + f"modules: [{{path: '{FIXTURES}/probe.so', config: null}}]\n")
        with WebSocket(weir.port) as ws, WebSocket(weir.port) as idle:
            idle.initialize()
            ws.send_text(request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, id="sub"))
            first = ws.receive_json()
            self.assertEqual(first["method"], "notifications/subscriptions/acknowledged")
            self.assertEqual(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub")
            ws.send_text(tool("grow", id=2))
            changes = [ws.receive_json() for _ in range(2)]
            change = next(message for message in changes if "method" in message)
            self.assertEqual(change["method"], "notifications/tools/list_changed")
            self.assertEqual(change["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub")
            weir.signal(15)
            self.assertEqual(ws.receive_json()["id"], "sub")
            self.assertEqual(ws.expect_close(), 1001)
            self.assertEqual(idle.expect_close(), 1001)
        weir.stop()

    def test_drain(self):
        weir = WeirProcess(LISTEN + ADMIN + NAP)
        with WebSocket(weir.port) as busy, WebSocket(weir.port) as idle:
            busy.send_text(tool("nap", {"seconds": "1"}))
            wait_for(lambda: used(weir, "in_flight") == 1, "the nap")
            weir.signal(15)
            self.assertEqual(idle.expect_close(), 1001)
            self.assertEqual(busy.receive_json()["id"], 1, "what is in flight is answered")
            self.assertEqual(busy.expect_close(), 1001)
        weir.stop()

    def test_drain_of_one_that_does_not_answer_the_close(self):
        weir = WeirProcess(LISTEN)
        with WebSocket(weir.port) as ws:
            weir.signal(15)
            with self.assertRaises(Closed) as closed:
                ws.receive()
            self.assertEqual(closed.exception.code, 1001)
            weir.stop()


class Limits(unittest.TestCase):
    def test_a_slow_reader_is_cut_off(self):
        with WeirProcess(LISTEN + ADMIN + FLOOD + "limits: {max_send_queue: 256KiB}\n") as weir, \
                WebSocket(weir.port, receive_buffer=4096) as slow, WebSocket(weir.port) as other:
            slow.initialize()
            slow.send_text(tool("flood", modern=False))
            wait_for(lambda: metrics(weir)["weir_slow_readers_total"] == 1, "the reader to be cut off")
            self.assertIn("result", other.call("tools/list"))
            wait_for(lambda: used(weir, "connections") <= 2, "its connection to end")
            self.assertEqual(closes(weir, "none"), 1)

    def test_a_violation_by_one_that_does_not_read(self):
        """The close frame would come behind what is not read: it is waited for, and then the connection is cut."""
        with WeirProcess(LISTEN + ADMIN) as weir, WebSocket(weir.port, receive_buffer=4096) as ws:
            for i in range(4):
                ws.send_text(tool("echo", {"message": "x" * 500000}, id=i))
            ws.send(frame(2, b"binary"))
            wait_for(lambda: closes(weir, "1003") == 1, "the violation to be seen")
            wait_for(lambda: used(weir, "connections") == 1, "the connection to be cut")

    def test_a_violation_by_one_that_reads_late(self):
        with WeirProcess(LISTEN + ADMIN) as weir, WebSocket(weir.port, receive_buffer=4096) as ws:
            for i in range(4):
                ws.send_text(tool("echo", {"message": "x" * 500000}, id=i))
            ws.send(frame(2, b"binary"))
            wait_for(lambda: closes(weir, "1003") == 1, "the violation to be seen")
            for i in range(4):
                self.assertEqual(ws.receive_json()["id"], i, "what came before it is answered in full")
            self.assertEqual(ws.expect_close(), 1003)

    def test_a_head_that_is_too_large(self):
        with WeirProcess(LISTEN) as weir:
            with self.assertRaises(Refused) as refused:
                WebSocket(weir.port, protocol=b"mcp, mcp.auth." + b"t" * 40000)
            self.assertEqual(refused.exception.status, 431)

    def test_no_room_for_a_session(self):
        with WeirProcess(LISTEN + ADMIN + "limits: {max_sessions: 1}\n") as weir, WebSocket(weir.port) as one, WebSocket(weir.port) as two:
            one.initialize()
            answer = two.call("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
                              modern=False)
            self.assertEqual(answer["error"]["code"], 503)
            self.assertIn("max_sessions", answer["error"]["message"])
            self.assertEqual(two.expect_close(), 1013)
            self.assertEqual(closes(weir, "1013"), 1)
            self.assertIn("result", one.call("ping", modern=False))

    def test_no_room_for_a_connection(self):
        with WeirProcess(LISTEN + "limits: {max_connections: 1}\n") as weir, WebSocket(weir.port) as ws:
            with self.assertRaises(Refused) as refused:
                WebSocket(weir.port)
            self.assertEqual(refused.exception.status, 503)
            ws.close()
            wait_for(lambda: self.opens(weir), "the place to be free again")

    @staticmethod
    def opens(weir):
        try:
            WebSocket(weir.port).close()
            return True
        except Refused:
            return False

    def test_connections_are_charged_once(self):
        with WeirProcess(LISTEN + ADMIN) as weir:
            sockets = [WebSocket(weir.port) for _ in range(20)]
            self.assertEqual(used(weir, "connections"), 21, "twenty, and the one that asks")
            for i, ws in enumerate(sockets):
                ws.close() if i % 2 else ws.drop()
            for _ in range(5):
                with self.assertRaises(Refused):
                    WebSocket(weir.port, target=b"/nothing")
            wait_for(lambda: used(weir, "connections") == 1, "all to be given back")
            self.assertEqual(metrics(weir)["weir_websocket_upgrades_total"], 20)
            self.assertEqual(closes(weir, "peer") + closes(weir, "none"), 20)

    def test_silence(self):
        """Half of the limit without a sign of life, and it is asked; the whole of it, and it is cut off."""
        with WeirProcess(LISTEN + ADMIN + "limits: {idle_timeout: 2s}\n") as weir, WebSocket(weir.port) as there, \
                WebSocket(weir.port) as silent:
            began = time.monotonic()
            while time.monotonic() < began + 5:
                there.socket.settimeout(0.2)
                try:
                    there.receive()
                except TimeoutError:
                    pass
            there.socket.settimeout(SECONDS)
            self.assertGreaterEqual(there.control.count((PING, b"")), 2)
            self.assertIn("result", there.call("tools/list"), "who answers pings stays")
            with self.assertRaises(Closed) as closed:
                silent.receive(pong=False)
            self.assertIsNone(closed.exception.code)
            self.assertEqual(silent.control, [(PING, b"")])
            self.assertEqual(metrics(weir)['weir_timeouts_total{stage="idle"}'], 1)

    def test_counters(self):
        with WeirProcess(LISTEN + ADMIN + "limits: {max_payload: 64KiB}\n") as weir:
            for data, code in ((frame(2, b"x"), 1003), (frame(1, b"x", masked=False), 1002), (frame(1, length=1 << 20), 1009),
                               (frame(1, b"\xff"), 1007)):
                with WebSocket(weir.port) as ws:
                    ws.call("tools/list")
                    ws.send(data)
                    self.assertEqual(ws.expect_close(), code)
                    self.assertEqual(closes(weir, code), 1)
            counted = metrics(weir)
            self.assertEqual(counted['weir_websocket_messages_total{direction="in"}'], 5)
            self.assertEqual(counted['weir_websocket_messages_total{direction="out"}'], 4)
            self.assertEqual(counted['weir_refusals_total{reason="payload"}'], 1)


class Upgrading(unittest.TestCase):
    def test_origins(self):
        config = "listen: [{address: '127.0.0.1:0', allowed_hosts: [gw.example], allowed_origins: ['https://app.example']}]\n"
        with WeirProcess(config + ADMIN) as weir:
            def status(host, origin):
                changes = {b"Host": host, **({b"Origin": origin} if origin else {})}
                try:
                    WebSocket(weir.port, changes=changes).close()
                    return 101
                except Refused as refused:
                    return refused.status

            self.assertEqual(status(b"gw.example", None), 101)
            self.assertEqual(status(b"gw.example:1234", b"https://app.example"), 101)
            self.assertEqual(status(b"gw.example", b"https://evil.example"), 403)
            self.assertEqual(status(b"localhost", b"https://app.example"), 403)
            self.assertEqual(status(b"gw.example", b"http://localhost"), 403)
            self.assertEqual(metrics(weir)['weir_refusals_total{reason="origin"}'], 3)

    def test_only_where_it_is_served(self):
        with WeirProcess("listen: [{address: '127.0.0.1:0', transports: [http]}]\n") as weir:
            with self.assertRaises(Refused) as refused:
                WebSocket(weir.port, changes={b"Accept": b"*/*"})
            self.assertGreaterEqual(refused.exception.status, 400)

    def test_on_a_kept_alive_connection(self):
        body = request("tools/list").encode()
        post = (b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
                b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        with WeirProcess(LISTEN + ADMIN) as weir:
            for early in (b"", text(request("tools/list", id="early"))):
                connection = Connection(socket.create_connection((weir.host, weir.port)))
                for data in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", post):
                    connection.send(data)
                    self.assertEqual(connection.response()[0], 200)
                upgraded = Upgraded(connection, early)
                self.assertEqual(upgraded.protocol, b"mcp")
                if early:
                    self.assertEqual(upgraded.receive_json()["id"], "early")
                self.assertIn("result", upgraded.call("tools/list", id=2))
                upgraded.send(frame(PING, b"here"))
                upgraded.call("tools/list", id=3)
                upgraded.close()
            wait_for(lambda: used(weir, "connections") == 1, "each to be given back once")

    def test_refused_on_a_kept_alive_connection(self):
        with WeirProcess(LISTEN + ADMIN) as weir:
            for changes, status in (({b"Sec-WebSocket-Version": b"8"}, 426), ({b"Origin": b"http://evil.example"}, 403),
                                    ({b"Sec-WebSocket-Key": b"x"}, 400)):
                connection = Connection(socket.create_connection((weir.host, weir.port)))
                connection.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(connection.response()[0], 200)
                connection.send(head(changes=changes))
                got, fields, body = connection.response()
                self.assertEqual(got, status)
                self.assertEqual(json.loads(body)["error"]["code"], status)
                connection.drop()
            wait_for(lambda: used(weir, "connections") == 1, "each to be given back once")

    def test_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "c.pem"), Path(folder, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
                            str(certificate)], check=True, capture_output=True)
            config = f"listen: [{{address: '127.0.0.1:0', tls: {{certificate: '{certificate}', key: '{key}'}}}}]\n"
            with WeirProcess(config + ADMIN) as weir:
                port = int(weir.url.split(":")[2].split("/")[0])
                context = ssl.create_default_context(cafile=certificate)
                with WebSocket(port, tls=context, early=text(request("tools/list", id="early"))) as ws:
                    self.assertEqual(ws.receive_json()["id"], "early")
                    ws.send_text(tool("echo", {"message": "x" * 300000}))
                    self.assertEqual(len(said(ws.receive_json())), 300000)
                    ws.send(frame(2, b"x"))
                    self.assertEqual(ws.expect_close(), 1003)
                with self.assertRaises(Refused) as refused:
                    WebSocket(port, tls=context, target=b"/x")
                self.assertEqual(refused.exception.status, 404)
                wait_for(lambda: used(weir, "connections") == 1, "all to be given back")


class Upgraded(WebSocket):
    """On a connection that has carried requests already."""

    def __init__(self, connection, early=b""):
        self.socket, self.buffer, self.control = connection.socket, connection.buffer, []
        self.socket.settimeout(SECONDS)
        self.send(head() + early)
        status, self.fields, _ = self.response()
        assert status == 101, status
        assert self.fields[b"sec-websocket-accept"] == accept_of(KEY)
        self.protocol = self.fields.get(b"sec-websocket-protocol")


if __name__ == "__main__":
    unittest.main()
