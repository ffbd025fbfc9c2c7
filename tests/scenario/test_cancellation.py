"""A request that is cancelled: the handler is told, at once, and only that one; whoever cancels, and by whichever means."""
import json
import tempfile
import threading
import unittest
from pathlib import Path

from legacy import Session
from test_http_front import ADMIN, LISTEN, Client, call, metrics, used, wait_for
from weir_process import WeirProcess, binary

FIXTURES = binary().rpartition("/")[0] + "/fixtures"
FAMILY = """
commands:
  - {name: family, run: [sh, -c, 'trap "" TERM; sleep 100 & echo $$ $! > pids.new; mv pids.new pids; wait; wait'], directory: ., timeout: 100s}
"""


class Held:
    """A gateway whose tool `hold` keeps its call until it is cancelled or `release` is called; the journal tells which."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.journal = Path(self.directory.name) / "journal"
        self.journal.touch()
        self.weir = WeirProcess(LISTEN + ADMIN + f"modules: [{{path: '{FIXTURES}/probe.so', config: '{self.journal}'}}]\n")
        return self

    def __exit__(self, *what):
        self.weir.__exit__(*what)
        self.directory.cleanup()

    def said(self, line):
        return line in self.journal.read_text().split("\n")

    def wait(self, line):
        wait_for(lambda: self.said(line), line)


class Legacy(unittest.TestCase):
    def hold(self, session, number):
        """Starts the call in a thread; the list gets its (status, body)."""
        got = []

        def work():
            with session.call("hold", number=number) as reply:
                got.append((reply.status, reply.response.read()))

        thread = threading.Thread(target=work)
        thread.start()
        return thread, got

    def test_notice(self):
        for number in (0, "a \u00e9 \\ \"", -1, 9007199254740993):
            with self.subTest(number), Held() as held, Session(held.weir) as session:
                thread, got = self.hold(session, number)
                held.wait("held")
                self.assertEqual(session.notify("notifications/cancelled", {"requestId": number, "reason": "bored"}), 202)
                held.wait("answered after cancel")
                thread.join(30)
                self.assertNotIn(b"late", got[0][1], "no answer to what was cancelled")
                self.assertEqual(used(held.weir, "in_flight"), 0)
                self.assertEqual(metrics(held.weir)['weir_requests_total{method="tools/call",era="legacy",outcome="cancelled"}'], 1)

    def test_notices_that_mean_something_else(self):
        with Held() as held, Session(held.weir) as session, Session(held.weir) as other:
            thread, got = self.hold(session, 7)
            held.wait("held")
            for params in ({"requestId": "7"}, {"requestId": 8}, {"requestId": 7.5}, {"requestId": None}, {"requestId": [7]}, {}, None):
                self.assertLess(session.notify("notifications/cancelled", params), 500)
            self.assertEqual(other.notify("notifications/cancelled", {"requestId": 7}), 202, "the same id in another session")
            self.assertFalse(held.said("on_cancel"))
            with session.call("release") as reply:
                self.assertEqual(reply.status, 200)
            thread.join(30)
            self.assertEqual(json.loads(got[0][1])["result"]["content"][0]["text"], "late")
            self.assertFalse(held.said("on_cancel"))
            self.assertEqual(session.notify("notifications/cancelled", {"requestId": 7}), 202, "too late is no mistake")

    def test_hanging_up_cancels_nothing(self):
        """2025-03-26 and later: a disconnection is no cancellation."""
        with Held() as held, Session(held.weir) as session:
            client = Client(held.weir)
            body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hold"}}'
            client.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, "
                        b"text/event-stream\r\nMcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s"
                        % (session.id.encode(), len(body), body))
            held.wait("held")
            client.reset()
            wait_for(lambda: metrics(held.weir)["weir_hang_ups_total"] >= 1, "the hang-up")
            self.assertFalse(held.said("on_cancel"))
            with session.call("release") as reply:
                self.assertEqual(reply.status, 200)
            held.wait("answered late")

    def test_command(self):
        with WeirProcess(LISTEN + ADMIN + FAMILY) as weir, Session(weir) as session:
            thread = threading.Thread(target=lambda: session.call("family", number="kill").close())
            thread.start()
            pids = Path(weir.config_path).parent / "pids"
            wait_for(pids.exists, "the program")
            session.notify("notifications/cancelled", {"requestId": "kill"})
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.read_text().split()), "its end, and its child's")
            thread.join(30)
            wait_for(lambda: used(weir, "processes") == 0, "the count")


class Modern(unittest.TestCase):
    def test_hanging_up_cancels(self):
        for how in ("close", "reset"):
            with self.subTest(how), Held() as held:
                client = Client(held.weir, call("hold"))
                held.wait("held")
                getattr(client, how)()
                held.wait("answered after cancel")
                wait_for(lambda: used(held.weir, "in_flight") == 0, "the end of the call")
                self.assertEqual(metrics(held.weir)['weir_requests_total{method="tools/call",era="modern",outcome="cancelled"}'], 1)

    def test_only_its_own(self):
        """Two clients with the same request id: one hangs up."""
        with Held() as held:
            stays = Client(held.weir, call("hold", number=1))
            held.wait("held")
            leaves = Client(held.weir, call("block", number=1))
            held.wait("blocked")
            leaves.reset()
            wait_for(lambda: metrics(held.weir)["weir_hang_ups_total"] == 1, "the hang-up")
            self.assertFalse(held.said("on_cancel"))
            for tool in ("open", "release"):
                client = Client(held.weir, call(tool))
                self.assertEqual(client.response()[0], 200)
                client.close()
            self.assertEqual(stays.response()[0], 200)
            stays.close()


if __name__ == "__main__":
    unittest.main()
