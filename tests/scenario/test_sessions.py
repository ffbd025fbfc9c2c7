"""Sessions of the revisions before 2026-07-28: how they begin, what they are bound to, how they end, and that 64 connections
which share one do not get each other's answers."""
import json
import threading
import unittest

from legacy import Reply, Session
from test_http_front import ADMIN, LISTEN, metrics, used, wait_for
from weir_process import WeirProcess, binary

PROBE = f"modules: [{{path: '{binary().rpartition('/')[0]}/fixtures/probe.so'}}]\n"
HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize",
         "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "scenario", "version": "1"}}}


def hello(weir, changes=None, headers=None):
    """(status, answer, session id) of an initialize with changed parameters."""
    fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})}
    body = json.dumps({**HELLO, "params": {**HELLO["params"], **(changes or {})}})
    with Reply(weir, "POST", fields, body) as reply:
        return reply.status, reply.message(), reply.headers["Mcp-Session-Id"]


def in_parallel(work, count):
    """work(number) on as many threads; the first mistake is raised."""
    mistakes = []

    def run(number):
        try:
            work(number)
        except BaseException as mistake:
            mistakes.append(mistake)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if mistakes:
        raise mistakes[0]


class Beginnings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(LISTEN + ADMIN)

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    def test_revisions(self):
        for asked, got in (("2024-11-05", "2024-11-05"), ("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"),
                           ("1999-01-01", "2025-11-25"), ("2026-07-28", "2025-11-25"), ("", "2025-11-25"), ("x" * 10000, "2025-11-25")):
            with self.subTest(asked[:20]):
                status, answer, session = hello(self.weir, {"protocolVersion": asked})
                self.assertEqual((status, answer["result"]["protocolVersion"]), (200, got))
                self.assertRegex(session, r"^[0-9a-f]{32}$")

    def test_ids_do_not_repeat(self):
        sessions = [hello(self.weir)[2] for _ in range(100)]
        self.assertEqual(len(set(sessions)), 100)
        for at in range(32):
            self.assertGreater(len({session[at] for session in sessions}), 6, "every digit is random")

    def test_initialize_that_is_none(self):
        before = used(self.weir, "sessions")
        for changes in ({"protocolVersion": 5}, {"protocolVersion": None}, {"capabilities": []}, {"capabilities": "all"}):
            with self.subTest(changes):
                status, answer, session = hello(self.weir, changes)
                self.assertEqual((answer["error"]["code"], answer["id"], session), (-32602, 0, None))
        self.assertEqual(used(self.weir, "sessions"), before)

    def test_calls_without_a_session(self):
        body = '{"jsonrpc":"2.0","id":"early","method":"tools/list"}'
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        with Reply(self.weir, "POST", fields, body) as reply:
            self.assertEqual(reply.status, 400)
            self.assertEqual(reply.json()["id"], "early")

    def test_era_switches(self):
        """A session is no excuse for a modern request, nor the other way round."""
        with Session(self.weir) as session:
            for method in ("server/discover", "subscriptions/listen", "tasks/get"):
                with session.request(method) as reply:
                    self.assertEqual(reply.json()["error"]["code"], -32601, method)
            self.assertEqual(session.result("ping"), {})
            with session.send({**HELLO, "id": 9}) as reply:
                self.assertIn("error", reply.json(), "initialized twice")
            with session.send({"jsonrpc": "2.0", "id": 4, "method": "ping"}, {"MCP-Protocol-Version": "1999-01-01"}) as reply:
                self.assertEqual(reply.status, 400, "2025-06-18, transports: an unsupported version must get 400")
            with session.send({"jsonrpc": "2.0", "id": 5, "method": "ping"}, {"MCP-Protocol-Version": None}) as reply:
                self.assertEqual(reply.status, 200, "then the session's own counts")
            self.assertEqual(session.result("ping"), {})


