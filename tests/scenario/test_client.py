"""weir tools and weir call: against a gateway in both eras, and against servers that do what a gateway never would."""
import base64
import contextlib
import http.client
import http.server
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from certificates import Authority
from keys import ALICE, MALLORY, rows
from websocket import BINARY, CLOSE, accept_head, frame
from weir_process import COMPLAINTS, WeirProcess, binary

RUN_SECONDS = 60
FIXTURES = Path(binary()).parent / "fixtures"
CONFIG = f"""
listen: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
page_size: 4
modules: [{{path: '{FIXTURES}/conformance.so'}}]
"""


def run(*arguments, environment=None):
    done = subprocess.run([binary(), *arguments], timeout=RUN_SECONDS, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, "no_proxy": "*", **(environment or {})})
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert not COMPLAINTS.search(done.stderr), done.stderr
    return done


class Usage(unittest.TestCase):
    def test_refused(self):
        url = "http://127.0.0.1:1/mcp"
        rows = [
            (("tools",), "usage: weir tools URL", "no URL"),
            (("tools", url, "more"), "usage: weir tools URL", "a word too many"),
            (("call", url), "usage: weir call URL TOOL [JSON]", "no tool"),
            (("call", url, "a", "{}", "b"), "usage: weir call", "a word too many"),
            (("call", url, "a", "{"), "usage: weir call", "JSON that ends too early"),
            (("call", url, "a", "[1]"), "one JSON object", "no object"),
            (("call", url, "a", "{'a': 1}"), "usage: weir call", "no JSON"),
            (("tools", url, "--era", "ancient"), "--era is auto, modern or legacy", "no such era"),
            (("tools", url, "--timeout", "0"), "--timeout is a number of seconds", "no time"),
            (("tools", url, "--timeout", "1h"), "--timeout is a number of seconds", "hours"),
            (("tools", url, "--header", "Authorization"), "--header wants 'NAME: VALUE'", "a header without a value"),
            (("tools", url, "--header", "a b: c"), "--header wants 'NAME: VALUE'", "a name with a blank"),
            (("tools", url, "--header", "A: b\nC: d"), "control characters", "two headers in one"),
            (("tools", url, "--header", "mcp-session-id: 1"), "sets this field itself", "a field of the protocol"),
            (("tools", url, "--header", "Mcp-Param-X: 1"), "sets this field itself", "another"),
            (("tools", url, *["--header", "A: b"] * 65), "too many --header", "too many headers"),
            (("tools", url, "--frobnicate"), "usage: weir tools", "no such option"),
            (("tools", "127.0.0.1:8080/mcp"), "is no URL", "no scheme"),
            (("tools", "ftp://127.0.0.1/mcp"), "must begin with http://, https://, ws:// or wss://", "another scheme"),
            (("tools", "file:///etc/passwd"), "must begin with http://, https://, ws:// or wss://", "a file"),
            (("tools", url, "--ca", "/nowhere.pem"), "--ca: this file cannot be read", "no such file"),
            (("tools", url, "--ca", binary(), "--insecure"), "--ca and --insecure: one of them", "both"),
        ]
        for arguments, sentence, comment in rows:
            with self.subTest(comment):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertIn(sentence, done.stderr)


