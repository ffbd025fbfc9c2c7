"""What a gateway says of itself: probes on every listener, metrics and status on the admin listener alone."""
import http.client
import json
import re
import unittest

from client import call_text, post
from weir_process import WeirProcess

CONFIG = """
listen: [{address: '127.0.0.1:0'}]
admin: {address: '127.0.0.1:0'}
limits: {max_sessions: 1}
"""
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
              "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "pages", "version": "1"}}}


class Pages(unittest.TestCase):
    def setUp(self):
        self.weir = WeirProcess(CONFIG)
        self.addCleanup(self.weir.stop)
        self.admin = self.weir.logs("ready")[0]["admin"].removeprefix("http://")
        self.listener = f"{self.weir.host}:{self.weir.port}"

    def request(self, where, path, method="GET", body=None, headers=None):
        connection = http.client.HTTPConnection(where, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def metric(self, series):
        line = re.search(rf"^{re.escape(series)} (\S+)$", self.request(self.admin, "/metrics")[2], re.MULTILINE)
        return float(line[1]) if line else None

    def status(self):
        return json.loads(self.request(self.admin, "/status")[2])

    def session(self, method, body=None, session=None):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if session:
            headers["Mcp-Session-Id"] = session
        return self.request(self.listener, self.weir.path, method, json.dumps(body) if body else None, headers)

    def test_where(self):
        rows = [("/healthz", 200, "text/plain; charset=utf-8"), ("/readyz", 200, "text/plain; charset=utf-8"),
                ("/metrics", 404, "text/plain; version=0.0.4; charset=utf-8"), ("/status", 404, "application/json")]
        for path, on_listener, content_type in rows:
            with self.subTest(path):
                self.assertEqual(self.request(self.listener, path)[0], on_listener)
                status, headers, body = self.request(self.admin, path)
                self.assertEqual((status, headers["Content-Type"], headers["Cache-Control"]), (200, content_type, "no-store"))
                self.assertTrue(body.endswith("\n"))
        self.assertEqual(self.request(self.listener, "/healthz")[2], "ok\n")
        self.assertEqual(self.request(self.admin, "/healthz", "POST")[0], 405)

    def test_requests_are_counted(self):
        self.assertEqual(call_text(self.weir, "echo", {"message": "hi"}), "hi")
        post(self.weir, "tools/call", {"name": "echo", "arguments": {}}, "echo")
        post(self.weir, "tools/call", {"name": "nothing", "arguments": {}}, "nothing")
        for outcome in ("ok", "tool_error", "error"):
            self.assertEqual(self.metric(f'weir_requests_total{{method="tools/call",era="modern",outcome="{outcome}"}}'), 1)
        self.assertEqual(self.metric('weir_request_duration_seconds_count{era="modern"}'), 3)
        self.assertGreater(self.metric('weir_request_duration_seconds_sum{era="modern"}'), 0)
        status = self.status()
        self.assertEqual(status["requests"]["by_method"], {"tools/call": {"ok": 1, "tool_error": 1, "error": 1}})
        self.assertGreater(status["latency_seconds"]["modern"]["p99"], 0)
        self.assertEqual(self.metric('weir_item_requests_total{kind="tool",name="echo",outcome="ok"}'), 1)
        (item,) = status["items"]
        self.assertEqual((item["kind"], item["name"], item["ok"], item["tool_error"]), ("tool", "echo", 1, 1))
        self.assertIsNone(status["latency_seconds"]["legacy"]["p50"])
        self.assertEqual((status["phase"], status["catalogue"]["tools"]), ("ready", 2))

    def test_ready_while_there_is_room(self):
        """The only session there may be is taken: new clients should go elsewhere until it is given back."""
        status, headers, _ = self.session("POST", INITIALIZE)
        self.assertEqual(status, 200)
        self.assertEqual(self.request(self.listener, "/readyz")[::2], (503, "not ready\n"))
        self.assertEqual(self.request(self.listener, "/healthz")[0], 200)
        self.assertEqual(self.session("POST", INITIALIZE)[0], 503)
        self.assertEqual(self.metric('weir_limit_refused_total{limit="sessions"}'), 1)
        self.assertEqual(self.metric('weir_refusals_total{reason="sessions"}'), 1)
        limit = self.status()["limits"]["sessions"]
        self.assertEqual(limit, {"used": 1, "limit": 1, "highest": 1, "refused": 1, "evicted": 0,
                                     "option": "limits.max_sessions"})
        self.assertLess(self.session("DELETE", session=headers["Mcp-Session-Id"])[0], 300)
        self.assertEqual(self.request(self.listener, "/readyz")[::2], (200, "ready\n"))


if __name__ == "__main__":
    unittest.main()