class Ends(unittest.TestCase):
    def test_delete(self):
        with WeirProcess(LISTEN + ADMIN) as weir:
            session = Session(weir)
            stream = session.stream()
            self.assertEqual(stream.event()["id"], "0-0")
            self.assertIn(session.end(), (200, 204))
            self.assertEqual(stream.events(), [], "its stream ends")
            stream.close()
            with session.request("ping", number="after") as reply:
                self.assertEqual((reply.status, reply.json()["id"]), (404, "after"))
            with session.stream() as reply:
                self.assertEqual(reply.status, 404)
            self.assertEqual(session.end(), 404)
            self.assertEqual(session.notify("notifications/initialized"), 404)
            self.assertEqual(used(weir, "sessions"), 0)
            for never in ("f" * 32, "F" * 32, "0", "x" * 5000, "..", "%00", session.id + " ", session.id[:-1]):
                with session.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"Mcp-Session-Id": never}) as reply:
                    self.assertEqual(reply.status, 404, never[:40])

    def test_delete_with_a_call_under_way(self):
        with WeirProcess(LISTEN + ADMIN + PROBE) as weir:
            session = Session(weir)
            held = threading.Thread(target=lambda: session.call("hold").close())
            held.start()
            wait_for(lambda: used(weir, "in_flight") == 1, "the call")
            session.end()
            held.join(30)
            self.assertFalse(held.is_alive(), "a call ends with its session")
            wait_for(lambda: used(weir, "in_flight") == 0, "its handler to be told")

    def test_idle(self):
        """Use and an open stream keep a session; silence ends it."""
        with WeirProcess(LISTEN + ADMIN + "limits: {session_idle: 1s}\n") as weir:
            idle, busy, listening = Session(weir), Session(weir), Session(weir)
            stream = listening.stream()
            self.assertEqual(stream.event()["id"], "0-0")

            def only_two_left():
                self.assertEqual(busy.result("ping"), {})
                return used(weir, "sessions") == 2

            wait_for(only_two_left, "the idle session to end")
            self.assertEqual(metrics(weir)['weir_timeouts_total{stage="session"}'], 1)
            for session, status in ((busy, 200), (listening, 200), (idle, 404)):
                with session.request("ping") as reply:
                    self.assertEqual(reply.status, status)
            stream.close()
            wait_for(lambda: used(weir, "sessions") == 0, "all to end")

    def test_full_house(self):
        with WeirProcess(LISTEN + ADMIN + "limits: {max_sessions: 100}\n") as weir:
            sessions = [hello(weir)[2] for _ in range(100)]
            fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            with Reply(weir, "POST", fields, json.dumps(HELLO)) as reply:
                self.assertEqual((reply.status, reply.json()["id"]), (503, 0))
                self.assertGreaterEqual(int(reply.headers["Retry-After"]), 1)
            with Reply(weir, "DELETE", {"Mcp-Session-Id": sessions[50]}) as reply:
                self.assertLess(reply.status, 300)
            self.assertEqual(hello(weir)[0], 200)
            self.assertEqual(used(weir, "sessions"), 100)


class Sharing(unittest.TestCase):
    def test_one_session_from_many_connections(self):
        """The same ids at the same time on 64 connections: every answer reaches the request that asked."""
        with WeirProcess(LISTEN) as weir, Session(weir) as session:
            def work(number):
                for turn in range(20):
                    message = f"{number}/{turn}"
                    with session.call("echo", {"message": message}, number=turn % 3) as reply:
                        answer = reply.last()
                    self.assertEqual((answer["id"], answer["result"]["content"][0]["text"]), (turn % 3, message))

            in_parallel(work, 64)

    def test_a_client_that_refuses_to_answer(self):
        """What it gives as its reason reaches the caller, whatever is in it."""
        fixture = f"builtin: false\nmodules: [{{path: '{binary().rpartition('/')[0]}/fixtures/conformance.so'}}]\n"
        with WeirProcess(LISTEN + fixture) as weir, Session(weir, capabilities={"elicitation": {}}) as session:
            for reason in ("not now", 'the user said "no"', "a\nb\x1b[31m", "\u00e9" * 1000, "x" + "\U0001f600" * 1000, "", None, 5):
                with session.call("test_elicitation", {"message": "?"}) as reply:
                    question = reply.message()
                    error = {"code": -1} if reason is None else {"code": -1, "message": reason}
                    with session.send({"jsonrpc": "2.0", "id": question["id"], "error": error}) as answer:
                        self.assertEqual(answer.status, 202)
                    told = reply.last()["error"]["message"]
                self.assertIn("could not answer", told)
                self.assertIn(reason[:100] if isinstance(reason, str) else "", told)

    def test_questions_reach_their_own_client(self):
        """Each client is asked on its own stream; what another session answers is nobody's."""
        fixture = f"builtin: false\nmodules: [{{path: '{binary().rpartition('/')[0]}/fixtures/conformance.so'}}]\n"
        with WeirProcess(LISTEN + fixture) as weir:
            stranger = Session(weir, capabilities={"elicitation": {}})

            def work(number):
                name = f"user {number}"
                with Session(weir, capabilities={"elicitation": {}}) as session:
                    with session.call("test_elicitation", {"message": name}) as reply:
                        question = reply.message()
                        self.assertEqual((question["method"], question["params"]["message"]), ("elicitation/create", name))
                        stranger.answer(question, {"action": "accept", "content": {"username": "stranger", "email": "s"}})
                        self.assertEqual(session.answer(question, {"action": "accept", "content": {"username": name, "email": "e"}}), 202)
                        answer = json.dumps(reply.last())
                        self.assertIn(name, answer)
                        self.assertNotIn("stranger", answer)
                    session.answer(question, {"action": "accept", "content": {"username": "again", "email": "e"}})
                    self.assertEqual(session.result("ping"), {}, "an answer too many does no harm")

            in_parallel(work, 16)
            stranger.end()


if __name__ == "__main__":
    unittest.main()
