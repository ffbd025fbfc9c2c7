"""Legacy streams whose connections are cut: the rest is fetched by GET with Last-Event-ID, nothing comes twice, nothing gets lost
within limits.max_replay, and no stream can be read by another session."""
import json
import unittest

from legacy import Session
from test_http_front import ADMIN, LISTEN, used, wait_for
from weir_process import WeirProcess, binary

FIXTURES = binary().rpartition("/")[0] + "/fixtures"
CONFIG = LISTEN + ADMIN + f"modules: [{{path: '{FIXTURES}/conformance.so'}}]\n"
CLIENT = {"elicitation": {}, "sampling": {}}
ACCEPTED = {"action": "accept", "content": {"username": "somebody", "email": "e"}}


def numbers(events):
    return [event["id"] for event in events]


class CallStreams(unittest.TestCase):
    def test_cut_in_the_middle_of_a_call(self):
        for cut in ("close", "reset"):
            with self.subTest(cut), WeirProcess(CONFIG) as weir, Session(weir, capabilities=CLIENT) as session:
                reply = session.call("test_elicitation", {"message": "?"}, number="cut")
                first, question = reply.event(), reply.event()
                self.assertEqual(first["data"], None)
                self.assertGreater(int(first["retry"]), 0)
                getattr(reply, cut)()
                wait_for(lambda: used(weir, "streams") == 0, "the gateway to notice")
                self.assertEqual(session.answer(question["data"], ACCEPTED), 202)
                with session.stream(question["id"]) as rest:
                    events = [event for event in rest.events() if event["data"]]
                self.assertEqual(len(events), 1, "the rest, and then the end")
                self.assertEqual(events[0]["data"]["id"], "cut")
                self.assertIn("somebody", json.dumps(events[0]["data"]["result"]))
                with session.stream(first["id"]) as again:
                    events = [event for event in again.events() if event["data"]]
                self.assertEqual([event["data"].get("method", "answer") for event in events], ["elicitation/create", "answer"])
                self.assertEqual(len(set(numbers(events))), 2)

    def test_resumed_before_the_answer(self):
        """The GET waits; it gets the answer when there is one; a second cut is no different."""
        with WeirProcess(CONFIG) as weir, Session(weir, capabilities=CLIENT) as session:
            reply = session.call("test_elicitation", {"message": "?"}, number=5)
            reply.event()
            question = reply.event()
            reply.reset()
            for _ in range(3):
                again = session.stream(question["id"])
                self.assertIsNone(again.event()["data"])
                again.reset()
            with session.stream(question["id"]) as rest:
                self.assertIsNone(rest.event()["data"])
                session.answer(question["data"], ACCEPTED)
                self.assertEqual(rest.event()["data"]["id"], 5)
                self.assertIsNone(rest.event())

    def test_every_prefix(self):
        """Wherever it was cut, what was seen and what comes then are the whole."""
        with WeirProcess(CONFIG) as weir, Session(weir) as session:
            with session.call("test_tool_with_progress", meta={"progressToken": "p"}) as reply:
                whole = reply.events()
            self.assertEqual(len(whole), 5)
            for at in range(5):
                with session.stream(whole[at]["id"]) as rest:
                    self.assertEqual([event for event in rest.events() if event["data"]], whole[at + 1:])

    def test_older_clients_see_no_empty_message(self):
        """Priming came with 2025-11-25: to older clients an event with empty data is a message that is no JSON."""
        for version in ("2024-11-05", "2025-03-26", "2025-06-18"):
            with WeirProcess(CONFIG) as weir, Session(weir, version) as session:
                with session.call("test_tool_with_progress", meta={"progressToken": "p"}) as reply:
                    blocks = reply.response.read().decode().split("\n\n")
                self.assertRegex(blocks[0], r"^retry: \d+$")
                self.assertEqual([block for block in blocks[1:] if "data:" in block and "data: {" not in block], [])
                self.assertEqual(sum("data: {" in block for block in blocks), 4)

    def test_foreign_and_wrong_ids(self):
        with WeirProcess(CONFIG) as weir, Session(weir) as session, Session(weir) as other:
            with session.call("test_tool_with_progress", meta={"progressToken": "secret"}) as reply:
                whole = reply.events()
            with other.stream(whole[0]["id"]) as foreign:
                self.assertEqual(foreign.status, 400, "that stream is another session's")
            for wrong in ("999-1", "18446744073709551616-1"):
                with session.stream(wrong) as reply:
                    self.assertIn(reply.status, (200, 400), wrong)
            for wrong in ("x", "-1", "1-", "1-1-1", "1-18446744073709551616", "\u00ff", "9" * 5000):
                with session.stream(wrong) as reply:
                    self.assertIn(reply.status, (200, 400), wrong)
                    if reply.status == 200:
                        self.assertEqual(reply.event()["id"], "0-0", "a new standing stream")
            with session.stream(whole[0]["id"]) as rest:
                self.assertEqual([event for event in rest.events() if event["data"]], whole[1:], "nothing was lost by all that")

    def test_what_is_no_longer_kept(self):
        """The oldest goes first, and a client that asks for it learns that it is gone instead of getting a stream with a hole."""
        with WeirProcess(CONFIG + "limits: {max_replay: 2KiB}\n") as weir, Session(weir) as session:
            streams = []
            for _ in range(10):
                with session.call("test_tool_with_progress", meta={"progressToken": "p"}) as reply:
                    streams.append(reply.events())
            with session.stream(streams[0][0]["id"]) as reply:
                self.assertIn(reply.status, (400, 404))
                self.assertIn("error", reply.json())
            with session.stream(streams[-1][0]["id"]) as rest:
                self.assertEqual([event for event in rest.events() if event["data"]], streams[-1][1:])