class Gateway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(CONFIG)

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    def status(self):
        admin = self.weir.logs("ready")[0]["admin"].removeprefix("http://")
        connection = http.client.HTTPConnection(admin, timeout=30)
        try:
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def call(self, *arguments):
        return run("call", self.weir.url, *arguments)

    def test_tools(self):
        """All pages, in both eras."""
        for era in ("auto", "modern", "legacy"):
            with self.subTest(era):
                done = run("tools", self.weir.url, "--era", era, "--json")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                names = [tool["name"] for tool in json.loads(done.stdout)["tools"]]
                self.assertGreater(len(names), 20)
                self.assertEqual(len(names), len(set(names)))
                self.assertIn("echo", names)
                done = run("tools", self.weir.url, "--era", era)
                self.assertIn("\necho\n  Returns the message it was given\n    message (string, required): What to return\n",
                              "\n" + done.stdout)
                self.assertEqual([line for line in done.stdout.splitlines() if not line.startswith(" ")], names)

    def test_websocket(self):
        """The same over WebSocket: pages, calls, notices, errors; the server's own words where it refuses the upgrade."""
        url = self.weir.url.replace("http:", "ws:")
        over_http = run("tools", self.weir.url)
        for era in ("auto", "modern", "legacy"):
            with self.subTest(era):
                done = run("tools", url, "--era", era)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, over_http.stdout, ""))
                done = run("call", url, "echo", '{"message":"h\\u00ef"}', "--era", era, "--header", "X-Any: y")
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hï\n", ""))
                done = run("call", url, "test_tool_with_progress", "--era", era)
                self.assertEqual((done.returncode, done.stderr.count("progress")), (0, 3), done.stderr)
                done = run("call", url, "echo", '{"message":1}', "--era", era)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("/message", done.stderr)
                self.assertIn("-32602", run("call", url, "no_such_tool", "--era", era).stderr)
        message = "x" * 100_000
        self.assertEqual(run("call", url, "echo", json.dumps({"message": message})).stdout, message + "\n")
        done = run("tools", url + "/nothing")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("HTTP 404: there is no MCP server at this URL", done.stderr)
        done = run("tools", url, "--header", "Origin: https://evil.example")
        self.assertIn("HTTP 403", done.stderr)

    def test_text(self):
        for era in ("auto", "modern", "legacy"):
            with self.subTest(era):
                done = self.call("echo", '{"message":"h\\u00ef\\n\\u001b[31m"}', "--era", era)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hï\n\x1b[31m\n", ""))
                self.assertEqual(self.call("time", "--era", era).returncode, 0)
                self.assertEqual(self.call("echo", '\n {"message":"blanks"} ').stdout, "blanks\n")

    def test_other_content(self):
        done = self.call("test_multiple_content_types")
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertGreaterEqual(len(lines), 3)
        self.assertTrue(any(line.startswith("[image, image/png, ") for line in lines), lines)
        self.assertTrue(any(line.startswith("[resource, test://") for line in lines), lines)

    def test_json(self):
        done = self.call("echo", '{"message":"hi"}', "--json", "--era", "legacy")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"content": [{"type": "text", "text": "hi"}]})

    def test_tool_error(self):
        for era in ("modern", "legacy"):
            done = self.call("test_error_handling", "--era", era)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(done.stderr.strip())
            done = self.call("echo", '{"message":1}', "--era", era, "--json")
            self.assertEqual(done.returncode, 1)
            self.assertTrue(json.loads(done.stdout)["isError"])
            self.assertIn("/message", done.stderr)

    def test_protocol_error(self):
        for era in ("modern", "legacy"):
            done = self.call("no_such_tool", "--era", era)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, "weir call: the server answered with error -32602: Unknown tool: no_such_tool\n")

    def test_wrong_path(self):
        done = run("tools", self.weir.url + "x")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("weir tools: ", done.stderr)
        self.assertIn("nothing at this path", done.stderr.lower())

    def test_notices(self):
        """Progress and log messages go to standard error, the result to standard output."""
        for era in ("modern", "legacy"):
            done = self.call("test_tool_with_progress", "--era", era)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("progress: 50 of 100", done.stderr)
            self.assertNotIn("progress", done.stdout.splitlines()[0].split()[0])
        done = self.call("test_tool_with_logging", "--era", "legacy")
        self.assertEqual(done.returncode, 0)
        self.assertGreaterEqual(len([line for line in done.stderr.splitlines() if line.startswith("info")]), 3, done.stderr)

    def test_asking_tools(self):
        """A client without capabilities cannot be asked."""
        for era in ("modern", "legacy"):
            done = self.call("test_elicitation", '{"message":"who?"}', "--era", era)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertTrue(done.stderr.strip())

    def test_parameter_headers(self):
        """The gateway refuses the call unless Mcp-Param-Region says what the body says."""
        for region in ("us-west1", "Hello, 世界", " padded ", "=?base64?literal?=", "", "a\nb"):
            done = self.call("test_x_mcp_header", json.dumps({"region": region}), "--era", "modern")
            self.assertEqual(done.returncode, 0, (region, done.stderr))

    def test_sessions_end(self):
        before = self.status()["limits"]["sessions"]["used"]
        self.assertEqual(self.call("echo", '{"message":"hi"}', "--era", "legacy").returncode, 0)
        self.assertEqual(self.call("no_such_tool", "--era", "legacy").returncode, 1)
        status = self.status()
        self.assertEqual(status["limits"]["sessions"]["used"], before)
        self.assertGreaterEqual(status["limits"]["sessions"]["highest"], 1)

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([binary(), "tools", self.weir.url], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=RUN_SECONDS, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output: No space left on device", done.stderr)


class FakeServer(http.server.ThreadingHTTPServer):
    """answer(request) gets {method, headers, message} and returns (status, headers, pieces of the body)."""
    daemon_threads = True

    def __init__(self, answer, tls=None):
        super().__init__(("127.0.0.1", 0), FakeHandler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.answer, self.requests, self.scheme = answer, [], "https" if tls else "http"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}/mcp"

    def methods(self):
        return [request["message"].get("method", "-") if request["message"] else request["method"] for request in self.requests]

    def handle_error(self, request, client_address):
        pass  # a client that hangs up, or does not trust us, is part of the test

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = {"method": self.command, "headers": self.headers, "message": json.loads(body) if body else None}
        self.server.requests.append(request)
        status, headers, pieces = self.server.answer(request)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_POST = do_GET = do_DELETE = serve

    def log_message(self, *_):
        pass


JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
TEXT = {"content": [{"type": "text", "text": "done"}]}
UNKNOWN = {"error": {"code": -32601, "message": "Method not found"}}


def reply(request, result, status=200, headers=None):
    """A JSON answer: a result, or with an error member that one."""
    body = {"jsonrpc": "2.0", "id": request["message"].get("id"), **(result if "error" in result else {"result": result})}
    return status, {**JSON, **(headers or {})}, [json.dumps(body).encode()]


def legacy(request, call=None, discover=None):
    """A server of 2025-06-18 with sessions."""
    method = (request["message"] or {}).get("method")
    if method == "server/discover":
        return discover(request) if discover else (400, {"Content-Type": "text/plain"}, [b"Bad Request: no session"])
    if method == "initialize":
        assert "MCP-Protocol-Version" not in request["headers"]
        return reply(request, {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}},
                     headers={"Mcp-Session-Id": "s-1"})
    assert request["headers"]["Mcp-Session-Id"] == "s-1"
    assert request["headers"]["MCP-Protocol-Version"] == "2025-06-18"
    assert "Mcp-Method" not in request["headers"]
    if method == "notifications/initialized":
        return 202, {}, []
    if request["method"] == "DELETE":
        return 405, {"Allow": "POST"}, []
    return call(request) if call else reply(request, TEXT)


