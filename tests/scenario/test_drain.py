"""SIGTERM with clients in every state: what can finish does, what waits for something that cannot come any more is told so at once,
streams end as their era wants it, and nobody new gets in."""
import json
import signal
import threading
import time
import unittest

from legacy import Session
from test_http_front import ADMIN, LISTEN, LISTEN_REQUEST, SLOW, Client, ask, call, get, modern, used, wait_for
from websocket_client import Closed, WebSocket
from weir_process import WeirProcess, binary

FIXTURE = f"modules: [{{path: '{binary().rpartition('/')[0]}/fixtures/conformance.so'}}]\n"
DRAIN_SECONDS = 30  # limits.drain_timeout as it is


class Caller(threading.Thread):
    """Calls the tool `nothing` over a WebSocket, as fast as it can, until that is closed."""

    def __init__(self, weir):
        super().__init__(daemon=True)
        self.weir, self.first, self.code = weir, threading.Event(), None
        self.start()

    def run(self):
        try:
            with WebSocket(self.weir.port) as client:
                while True:
                    client.call("tools/call", {"name": "nothing", "arguments": {}})
                    self.first.set()
        except Closed as closed:
            self.code = closed.code


class Drain(unittest.TestCase):
    def test_everybody(self):
        with WeirProcess(LISTEN + ADMIN + FIXTURE + SLOW) as weir:
            session = Session(weir, capabilities={"elicitation": {}})
            standing = session.stream()
            standing.event()
            listening = Client(weir, LISTEN_REQUEST)
            listening.head(), listening.event()
            asked = session.call("test_elicitation", {"message": "?"}, number="asked")
            asked.event(), asked.event()
            working = Client(weir, call("second", number="working"))
            late = Client(weir, b"GET /readyz HTTP/1.1\r\nHost: local")
            idle = Client(weir, get())
            self.assertEqual(idle.response()[0], 200)
            wait_for(lambda: used(weir, "in_flight") == 2, "the calls")
            streaming = Client(weir, modern("tools/call", {"name": "test_tool_with_progress", "arguments": {}}, "test_tool_with_progress",
                                            "streaming", {"progressToken": "p"}))
            self.assertEqual(streaming.head()[0], 200)

            start = time.monotonic()
            weir.signal(signal.SIGTERM)
            self.assertTrue(idle.closed())
            self.assertEqual(standing.events(), [], "a legacy stream just ends")
            self.assertEqual(json.loads(listening.event()["data"])["result"]["resultType"], "complete")
            self.assertIsNone(listening.event())
            self.assertEqual(asked.last()["error"]["code"], 503, "its client could not answer any more")
            messages = [json.loads(event["data"]) for event in iter(streaming.event, None)]
            self.assertEqual((messages[-1]["id"], "result" in messages[-1]), ("streaming", True))
            self.assertEqual(late.send(b"host\r\n\r\n").response()[0], 503, "not ready")
            with self.assertRaises(ConnectionError):
                Client(weir, get())
            status, _, body = working.response()
            self.assertEqual((status, json.loads(body)["id"]), (200, "working"))
            self.assertEqual(weir.process.wait(DRAIN_SECONDS), 0)
            self.assertLess(time.monotonic() - start, DRAIN_SECONDS / 2, "nothing has waited for the limit")
            self.assertEqual(weir.logs("drain_cut_short"), [])
            session.id = None
            for client in (standing, asked, listening, streaming, working, late, idle):
                client.close()

    def test_grace(self):
        """The probe says no, and everything is served still, each answer the last of its connection; a second signal ends the wait."""
        with WeirProcess(LISTEN + ADMIN + SLOW + "limits: {drain_grace: 1h}\n") as weir:
            kept = Client(weir, get())
            self.assertEqual(kept.response()[0], 200)
            listening = Client(weir, LISTEN_REQUEST)
            listening.head(), listening.event()
            working = Client(weir, call("second"))
            wait_for(lambda: used(weir, "in_flight") == 1, "the call")
            weir.signal(signal.SIGTERM)
            weir.wait_log("leaving")
            self.assertEqual(ask(weir, get(b"/readyz"))[0], 503)
            self.assertEqual(ask(weir, get(b"/healthz"))[0], 200)
            for client in (kept, Client(weir)):
                status, fields, body = client.send(call("echo", {"message": "still"})).response()
                self.assertEqual((status, fields["connection"]), (200, "close"), body)
                self.assertTrue(client.closed())
                client.close()
            fresh = Client(weir, LISTEN_REQUEST)
            self.assertEqual(fresh.head()[0], 200)
            self.assertIn("acknowledged", fresh.event()["data"])
            self.assertEqual(weir.logs("draining"), [])
            weir.signal(signal.SIGTERM)
            weir.wait_log("draining")
            for stream in (fresh, listening):
                self.assertEqual(json.loads(stream.event()["data"])["result"]["resultType"], "complete")
                self.assertIsNone(stream.event())
            self.assertEqual(working.response()[0], 200)
            self.assertEqual(weir.process.wait(DRAIN_SECONDS), 0)
            for client in (fresh, listening, working):
                client.close()

    def test_grace_ends(self):
        with WeirProcess(LISTEN + ADMIN + "limits: {drain_grace: 10ms}\n") as weir:
            weir.signal(signal.SIGTERM)
            weir.wait_log("draining")
            self.assertEqual(weir.process.wait(DRAIN_SECONDS), 0)

    def test_grace_ends_under_load(self):
        """However many programs come to their end meanwhile."""
        commands = "commands: [{name: nothing, run: ['true']}]\n"
        with WeirProcess(LISTEN + commands + "limits: {drain_grace: 200ms}\n") as weir:
            callers = [Caller(weir) for _ in range(4)]
            for caller in callers:
                caller.first.wait(DRAIN_SECONDS)
            weir.signal(signal.SIGTERM)
            weir.wait_log("draining")
            self.assertEqual(weir.process.wait(DRAIN_SECONDS), 0)
            for caller in callers:
                caller.join()
                self.assertEqual(caller.code, 1001)

    def test_interrupt_is_the_same(self):
        with WeirProcess(LISTEN + ADMIN + SLOW) as weir:
            working = Client(weir, call("second"))
            busy = Client(weir, get())
            self.assertEqual(busy.response()[0], 200)
            wait_for(lambda: used(weir, "in_flight") == 1, "the call")
            weir.signal(signal.SIGINT)
            weir.wait_log("draining")
            self.assertEqual(working.response()[0], 200)
            self.assertEqual(weir.process.wait(DRAIN_SECONDS), 0)
            working.close(), busy.close()

    def test_killed(self):
        """Nothing is left behind that would keep the next one from starting."""
        config = LISTEN + FIXTURE + SLOW
        weir = WeirProcess(config)
        port = weir.port
        stream = Client(weir, LISTEN_REQUEST)
        stream.head()
        weir.process.kill()
        weir.kill()
        stream.close()
        with WeirProcess(config.replace("127.0.0.1:0", f"127.0.0.1:{port}")) as again:
            client = Client(again, call("echo", {"message": "back"}))
            self.assertEqual(client.response()[0], 200)
            client.close()


if __name__ == "__main__":
    unittest.main()
