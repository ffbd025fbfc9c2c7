"""What a gateway says of itself: probes on every listener, metrics and status on the admin listener alone."""
import http.client
import json
import re
import signal
import time
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

    def test_status_for_browsers(self):
        browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        for path, accept, content_type in (("/", "*/*", "text/html; charset=utf-8"), ("/status", browser, "text/html; charset=utf-8"),
                                           ("/status", "application/json", "application/json"), ("/status", "*/*", "application/json")):
            with self.subTest(path=path, accept=accept):
                status, headers, body = self.request(self.admin, path, headers={"Accept": accept})
                self.assertEqual((status, headers["Content-Type"]), (200, content_type))
                if path == "/status":
                    self.assertEqual(headers["Vary"], "Accept")
                if "html" in content_type:
                    self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
                    self.assertEqual((headers["X-Content-Type-Options"], headers["Referrer-Policy"]), ("nosniff", "no-referrer"))
                    self.assertTrue(body.startswith("<!DOCTYPE html>"))
        self.assertEqual(self.request(self.listener, "/", headers={"Accept": browser})[0], 404)
        self.assertEqual(self.request(self.listener, "/status/events")[0], 404)

    def events(self, seconds=30):
        """An open stream: (its response, a generator of its events)."""
        connection = http.client.HTTPConnection(self.admin, timeout=seconds)
        connection.request("GET", "/status/events", headers={"Accept": "text/event-stream"})
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")

        def read():
            for line in iter(response.readline, b""):
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        return response, read()

    def wait_for_streams(self, count, seconds=30):
        deadline = time.monotonic() + seconds
        while (used := self.status()["limits"]["streams"]["used"]) != count:
            self.assertLess(time.monotonic(), deadline, f"{used} streams are open")

    def test_events(self):
        """One at once, then one a second; charged as a stream, and given back."""
        stream, events = self.events()
        first = next(events)
        self.assertEqual((first["phase"], first["limits"]["streams"]["used"]), ("ready", 1))
        call_text(self.weir, "echo", {"message": "hi"})
        while next(events)["requests"]["total"] == first["requests"]["total"]:
            pass
        other, more = self.events()
        self.assertEqual(next(more)["limits"]["streams"]["used"], 2)
        stream.close()
        self.wait_for_streams(1)
        other.close()
        self.wait_for_streams(0)
        self.assertEqual(self.request(self.admin, "/status/events", "HEAD")[0], 200)
        self.wait_for_streams(0)

    def test_events_end_at_the_drain(self):
        stream, events = self.events()
        next(events)
        self.weir.signal(signal.SIGTERM)
        for event in events:  # the end of the stream, and not of the time that a read may take
            self.assertIn(event["phase"], ("ready", "leaving", "draining"))
        stream.close()
        self.weir.process.wait(30)

    def test_events_are_bounded(self):
        self.weir.config_path.write_text(CONFIG.replace("limits: {", "limits: {max_streams: 1, "))
        self.weir.signal(signal.SIGHUP)
        self.weir.wait_log("reloaded")
        stream, events = self.events()
        next(events)
        status, headers, body = self.request(self.admin, "/status/events")
        self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        self.assertIn("limits.max_streams", body)
        stream.close()

    def put(self, value, **headers):
        return self.request(self.admin, "/log-level", "PUT", value, headers)[::2]

    def test_log_level(self):
        self.assertEqual(self.request(self.admin, "/log-level")[::2], (200, "info\n"))
        self.assertEqual(self.put("debug"), (200, "debug\n"))
        self.assertEqual(self.weir.wait_log("audit_log_level")["to"], "debug")
        self.weir.process.send_signal(signal.SIGHUP)
        self.weir.wait_log("reloaded")
        self.assertEqual(self.request(self.admin, "/log-level")[::2], (200, "info\n"))
        self.assertEqual(self.put("warning", Origin="http://localhost:3000"), (200, "warning\n"))

    def test_log_level_is_not_for_everybody(self):
        rows = [("verbose", {}, 400), ("", {}, 400), ("x" * 1025, {}, 413), ("debug", {"Origin": "https://evil.example"}, 403),
                ("debug", {"Origin": "null"}, 403), ("debug", {"Host": "evil.example"}, 403)]
        for value, headers, status in rows:
            with self.subTest(value=value[:10], headers=headers):
                self.assertEqual(self.put(value, **headers)[0], status)
        for method in ("POST", "DELETE"):
            status, headers, _ = self.request(self.admin, "/log-level", method, "debug")
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD, PUT"))
        self.assertEqual(self.request(self.admin, "/status", "PUT", "debug")[0], 405)
        self.assertEqual(self.request(self.listener, "/log-level", "PUT", "debug")[0], 404)
        self.assertEqual(self.request(self.admin, "/log-level", "OPTIONS", headers={
            "Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"})[0], 405)
        self.assertEqual(self.request(self.admin, "/log-level")[::2], (200, "info\n"))

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