def modern(request, call=None, tools=()):
    method = request["message"]["method"]
    assert request["headers"]["Mcp-Method"] == method
    assert request["message"]["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert "Mcp-Session-Id" not in request["headers"]
    if method == "server/discover":
        return reply(request, {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
    if method == "tools/list":
        return reply(request, {"resultType": "complete", "tools": list(tools)})
    return call(request) if call else reply(request, {"resultType": "complete", **TEXT})


class Eras(unittest.TestCase):
    def test_legacy_server(self):
        """What a server without server/discover may say to it."""
        refusals = [
            ("plain text, 400", None),
            ("an error of JSON-RPC, 400", lambda request: reply(request, UNKNOWN, 400)),
            ("an error of JSON-RPC, 404", lambda request: reply(request, UNKNOWN, 404)),
            ("an error of JSON-RPC, 200", lambda request: reply(request, UNKNOWN, 200)),
            ("an error without an id", lambda request: (400, JSON, [b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"x"}}'])),
            ("an error whose id is left out", lambda request: (400, JSON, [b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"x"}}'])),
            ("no body", lambda request: (405, {}, [])),
            ("other modern versions and ours", lambda request: reply(request, {"error": {
                "code": -32022, "message": "x", "data": {"supported": ["2099-01-01", "2025-06-18"], "requested": "2026-07-28"}}}, 400)),
        ]
        for comment, discover in refusals:
            with self.subTest(comment), FakeServer(lambda request, d=discover: legacy(request, discover=d)) as server:
                done = run("call", server.url, "x")
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "done\n", ""))
                self.assertEqual(server.methods(), ["server/discover", "initialize", "notifications/initialized", "tools/call", "DELETE"])

    def test_no_probe(self):
        with FakeServer(legacy) as server:
            self.assertEqual(run("call", server.url, "x", "--era", "legacy").returncode, 0)
            self.assertEqual(server.methods()[0], "initialize")
        with FakeServer(modern) as server:
            self.assertEqual(run("call", server.url, "x", "--era", "modern").returncode, 0)
            self.assertEqual(server.methods(), ["tools/list", "tools/call"])

    def test_no_fallback(self):
        """What is no matter of eras, and what only a modern server says."""
        rows = [
            (lambda request: (401, {}, []), "HTTP 401: the server wants credentials", "credentials"),
            (lambda request: (403, {}, []), "HTTP 403", "forbidden"),
            (lambda request: (429, {}, []), "HTTP 429: too many requests", "a rate"),
            (lambda request: (503, {}, []), "HTTP 503: the server is at a limit", "a limit"),
            (lambda request: (500, {}, [b"oops"]), "HTTP 500: the server failed", "a failure"),
            (lambda request: (307, {"Location": "http://127.0.0.1:2/else"}, []), "has moved to http://127.0.0.1:2/else", "a redirection"),
            (lambda request: (200, {"Content-Type": "text/html"}, [b"<html>"]), "is this an MCP server?", "a web page"),
            (lambda request: (202, {}, []), "is this an MCP server?", "accepted, but not answered"),
            (lambda request: reply(request, {"error": {"code": -32022, "message": "no", "data": {"supported": ["2099-01-01"]}}}, 400),
             'error -32022: no ({"supported":["2099-01-01"]})', "only versions that are not ours"),
            (lambda request: reply(request, {"error": {"code": -32020, "message": "no"}}, 400), "error -32020: no", "a modern error"),
            (lambda request: reply(request, {"supportedVersions": ["2099-01-01"]}), 'names ["2099-01-01"]', "a result without our version"),
            (lambda request: (200, JSON, [b'{"jsonrpc":"2.0","id":1,"result":']), "not JSON-RPC", "half a message"),
            (lambda request: (200, JSON, [b"[1]"]), "not JSON-RPC (no object)", "a list"),
            (lambda request: (200, JSON, [b'{"jsonrpc":"2.0","id":"1","result":{}}']), "without a JSON-RPC response", "another id"),
            (lambda request: (200, JSON, [b'{"jsonrpc":"2.0","id":1,"result":7}']), "no result object", "a number for a result"),
            (lambda request: (200, JSON, [b'"\xff"']), "not JSON-RPC", "no UTF-8"),
        ]
        for answer, sentence, comment in rows:
            with self.subTest(comment), FakeServer(answer) as server:
                done = run("tools", server.url)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(sentence, done.stderr)
                self.assertTrue(done.stderr.startswith("weir tools: "))
                self.assertEqual(server.methods(), ["server/discover"])

    def test_version_of_the_server(self):
        def answer(request):
            return reply(request, {"protocolVersion": "2020-01-01", "capabilities": {}})
        with FakeServer(answer) as server:
            done = run("tools", server.url, "--era", "legacy")
        self.assertEqual(done.returncode, 1)
        self.assertIn("chose protocol version 2020-01-01", done.stderr)


class Answers(unittest.TestCase):
    def stream(self, *pieces, era="modern", status=0):
        """Calls a tool whose answer is a stream of these pieces; %d stands for the request's id."""
        def call(request):
            return 200, SSE, [piece.replace(b"%d", str(request["message"]["id"]).encode()) for piece in pieces]
        server_of = {"modern": modern, "legacy": legacy}[era]
        with FakeServer(lambda request: server_of(request, call=call)) as server:
            done = run("call", server.url, "x", "--era", era)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    RESULT = b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"done"}]}}'

    def test_forms_of_a_stream(self):
        rows = [
            ([b"data: ", self.RESULT, b"\n\n"], "in pieces"),
            ([b"\xef\xbb\xbfdata:" + self.RESULT + b"\r\n\r\n"], "a byte order mark, no blank, CR LF"),
            ([b"data: " + self.RESULT + b"\r", b"\r"], "CR alone"),
            ([b"data: " + self.RESULT + b"\r", b"\n\r", b"\n"], "CR and LF in two pieces"),
            ([b": hello\n\ndata\n\nid: 7\ndata:\n\n", b"event: message\ndata: " + self.RESULT + b"\n\n"], "comments, empty data, priming"),
            ([b"event: other\ndata: not JSON\n\n", b"data: " + self.RESULT + b"\n\n"], "an event of another kind"),
            ([b'data: {"jsonrpc":"2.0",\ndata: "id":%d,\ndata:"result":{"content":[{"type":"text","text":"done"}]}}\n\n'], "data in lines"),
            ([b"".join(bytes([byte]) for byte in b"retry: 10\nfoo: bar\n") + b"data: " + self.RESULT + b"\n\n"], "fields that mean nothing"),
            ([b'data: {"jsonrpc":"2.0","id":9999,"result":{}}\n\n', b"data: " + self.RESULT + b"\n\n"], "another request's answer"),
        ]
        for pieces, comment in rows:
            with self.subTest(comment):
                self.assertEqual(self.stream(*pieces).stdout, "done\n")

    def test_byte_by_byte(self):
        def call(request):
            event = b"id: 1\r\ndata: " + self.RESULT.replace(b"%d", str(request["message"]["id"]).encode()) + b"\r\n\r\n"
            return 200, SSE, [bytes([byte]) for byte in event]
        with FakeServer(lambda request: modern(request, call=call)) as server:
            self.assertEqual(run("call", server.url, "x", "--era", "modern").stdout, "done\n")

    def test_bad_streams(self):
        rows = [
            ([b"data: " + self.RESULT], "without a JSON-RPC response", "no end of the event"),
            ([b": nothing\n\n"], "without a JSON-RPC response", "only a comment"),
            ([b"data: {\n\n"], "not JSON-RPC", "no JSON"),
        ]
        for pieces, sentence, comment in rows:
            with self.subTest(comment):
                self.assertIn(sentence, self.stream(*pieces, status=1).stderr)

    def test_endless(self):
        """An answer without end is not read to its end, in either form."""
        for headers, start in ((SSE, b"data: "), (JSON, b'{"a":"')):
            def call(_, first=headers, begin=start):
                return 200, first, [begin] + [b"x" * 1024 * 1024] * 80
            with FakeServer(lambda request, c=call: modern(request, call=c)) as server:
                done = run("call", server.url, "x", "--era", "modern")
            self.assertEqual(done.returncode, 1)
            self.assertIn("longer than 64 MiB", done.stderr)

    def test_timeout(self):
        over = threading.Event()

        def call(_):
            over.wait(RUN_SECONDS)
            return 200, JSON, []
        with FakeServer(lambda request: modern(request, call=call)) as server:
            done = run("call", server.url, "x", "--timeout", "1")
            over.set()
        self.assertEqual(done.returncode, 1)
        self.assertIn("--timeout allows more", done.stderr)

    def test_server_asks(self):
        """Ping must be answered; all else is refused: it was not declared."""
        answers = []

        def call(request):
            if "method" not in request["message"]:
                answers.append(request["message"])
                return 202, {}, []
            ask = b'data: {"jsonrpc":"2.0","id":%s,"method":"%s","params":{}}\n\n'
            result = self.RESULT.replace(b"%d", str(request["message"]["id"]).encode())
            return 200, SSE, [ask % (b'"p"', b"ping"), ask % (b"5", b"sampling/createMessage"), b"data: " + result + b"\n\n"]
        with FakeServer(lambda request: legacy(request, call=call)) as server:
            done = run("call", server.url, "x", "--era", "legacy")
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"), done.stderr)
        self.assertEqual(answers[0], {"jsonrpc": "2.0", "id": "p", "result": {}})
        self.assertEqual((answers[1]["id"], answers[1]["error"]["code"]), (5, -32601))

    def test_resumption(self):
        """A legacy stream that ends early is taken up again at its last event, until the answer is there."""
        def call(request):
            if request["method"] == "POST":
                return 200, SSE, [b"retry: 1\nid: a/1\ndata:\n\n"]
            last = request["headers"]["Last-Event-ID"]
            if last == "a/1":
                return 200, SSE, [b'id: a/2\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}\n\n']
            assert last == "a/2"
            return 200, SSE, [b"id: a/3\ndata: " + self.RESULT.replace(b"%d", b"2") + b"\n\n"]
        with FakeServer(lambda request: legacy(request, call=call)) as server:
            done = run("call", server.url, "x", "--era", "legacy")
            self.assertEqual(server.methods()[2:], ["tools/call", "GET", "GET", "DELETE"])
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "done\n", "progress: 1\n"))

    def test_hostile_words(self):
        """What a server says cannot drive the terminal."""
        def call(request):
            return reply(request, {"error": {"code": 7, "message": "\x1b[2J\u009bevil\x07\r"}})
        with FakeServer(lambda request: modern(request, call=call)) as server:
            done = run("call", server.url, "x", "--era", "modern")
        self.assertEqual(done.stderr, "weir call: the server answered with error 7: \ufffd[2J\ufffdevil\ufffd\ufffd\n")

    def test_results(self):
        rows = [
            ({"resultType": "input_required", "inputRequests": {"name": {
                "method": "elicitation/create", "params": {"message": "Who are you?"}}}},
             1, "", "name: elicitation/create: Who are you?", "asks all the same"),
            ({"resultType": "task", "taskId": "1"}, 1, "", "result of type task", "a task"),
            ({"resultType": 7}, 1, "", "result of type 7", "no type"),
            ({"content": []}, 0, "", "", "nothing"),
            ({"content": [], "structuredContent": {"a": 1}}, 0, '{\n  "a": 1\n}\n', "", "structured content alone"),
            ({"content": "x", "isError": "no"}, 1, "", "", "wrong types"),
            ({"content": [None, 7, {"type": "image"}, {"type": "text", "text": 7}]}, 0, "[nothing known]\n[nothing known]\n[image]\n\n", "", "odd items"),
            ({"content": [{"type": "resource", "resource": {"uri": "a:b", "mimeType": "text/x", "text": "words"}}]}, 0,
             "[resource, a:b, text/x]\nwords\n", "", "a resource with text"),
            ({"content": [{"type": "text", "text": "a\n"}, {"type": "text", "text": "b"}]}, 0, "a\nb\n", "", "two texts"),
        ]
        for result, status, stdout, stderr, comment in rows:
            with self.subTest(comment), FakeServer(lambda request, r=result: modern(request, call=lambda q: reply(q, r))) as server:
                done = run("call", server.url, "x", "--era", "modern")
                self.assertEqual((done.returncode, done.stdout), (status, stdout), done.stderr)
                self.assertIn(stderr, done.stderr)


