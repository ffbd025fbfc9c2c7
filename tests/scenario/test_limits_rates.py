"""How often somebody may: requests over HTTP and WebSocket, batches, tools by name; what is said to who comes too often."""
import json
import unittest

from legacy import Session
from test_http_front import ADMIN, LISTEN, SLOW, Client, call, metrics, modern, used, wait_for
from websocket_client import WebSocket, request
from weir_process import WeirProcess

SLOW_RATE = "limits: {requests: {per_second: 1, burst: 3}}\n"


def answer(weir, request):
    client = Client(weir, request)
    status, fields, body = client.response()
    client.close()
    return status, fields, json.loads(body)


MANY = 60  # requests that come faster than one a second, whatever the machine does


class Requests(unittest.TestCase):
    def test_http(self):
        with WeirProcess(LISTEN + ADMIN + SLOW_RATE) as weir:
            seen = [answer(weir, modern("tools/list", number=n)) for n in range(MANY)]
            refused = [(fields, body) for status, fields, body in seen if status == 429]
            self.assertEqual([status for status, _, _ in seen[:3]], [200] * 3)
            self.assertTrue(refused)
            for fields, body in refused:
                self.assertEqual((body["error"]["code"], fields["retry-after"]), (429, "1"))
                self.assertIn("limits.requests", body["error"]["message"])
            wait_for(lambda: answer(weir, modern("tools/list"))[0] == 200, "the next token")
            self.assertGreaterEqual(metrics(weir)['weir_refusals_total{reason="request_rate"}'], len(refused))

    def test_discover_is_never_429(self):
        with WeirProcess(LISTEN + SLOW_RATE) as weir:
            seen = [answer(weir, modern("server/discover")) for _ in range(MANY)]
            self.assertEqual({status for status, _, _ in seen}, {200, 503})
            self.assertTrue(all(int(fields["retry-after"]) >= 1 for status, fields, _ in seen if status == 503))

    def test_websocket(self):
        with WeirProcess(LISTEN + SLOW_RATE) as weir, WebSocket(weir.port) as socket:
            for number in range(MANY):
                socket.send_text(request("tools/list", id=number))
            answers = [socket.receive_json() for _ in range(MANY)]
            codes = [message.get("error", {}).get("code") for message in answers]
            self.assertEqual(codes[:3], [None] * 3)
            self.assertEqual(set(codes[3:]) - {None}, {429})
            self.assertEqual([message["id"] for message in answers], list(range(MANY)), "each is answered, in order")

    def test_elements_of_batches_count(self):
        with WeirProcess(LISTEN + "limits: {requests: {per_second: 1, burst: 6}}\n") as weir:
            session = Session(weir, "2025-03-26")
            with session.send([{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(MANY)]) as reply:
                codes = [message.get("error", {}).get("code") for message in reply.json()]
            self.assertEqual(len(codes), MANY)
            self.assertEqual(set(codes), {None, 429})


class Tools(unittest.TestCase):
    def test_rate(self):
        config = LISTEN + ADMIN + "limits: {tools: [{match: 'ec*', per_minute: 1, burst: 2}]}\n"
        with WeirProcess(config) as weir:
            seen = [answer(weir, call("echo", {"message": "x"})) for _ in range(3)]
            self.assertEqual([status for status, _, _ in seen], [200, 200, 429])
            self.assertLessEqual(int(seen[2][1]["retry-after"]), 60)
            self.assertEqual(answer(weir, call("time"))[0], 200, "another tool")
            self.assertEqual(answer(weir, modern("tools/list"))[0], 200, "no call")
            self.assertEqual(metrics(weir)['weir_refusals_total{reason="tool_rate"}'], 1)

    def test_in_flight(self):
        config = LISTEN + ADMIN + SLOW + "limits: {tools: [{match: wait, in_flight: 2}, {match: '*'}]}\n"
        with WeirProcess(config) as weir:
            waiting = [Client(weir, call("wait")) for _ in range(2)]
            wait_for(lambda: used(weir, "processes") == 2, "both to run")
            status, fields, body = answer(weir, call("wait"))
            self.assertEqual((status, fields["retry-after"]), (503, "1"))
            self.assertIn("limits.tools", body["error"]["message"])
            self.assertEqual(metrics(weir)['weir_tool_limit_used{match="wait"}'], 2)
            self.assertEqual(answer(weir, call("echo", {"message": "x"}))[0], 200)
            waiting.pop().close()
            wait_for(lambda: metrics(weir)['weir_tool_limit_used{match="wait"}'] == 1, "the place of who went away")
            waiting.append(Client(weir, call("wait")))
            wait_for(lambda: metrics(weir)['weir_tool_limit_used{match="wait"}'] == 2, "its next holder")
            for client in waiting:
                client.close()
            wait_for(lambda: metrics(weir)['weir_tool_limit_used{match="wait"}'] == 0, "all places")


if __name__ == "__main__":
    unittest.main()
