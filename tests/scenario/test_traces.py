"""Traces: whose they are, what spans say, and a collector that does not keep up."""
import http.client
import json
import time
import unittest
from pathlib import Path

from client import MODERN, call_text, post
from collector import Collector
from test_http_front import metrics
from weir_process import WeirProcess, binary

CONFIG = """
listen: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
traces: {{endpoint: '{url}', {more}}}
commands:
  - name: context
    description: The trace context that a program gets
    run: [sh, -c, 'echo "$TRACEPARENT|$TRACESTATE"']
  - name: ends_badly
    description: Ends with status 1
    run: ['false']
"""
SECONDS = 30
TRACE, PARENT, OTHER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "traces", "version": "1"}}


def traceparent(trace=TRACE, parent=PARENT, flags="01"):
    return f"00-{trace}-{parent}-{flags}"


def call(weir, tool, arguments=None, meta=None, headers=None):
    """A call that says to which trace it belongs: the first text of its result."""
    body = {"jsonrpc": "2.0", "id": "call-7", "method": "tools/call",
            "params": {"name": tool, "arguments": arguments or {}, "_meta": {**META, **(meta or {})}}}
    connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
    try:
        connection.request("POST", weir.path, json.dumps(body), {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call", "Mcp-Name": tool, **(headers or {})})
        return json.loads(connection.getresponse().read())["result"]["content"][0]["text"]
    finally:
        connection.close()


def by_kind(spans):
    """The request's span, and its handler's."""
    return next(span for span in spans if span["kind"] == 2), next(span for span in spans if span["kind"] == 1)


class Traces(unittest.TestCase):
    def serve(self, more="sample: 1"):
        collector = self.enterContext(Collector())
        return self.enterContext(WeirProcess(CONFIG.format(url=collector.url, more=more))), collector

    def test_a_trace_that_begins_here(self):
        weir, collector = self.serve("service_name: gateway-of-the-test")
        self.assertEqual(call_text(weir, "echo", {"message": "hi"}), "hi")
        request, handler = by_kind(collector.wait(lambda spans: len(spans) == 2))
        self.assertEqual((request["name"], handler["name"]), ("tools/call echo", "handler echo"))
        self.assertNotIn("parentSpanId", request)
        self.assertEqual((handler["parentSpanId"], handler["traceId"]), (request["spanId"], request["traceId"]))
        self.assertLessEqual(int(request["startTimeUnixNano"]), int(handler["startTimeUnixNano"]) + 1_000_000)
        says = request["attributes"]
        for key, value in {"mcp.method.name": "tools/call", "gen_ai.tool.name": "echo", "gen_ai.operation.name": "execute_tool",
                           "mcp.protocol.version": MODERN, "rpc.system": "jsonrpc", "network.protocol.name": "http",
                           "client.address": "127.0.0.1", "weir.outcome": "ok"}.items():
            self.assertEqual(says[key], value, key)
        self.assertTrue(says["jsonrpc.request.id"].isdigit())
        self.assertNotIn("status", request)
        self.assertEqual((handler["attributes"]["weir.provider"], handler["attributes"]["weir.round"]), ("builtin", "0"))
        self.assertEqual(request["resource"]["service.name"], "gateway-of-the-test")
        self.assertTrue(request["resource"]["service.instance.id"])

    def test_outcomes(self):
        weir, collector = self.serve()
        post(weir, "tools/call", {"name": "nothing", "arguments": {}}, "nothing")
        post(weir, "tools/call", {"name": "echo", "arguments": {}}, "echo")
        post(weir, "resources/read", {"uri": "weir://about"}, "weir://about")
        post(weir, "no/such")
        call_text(weir, "ends_badly")
        spans = collector.wait(lambda spans: len(spans) == 7)
        requests = {span["name"]: span for span in spans if span["kind"] == 2}
        self.assertEqual(set(requests), {"tools/call", "tools/call echo", "resources/read", "unknown", "tools/call ends_badly"})
        unknown = requests["tools/call"]["attributes"]
        self.assertEqual((unknown["error.type"], unknown["rpc.response.status_code"], unknown["weir.outcome"]),
                         ("-32602", "-32602", "error"))
        self.assertEqual(requests["tools/call"]["status"], {"code": 2})
        self.assertEqual(requests["tools/call echo"]["attributes"]["error.type"], "tool_error")
        self.assertEqual(requests["resources/read"]["attributes"]["mcp.resource.uri"], "weir://about")
        self.assertEqual(requests["unknown"]["attributes"]["rpc.response.status_code"], "-32601")
        failed = next(span for span in spans if span["name"] == "handler ends_badly")
        self.assertEqual((failed["attributes"]["weir.provider"], failed["attributes"]["weir.outcome"]), ("command", "tool_error"))

    def test_whose_trace_it_is(self):
        """_meta is the parent; the context of the HTTP request is linked to, or the parent where there is no other."""
        weir, collector = self.serve()
        rows = [
            ({"traceparent": traceparent(), "tracestate": "rojo=1"}, {}, TRACE, PARENT, [], "rojo=1"),
            ({}, {"traceparent": traceparent(), "tracestate": "congo=2"}, TRACE, PARENT, [], "congo=2"),
            ({"traceparent": traceparent()}, {"traceparent": traceparent(parent=OTHER), "tracestate": "congo=2"}, TRACE, PARENT,
             [{"traceId": TRACE, "spanId": OTHER}], None),
            ({"traceparent": traceparent(), "tracestate": "Not=valid"}, {}, TRACE, PARENT, [], None),
        ]
        for index, (meta, headers, trace, parent, links, state) in enumerate(rows):
            call(weir, "echo", {"message": "x"}, meta, headers)
            spans = collector.wait(lambda spans: len(spans) == 2 * (index + 1))
            request, handler = by_kind(spans[-2:])
            self.assertEqual((request["traceId"], request["parentSpanId"], request.get("links", [])), (trace, parent, links))
            self.assertEqual((request.get("traceState"), handler.get("traceState")), (state, state))
            self.assertEqual(request["attributes"]["jsonrpc.request.id"], "call-7")

    def test_no_context(self):
        """What is not exactly a context is none: a trace of our own begins."""
        weir, collector = self.serve()
        for index, bad in enumerate((traceparent(trace="0" * 32), traceparent().upper(), "ff" + traceparent()[2:], "x", "")):
            call(weir, "echo", {"message": "x"}, {"traceparent": bad}, {"traceparent": bad})
            request, _ = by_kind(collector.wait(lambda spans: len(spans) == 2 * (index + 1))[-2:])
            self.assertNotIn("parentSpanId", request)
            self.assertNotEqual(request["traceId"], TRACE)

    def test_programs_are_told(self):
        weir, collector = self.serve()
        parent, state = call(weir, "context", meta={"traceparent": traceparent(), "tracestate": "rojo=1"}).strip().split("|")
        _, handler = by_kind(collector.wait(lambda spans: len(spans) == 2))
        self.assertEqual((parent, state), (traceparent(parent=handler["spanId"]), "rojo=1"))
        unsampled = traceparent(flags="00")
        self.assertEqual(call(weir, "context", meta={"traceparent": unsampled}).strip(), unsampled + "|")

    def test_modules_are_told(self):
        collector = self.enterContext(Collector())
        library = Path(binary()).resolve().parent / "fixtures" / "probe.so"
        weir = self.enterContext(WeirProcess(CONFIG.format(url=collector.url, more="sample: 0") + f"modules: [{{path: {library}}}]\n"))
        self.assertEqual(call(weir, "trace"), "|")
        for index, tool in enumerate(("trace", "trace_worker")):
            parent, state = call(weir, tool, meta={"traceparent": traceparent(), "tracestate": "rojo=1"}).split("|")
            _, handler = by_kind(collector.wait(lambda spans: len(spans) == 2 * (index + 1))[-2:])
            self.assertEqual((parent, state), (traceparent(parent=handler["spanId"]), "rojo=1"))
            self.assertEqual(handler["attributes"]["weir.provider"], "module")

    def test_sampling(self):
        """With sample 0 only traces that others record are recorded; a reload changes it."""
        weir, collector = self.serve("sample: 0")
        call(weir, "echo", {"message": "x"})
        call(weir, "echo", {"message": "x"}, {"traceparent": traceparent(flags="00")})
        call(weir, "echo", {"message": "x"}, {"traceparent": traceparent()})
        spans = collector.wait(lambda spans: len(spans) == 2)
        self.assertEqual({span["traceId"] for span in spans}, {TRACE})
        weir.config_path.write_text(weir.config_path.read_text().replace("sample: 0", "sample: 1"))
        weir.signal(1)
        weir.wait_log("reloaded")
        call(weir, "echo", {"message": "x"})
        self.assertEqual(len(collector.wait(lambda spans: len(spans) == 4)), 4)

    def test_headers_are_sent_and_secret(self):
        weir, collector = self.serve('headers: "Authorization: Bearer s3cret\\nX-Tenant: weir"')
        call_text(weir, "echo", {"message": "hi"})
        collector.wait(lambda spans: len(spans) == 2)
        _, headers = collector.requests[0]
        self.assertEqual((headers["Authorization"], headers["X-Tenant"]), ("Bearer s3cret", "weir"))
        self.assertNotIn("s3cret", weir.output())

    def test_a_collector_that_comes_back(self):
        """503 and a lost connection are tried again; nothing is lost, and nothing is sent twice."""
        weir, collector = self.serve()
        collector.answers += [(503, {"Retry-After": "1"}, b""), (429, {}, b"")]
        call_text(weir, "echo", {"message": "hi"})
        self.assertEqual(len(collector.wait(lambda spans: len(spans) == 2)), 2)
        self.assertEqual(len(collector.requests), 3)
        self.assertEqual(weir.wait_log("traces_not_exported")["endpoint"], collector.url)
        weir.wait_log("traces_exported")
        counted = metrics(weir)
        self.assertEqual((counted["weir_trace_export_failures_total"], counted["weir_trace_spans_exported_total"]), (2, 2))

    def test_a_collector_that_refuses(self):
        weir, collector = self.serve()
        collector.answers += [(400, {}, b"no"), (200, {}, b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one too many"}}')]
        for count in (1, 2):
            call_text(weir, "echo", {"message": "hi"})
            collector.wait_requests(count)
        weir.wait_log("traces_exported")
        names = ['weir_trace_spans_dropped_total{reason="refused"}', "weir_trace_spans_exported_total"]
        deadline = time.monotonic() + SECONDS  # the second answer is on its way when the first is counted
        while sum(counted := [metrics(weir)[name] for name in names]) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(counted, [3, 1])

    def test_the_queue_is_bounded(self):
        """A collector that says nothing: requests are answered all the same, and what does not fit is counted."""
        weir, collector = self.serve("max_queue: 10")
        collector.answers += [(503, {"Retry-After": "30"}, b"")]
        call_text(weir, "echo", {"message": "first"})
        collector.wait_requests(1)  # from here on its thread waits
        weir.wait_log("traces_not_exported")
        for _ in range(20):
            self.assertEqual(call_text(weir, "echo", {"message": "hi"}), "hi")
        counted = metrics(weir)
        self.assertEqual(counted["weir_trace_queue_spans"], 10)
        self.assertEqual(counted['weir_trace_spans_dropped_total{reason="queue"}'], 30)

    def test_the_end_flushes(self):
        with Collector() as collector:
            with WeirProcess(CONFIG.format(url=collector.url, more="sample: 1")) as weir:
                for _ in range(300):
                    call_text(weir, "echo", {"message": "hi"})
            self.assertEqual(len(collector.wait(lambda spans: len(spans) == 600)), 600)

    def test_the_end_without_a_collector(self):
        with Collector() as gone:
            url = gone.url
        with WeirProcess(CONFIG.format(url=url, more="sample: 1")) as weir:
            call_text(weir, "echo", {"message": "hi"})
        self.assertEqual(weir.logs("traces_lost")[0]["spans"], "2")

    def test_mistakes(self):
        rows = [("endpoint: 'ftp://x'", "must be a URL that begins with http"), ("endpoint: 'http:///x'", "must name a host"),
                ("endpoint: 'http://a b'", "visible ASCII"), ("sample: 2", "is too large"), ("sample: often", "is not a fraction"),
                ("headers: s3cret", "lines of the form Name: value")]
        for row, sentence in rows:
            with self.subTest(row):
                with self.assertRaises(AssertionError) as refused:
                    WeirProcess("traces: {%s}\n" % row)
                self.assertIn(sentence, str(refused.exception))
                self.assertNotIn("s3cret", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