class Requests(unittest.TestCase):
    def test_headers_and_names(self):
        with FakeServer(modern) as server:
            done = run("call", server.url, "grüße", '{"big": 12345678901234567890, "n": 1.10}', "--era", "modern",
                       "--header", "Authorization: Bearer t0p", "--header", "X-Two:2")
            self.assertEqual(done.returncode, 0, done.stderr)
            call = server.requests[-1]
        name = base64.b64encode("grüße".encode()).decode()
        self.assertEqual(call["headers"]["Mcp-Name"], f"=?base64?{name}?=")
        self.assertEqual(call["headers"]["Authorization"], "Bearer t0p")
        self.assertEqual(call["headers"]["X-Two"], "2")
        self.assertEqual(call["headers"]["Accept"], "application/json, text/event-stream")
        self.assertEqual(call["message"]["params"]["name"], "grüße")
        self.assertEqual(call["message"]["params"]["arguments"], {"big": 12345678901234567890, "n": 1.10})
        self.assertEqual(call["message"]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"], {})

    def test_parameter_headers(self):
        schema = {"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"}, "n": {"type": "integer", "x-mcp-header": "Count"},
            "on": {"type": "boolean", "x-mcp-header": "On"}, "none": {"type": "string", "x-mcp-header": "None"},
            "gone": {"type": "string", "x-mcp-header": "Gone"},
            "deep": {"type": "object", "properties": {"er": {"type": "string", "x-mcp-header": "Deeper"}}}}}
        arguments = {"region": "a\nb", "n": 42.0, "on": False, "none": None, "deep": {"er": "x"}}
        with FakeServer(lambda request: modern(request, tools=[{"name": "t", "inputSchema": schema}])) as server:
            self.assertEqual(run("call", server.url, "t", json.dumps(arguments), "--era", "modern").returncode, 0)
            headers = server.requests[-1]["headers"]
        found = {name: value for name, value in headers.items() if name.startswith("Mcp-Param-")}
        self.assertEqual(found, {"Mcp-Param-Region": "=?base64?YQpi?=", "Mcp-Param-Count": "42", "Mcp-Param-On": "false",
                                 "Mcp-Param-Deeper": "x"})

    def test_bad_annotations(self):
        """A tool whose annotations break a rule is not shown and not called; the others are."""
        bad = {"name": "bad", "inputSchema": {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}}
        good = {"name": "good", "inputSchema": {"type": "object"}}
        with FakeServer(lambda request: modern(request, tools=[bad, good])) as server:
            done = run("tools", server.url)
            self.assertEqual((done.returncode, done.stdout), (0, "good\n"))
            self.assertIn("left out bad: ", done.stderr)
            self.assertEqual(run("call", server.url, "bad").returncode, 1)
            self.assertNotIn("tools/call", server.methods())
            self.assertEqual(run("call", server.url, "good").returncode, 0)

    def test_endless_pages(self):
        def answer(request):
            return reply(request, {"tools": [], "nextCursor": "again \"and\" again"})
        with FakeServer(answer) as server:
            done = run("tools", server.url, "--era", "modern")
            self.assertEqual(done.returncode, 1)
            self.assertIn("more than 1000 pages", done.stderr)
            self.assertEqual(server.requests[1]["message"]["params"]["cursor"], 'again "and" again')

    def test_nobody_there(self):
        done = run("tools", "http://127.0.0.1:1/mcp")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^weir tools: http://127\.0\.0\.1:1/mcp: .*[Cc]onnect")


