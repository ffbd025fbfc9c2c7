"""JSON-RPC batches: a matter of 2025-03-26, where each element is answered as if it had come alone."""
import json
import unittest

from legacy import Session
from raw_http import post
from test_http_front import ADMIN, LISTEN, Client, used, wait_for
from weir_process import WeirProcess, binary

FIXTURE = f"modules: [{{path: '{binary().rpartition('/')[0]}/fixtures/conformance.so'}}]\n"


def ping(number):
    return {"jsonrpc": "2.0", "id": number, "method": "ping"}


def echo(number, text):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": text}}}


NOTICE = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}


class Batches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(LISTEN + ADMIN + FIXTURE + "limits: {max_batch: 20}\n")
        cls.session = Session(cls.weir, "2025-03-26", {"elicitation": {}})

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    def answers(self, batch):
        """By id; a batch is answered by an array, or by a stream whose messages may be arrays."""
        found = {}
        with self.session.send(batch) as reply:
            self.assertEqual(reply.status, 200, batch)
            messages = [event["data"] for event in reply.events() if event["data"]] if reply.is_stream else [reply.json()]
            for message in messages:
                for answer in message if isinstance(message, list) else [message]:
                    self.assertNotIn(answer.get("id"), found, "no second answer")
                    found[answer.get("id")] = answer
        return found

    def test_mixed(self):
        found = self.answers([ping(0), NOTICE, echo("a", "first"), {"jsonrpc": "2.0", "id": 2, "method": "no/such"}, echo(3, "second"),
                              {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}])
        self.assertEqual(set(found), {0, "a", 2, 3, 4})
        self.assertEqual(found[0]["result"], {})
        self.assertEqual(found["a"]["result"]["content"][0]["text"], "first")
        self.assertEqual(found[2]["error"]["code"], -32601)
        self.assertEqual(found[3]["result"]["content"][0]["text"], "second")
        self.assertTrue(found[4]["result"]["isError"])

    def test_nothing_to_answer(self):
        with self.session.send([NOTICE, NOTICE]) as reply:
            self.assertEqual((reply.status, reply.response.read()), (202, b""))

    def test_one_is_an_array_too(self):
        with self.session.send([ping(1)]) as reply:
            self.assertEqual(reply.json(), [{"jsonrpc": "2.0", "id": 1, "result": {}}])

    def test_wrong_elements(self):
        found = self.answers([ping(1), 5, {"jsonrpc": "1.0", "id": 2, "method": "ping"}, ping(3)])
        self.assertEqual((found[1]["result"], found[3]["result"]), ({}, {}))
        self.assertEqual((found[2]["error"]["code"], found[None]["error"]["code"]), (-32600, -32600))

    def test_refused_whole(self):
        for batch in ("[]", "[" + ",".join(["1"] * 21) + "]", [ping(n) for n in range(21)], "[{}", '[{"jsonrpc":"2.0","id":1,"method":"ping"},]', "[[]]" * 2):
            with self.session.send(batch) as reply:
                self.assertIn(reply.status, (400, 413), batch)
                self.assertIn("error", reply.json())
        self.assertEqual(len(self.answers([ping(n) for n in range(20)])), 20, "the most there may be")

    def test_initialize_is_no_part_of_one(self):
        hello = {"jsonrpc": "2.0", "id": 5, "method": "initialize",
                 "params": {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
        before = used(self.weir, "sessions")
        with self.session.send([hello, ping(6)], {"Mcp-Session-Id": None, "MCP-Protocol-Version": None}) as reply:
            answer = reply.json()
        self.assertNotIn('"protocolVersion"', json.dumps(answer), "2025-03-26, lifecycle: initialize must not be part of a batch")
        self.assertEqual(used(self.weir, "sessions"), before)

    def test_other_revisions(self):
        for version in ("2024-11-05", "2025-06-18", "2025-11-25"):
            with Session(self.weir, version) as session, session.send([ping(1), ping(2)]) as reply:
                self.assertEqual((reply.status, reply.json()["error"]["code"]), (400, -32600), version)
        client = Client(self.weir, post(b'[{"jsonrpc":"2.0","id":1,"method":"server/discover"}]'))
        status, _, body = client.response()
        self.assertEqual((status, json.loads(body)["error"]["code"]), (400, -32600))
        client.close()

    def test_streams(self):
        """Progress of one element, a question of another, and the answers of all: one stream, nothing lost."""
        work = {"jsonrpc": "2.0", "id": "slow", "method": "tools/call",
                "params": {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "p"}}}
        ask = {"jsonrpc": "2.0", "id": "ask", "method": "tools/call", "params": {"name": "test_elicitation", "arguments": {"message": "?"}}}
        progress, answers = [], {}
        with self.session.send([ping("quick"), work, ask, echo("last", "hi")]) as reply:
            self.assertTrue(reply.is_stream)
            for event in iter(reply.event, None):
                for message in event["data"] if isinstance(event["data"], list) else [event["data"]] if event["data"] else []:
                    if message.get("method") == "notifications/progress":
                        progress.append(message["params"]["progress"])
                    elif "method" in message:
                        self.assertEqual(message["method"], "elicitation/create")
                        self.session.answer(message, {"action": "accept", "content": {"username": "u", "email": "e"}})
                    else:
                        self.assertNotIn(message["id"], answers)
                        answers[message["id"]] = message
        self.assertEqual(progress, [0, 50, 100])
        self.assertEqual(set(answers), {"quick", "slow", "ask", "last"})
        self.assertTrue(all("result" in answer for answer in answers.values()))

    def test_a_streaming_batch_is_resumed(self):
        ask = {"jsonrpc": "2.0", "id": "ask", "method": "tools/call", "params": {"name": "test_elicitation", "arguments": {"message": "?"}}}
        reply = self.session.send([ask, ping("p")])
        question = next(event for event in iter(reply.event, None) if event["data"] and "method" in event["data"])
        reply.reset()
        wait_for(lambda: used(self.weir, "streams") == 0, "the gateway to notice")
        self.session.answer(question["data"], {"action": "accept", "content": {"username": "u", "email": "e"}})
        with self.session.stream(question["id"]) as rest:
            text = json.dumps([event["data"] for event in rest.events()])
        self.assertIn('"ask"', text)
        self.assertIn('"p"', text)


if __name__ == "__main__":
    unittest.main()
