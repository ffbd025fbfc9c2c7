"""A collector of traces, for tests: takes OTLP over HTTP in JSON, judges its form, and keeps the spans.

    with Collector() as collector:
        ... traces: {endpoint: collector.url} ...
        spans = collector.wait(lambda spans: len(spans) == 2)

It may be told to answer otherwise: collector.answers.append((503, {"Retry-After": "1"}, b"")).
"""
import http.server
import json
import re
import threading

KINDS = {1, 2, 3, 4, 5}
VALUES = {"stringValue": str, "intValue": str, "boolValue": bool, "doubleValue": (int, float)}
SPAN_MEMBERS = {"traceId", "spanId", "parentSpanId", "traceState", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
                "attributes", "links", "status"}


def check(good, what):
    assert good, what


def check_attributes(attributes):
    keys = [attribute["key"] for attribute in attributes]
    check(len(set(keys)) == len(keys), f"a key twice: {keys}")
    for attribute in attributes:
        check(set(attribute) == {"key", "value"} and attribute["key"], attribute)
        (kind, value), = attribute["value"].items()
        check(kind in VALUES and isinstance(value, VALUES[kind]), attribute)
        check(kind != "intValue" or re.fullmatch(r"-?\d+", value), attribute)


def check_id(text, digits):
    check(re.fullmatch(f"[0-9a-f]{{{digits}}}", text) and set(text) != {"0"}, f"no id: {text}")


def check_span(span):
    check(set(span) <= SPAN_MEMBERS, f"unknown members: {set(span) - SPAN_MEMBERS}")
    check_id(span["traceId"], 32)
    check_id(span["spanId"], 16)
    if "parentSpanId" in span:
        check_id(span["parentSpanId"], 16)
    check(span["name"] and span["kind"] in KINDS, span)
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    check(1.7e18 < start <= end, f"times: {start}, {end}")
    check_attributes(span["attributes"])
    for link in span.get("links", []):
        check_id(link["traceId"], 32)
        check_id(link["spanId"], 16)
    check(span.get("status", {}).get("code", 0) in (0, 1, 2), span)


def flat(attributes):
    return {attribute["key"]: next(iter(attribute["value"].values())) for attribute in attributes}


def spans_of(body):
    """All spans of a request, each with its attributes and its resource's as dictionaries."""
    found = []
    check(set(body) == {"resourceSpans"}, body)
    for resource in body["resourceSpans"]:
        check_attributes(resource["resource"]["attributes"])
        for scope in resource["scopeSpans"]:
            check(scope["scope"]["name"] == "weir", scope["scope"])
            for span in scope["spans"]:
                check_span(span)
                found.append({**span, "attributes": flat(span["attributes"]), "resource": flat(resource["resource"]["attributes"])})
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, answer = self.server.collector.take(self.path, self.headers, body)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *unused):
        pass


class Collector:
    def __init__(self):
        self.spans, self.requests, self.answers, self.problems = [], [], [], []
        self._news = threading.Condition()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.collector = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, path, headers, body):
        with self._news:
            self.requests.append((path, headers))
            answer = self.answers.pop(0) if self.answers else (200, {}, b'{"partialSuccess":{}}')
            try:
                check(path == "/v1/traces" and headers["Content-Type"] == "application/json", (path, headers))
                if answer[0] == 200:
                    self.spans += spans_of(json.loads(body))
            except Exception as problem:  # told by wait(), on the test's own thread
                self.problems.append(f"{problem!r} in {body[:2000]!r}")
            self._news.notify_all()
            return answer

    def wait(self, enough, seconds=30):
        """The spans, once there are enough of them."""
        with self._news:
            assert self._news.wait_for(lambda: self.problems or enough(self.spans), seconds), f"the spans so far: {self.spans}"
            assert not self.problems, self.problems[0]
            return list(self.spans)

    def wait_requests(self, count, seconds=30):
        with self._news:
            assert self._news.wait_for(lambda: len(self.requests) >= count, seconds), f"{len(self.requests)} requests"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._server.shutdown()
        self._server.server_close()