@unittest.skipUnless(shutil.which("openssl"), "no openssl command to make a certificate with")
class Tls(unittest.TestCase):
    def test_certificates(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "c.pem"), Path(folder, "k.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                            str(certificate)], check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            with FakeServer(modern, tls=context) as server:
                done = run("call", server.url, "x")
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn("certificate", done.stderr)
                self.assertEqual(server.requests, [])
                done = run("call", server.url, "x", environment={"SSL_CERT_FILE": str(certificate)})
                self.assertEqual((done.returncode, done.stdout), (0, "done\n"), done.stderr)

    def test_gateway(self):
        """https and wss: who is trusted, by --ca; who is not, and why; --insecure, said aloud."""
        with tempfile.TemporaryDirectory() as folder:
            authority, stranger = Authority(folder), Path(folder, "stranger")
            stranger.mkdir()
            others = Authority(stranger)
            listeners = [authority.sign("good"), authority.sign("other", "DNS:other.example")]
            config = "listen:\n" + "".join(f"  - {{address: '127.0.0.1:0', tls: {{certificate: {pem}, key: {key}}}}}\n"
                                           for pem, key in listeners)
            with WeirProcess(config) as weir:
                good, other = weir.ports
                rows = [
                    (good, "127.0.0.1", ["--ca", authority.path], 0, "", "an address"),
                    (good, "localhost", ["--ca", authority.path], 0, "", "a name"),
                    (good, "localhost", [], 1, "certificate problem: unable to get local issuer certificate", "nobody's"),
                    (good, "localhost", ["--ca", others.path], 1, "certificate problem", "somebody else's"),
                    (good, "localhost", ["--ca", __file__], 1, "certificate", "a file without certificates"),
                    (other, "localhost", ["--ca", authority.path], 1, "match", "for another name"),
                    (other, "127.0.0.1", ["--ca", authority.path], 1, "match", "without this address"),
                    (other, "localhost", ["--insecure"], 0, "--insecure: the server's certificate is not checked", "whoever"),
                ]
                for port, host, arguments, status, words, comment in rows:
                    for scheme in ("https", "wss"):
                        with self.subTest(f"{scheme}, {comment}"):
                            done = run("call", f"{scheme}://{host}:{port}/mcp", "echo", '{"message":"hi"}', *arguments)
                            self.assertEqual((done.returncode, done.stdout), (status, "" if status else "hi\n"), done.stderr)
                            self.assertIn(words, done.stderr)
                            self.assertEqual(done.stderr.count("\n"), 1 if words else 0, done.stderr)
                for scheme, port, words in (("ws", good, "HTTP 400"), ("http", good, "")):
                    done = run("tools", f"{scheme}://127.0.0.1:{port}/mcp")
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn(words, done.stderr)


    def test_keys(self):
        """A gateway that serves nobody whom it does not know: with the key, without one, with a wrong one."""
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            certificate, key = authority.sign("good")
            config = f"""
listen: [{{address: '127.0.0.1:0'}}, {{address: '127.0.0.1:0', tls: {{certificate: {certificate}, key: {key}}}}}]
auth: {{required: true, api_keys: {rows(alice=ALICE)}}}
"""
            with WeirProcess(config) as weir:
                plain, secure = weir.ports
                schemes = (("http", plain), ("ws", plain), ("https", secure), ("wss", secure))
                for (scheme, port), era in itertools.product(schemes, ("auto", "legacy")):
                    with self.subTest(f"{scheme}, {era}"):
                        self.check_keys(f"{scheme}://127.0.0.1:{port}/mcp", "--era", era, "--ca", authority.path)

    def check_keys(self, url, *arguments):
        call = ("call", url, "echo", '{"message":"hi"}', *arguments)
        done = run(*call, "--header", f"Authorization: Bearer {ALICE}")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hi\n", ""))
        for wrong in ((), ("--header", f"Authorization: Bearer {MALLORY}")):
            done = run(*call, *wrong)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, r"(HTTP|error) 401: .")