class StandingStream(unittest.TestCase):
    def trigger(self, session):
        session.result("tools/call", {"name": "test_trigger_resource_update", "arguments": {}})

    def test_what_came_while_nobody_listened(self):
        with WeirProcess(CONFIG) as weir, Session(weir) as session, Session(weir) as other:
            session.result("resources/subscribe", {"uri": "test://watched-resource"})
            stream = session.stream()
            self.assertEqual(stream.event()["id"], "0-0")
            self.trigger(other)
            seen = stream.event()
            self.assertEqual(seen["data"]["params"]["uri"], "test://watched-resource")
            stream.reset()
            wait_for(lambda: used(weir, "streams") == 0, "the gateway to notice")
            for _ in range(3):
                self.trigger(other)
            with session.stream(seen["id"]) as rest:
                self.assertIsNone(rest.event()["data"])
                missed = [rest.event() for _ in range(3)]
                self.assertEqual({event["data"]["method"] for event in missed}, {"notifications/resources/updated"})
                self.assertEqual(len(set(numbers([seen, *missed]))), 4)
                self.trigger(other)
                self.assertEqual(rest.event()["data"]["method"], "notifications/resources/updated", "and it goes on")
            session.result("resources/unsubscribe", {"uri": "test://watched-resource"})
            with session.stream() as stream:
                stream.event()
                self.trigger(other)
                self.assertEqual(session.result("ping"), {})
                session.end()
                self.assertEqual(stream.events(), [], "no subscription, no notice")

    def test_a_second_stream_takes_over(self):
        with WeirProcess(CONFIG) as weir, Session(weir) as session, Session(weir) as other:
            session.result("resources/subscribe", {"uri": "test://watched-resource"})
            first = session.stream()
            first.event()
            with session.stream() as second:
                second.event()
                self.assertEqual(first.events(), [])
                self.trigger(other)
                self.assertEqual(second.event()["data"]["method"], "notifications/resources/updated")
            first.close()


if __name__ == "__main__":
    unittest.main()
