"""limits.queue_delay: callers whose calls hold the one reactor up until work stands in a queue before it. Then what comes is
refused at once, over every transport, and is served again as soon as the queue is gone."""
import json
import socket
import threading
import unittest
from pathlib import Path

from test_http_front import ADMIN, META, WAIT_SECONDS, Client, call, metrics, wait_for
from websocket_client import WebSocket, request
from weir_process import WeirProcess, binary

CALLERS = 8
CONFIG = f"""
threads: 1
listen:
  - {{address: '127.0.0.1:0'}}
  - {{address: '127.0.0.1:0', transports: [stream]}}
limits: {{queue_delay: 20ms}}
modules: [{{path: '{Path(binary()).resolve().parent}/fixtures/strain.so'}}]
""" + ADMIN


class Http:
    def __init__(self, weir):
        self.client = Client(weir)

    def call(self, tool):
        status, fields, body = self.client.send(call(tool, {"message": "x"})).response()
        answer = json.loads(body)
        assert (status, answer.get("error", {}).get("code", 200)) in ((200, 200), (503, 503)), (status, answer)
        assert status == 200 or int(fields["retry-after"]) >= 1, fields
        return answer

    def close(self):
        self.client.close()


class OverWebSocket:
    def __init__(self, weir):
        self.socket = WebSocket(weir.port)

    def call(self, tool):
        self.socket.send_text(request("tools/call", {"name": tool, "arguments": {"message": "x"}}))
        return self.socket.receive_json()

    def close(self):
        self.socket.close()


class Lines:
    def __init__(self, weir):
        self.socket = socket.create_connection((weir.host, weir.ports[1]), timeout=WAIT_SECONDS)
        self.file = self.socket.makefile("rwb")

    def call(self, tool):
        params = {"name": tool, "arguments": {"message": "x"}, "_meta": META}
        self.file.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode() + b"\n")
        self.file.flush()
        return json.loads(self.file.readline())

    def close(self):
        self.file.close()
        self.socket.close()


class Caller(threading.Thread):
    """Calls what takes its time, one call after another, until it is told to stop."""

    def __init__(self, transport, weir, stop):
        super().__init__(daemon=True)
        self.transport, self.weir, self.stop, self.served, self.refused = transport, weir, stop, 0, []

    def run(self):
        connection = self.transport(self.weir)
        while not self.stop.is_set():
            answer = connection.call("dawdle")
            if "error" in answer:
                self.refused.append(answer["error"])
            else:
                self.served += 1
        connection.close()


class QueueDelay(unittest.TestCase):
    def overload(self, transport):
        with WeirProcess(CONFIG) as weir:
            stop = threading.Event()
            callers = [Caller(transport, weir, stop) for _ in range(CALLERS)]
            for caller in callers:
                caller.start()
            try:
                wait_for(lambda: any(caller.refused for caller in callers), "the first refusal")
                served = sum(caller.served for caller in callers)
                wait_for(lambda: sum(caller.served for caller in callers) > served + CALLERS, "service after it")
            finally:
                stop.set()
                for caller in callers:
                    caller.join(WAIT_SECONDS)
            refused = [error for caller in callers for error in caller.refused]
            for error in refused:
                self.assertEqual(error["code"], 503)
                self.assertIn("limits.queue_delay", error["message"])
            calm = transport(weir)
            wait_for(lambda: "result" in calm.call("turn"), "normal service")
            calm.close()
            seen = metrics(weir)
            self.assertEqual(seen['weir_refusals_total{reason="queue_delay"}'], seen['weir_limit_refused_total{limit="queue_delay"}'])
            self.assertGreaterEqual(seen['weir_refusals_total{reason="queue_delay"}'], len(refused))
            self.assertEqual(seen['weir_limit_max{limit="queue_delay"}'], 20)
            wait_for(lambda: metrics(weir)['weir_limit_highest{limit="queue_delay"}'] > 20, "the wait on the metrics page")

    def test_http(self):
        self.overload(Http)

    def test_websocket(self):
        self.overload(OverWebSocket)

    def test_lines(self):
        self.overload(Lines)

    def test_off(self):
        with WeirProcess(CONFIG.replace("20ms", "0")) as weir:
            stop = threading.Event()
            callers = [Caller(Http, weir, stop) for _ in range(CALLERS)]
            for caller in callers:
                caller.start()
            wait_for(lambda: sum(caller.served for caller in callers) > 10 * CALLERS, "ten turns")
            stop.set()
            for caller in callers:
                caller.join(WAIT_SECONDS)
            self.assertEqual([caller.refused for caller in callers], [[]] * CALLERS)
            self.assertEqual(metrics(weir)['weir_limit_max{limit="queue_delay"}'], float("inf"))


if __name__ == "__main__":
    unittest.main()