class WebSocketPeer(threading.Thread):
    """Takes one connection; `play` gets its socket after the head of the upgrade, and the key that it has."""

    def __init__(self, play):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listening.getsockname()[1]}/mcp"
        self.play = play
        self.start()

    def run(self):
        connection, _ = self.listening.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)[1].decode()
            with contextlib.suppress(ConnectionError):
                self.play(connection, key)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()
        self.join(RUN_SECONDS)


def answering(*messages):
    """Upgrades, sends this after the first message, and waits for the client's end."""

    def play(connection, key):
        connection.sendall(accept_head(key))
        connection.recv(65536)
        for message in messages:
            connection.sendall(message)
        while connection.recv(65536):
            pass

    return play


def plainly(answer):
    return lambda connection, key: connection.sendall(answer)


class WrongWebSockets(unittest.TestCase):
    def test_all(self):
        moved = b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        rows = [
            (plainly(b""), "ws://", "hangs up"),
            (plainly(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), "HTTP 401: the server wants credentials", "refused"),
            (plainly(moved), "HTTP 302", "moved: not followed"),
            (plainly(b"SSH-2.0-OpenSSH_9.2\r\n"), "", "something else altogether"),
            (answering(frame("\x01\x02", BINARY, mask=False)), "binary", "a binary message"),
            (answering(frame("{", mask=False)), "not JSON-RPC", "no JSON"),
            (answering(frame((1013).to_bytes(2, "big") + b"try again later", CLOSE, mask=False)),
             "the server closed the connection: try again later", "a full house"),
            (answering(frame('{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}', mask=False)),
             "error -32603: broken", "an error"),
        ]
        for play, words, comment in rows:
            with self.subTest(comment), WebSocketPeer(play) as peer:
                done = run("tools", peer.url, "--era", "modern", "--timeout", "20")
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertTrue(done.stderr.startswith("weir tools: "), done.stderr)
                self.assertIn(words, done.stderr)

    def test_silence(self):
        with WebSocketPeer(answering()) as peer:
            done = run("tools", peer.url, "--timeout", "1")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("did not answer within 1 s: --timeout allows more", done.stderr)


if __name__ == "__main__":
    unittest.main()
