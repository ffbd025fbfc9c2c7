"""Clients from outside, each a thread: they call the tool `mark` with numbers that nobody else has, one after the other, until they
are told to stop, and keep what became of each."""
import http.client
import json
import socket
import threading
import time

from edge import META
from websocket_client import Closed, Refused, WebSocket, request

SECONDS = 60
MODERN = "2026-07-28"


def modern(method, params=None, number=1, name=None, trace=None, source=None):
    """(body, fields) of a request of the 2026-07-28 revision."""
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {**(params or {}), "_meta": META}})
    fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN,
              "Mcp-Method": method, **({"Mcp-Name": name} if name else {}), **({"traceparent": trace} if trace else {})}
    return body, fields


def mark(number, trace=None):
    return modern("tools/call", {"name": "mark", "arguments": {"n": number}}, number, "mark", trace)


def trace_of(number):
    return f"00-{number:032x}-{number:016x}-01"


def connect(deployment, source="127.0.0.1"):
    return http.client.HTTPSConnection("localhost", deployment.port, timeout=SECONDS, context=deployment.trust,
                                       source_address=(source, 0))


def ask(connection, body, fields, method="POST", path="/mcp"):
    """(status, fields, message or None)"""
    connection.request(method, path, body, fields)
    response = connection.getresponse()
    data = response.read()
    return response.status, response.headers, json.loads(data) if data and "json" in (response.headers["Content-Type"] or "") else None


def result_of(message, number):
    """Whether this answers that mark."""
    return bool(message) and message.get("id") == number and '"n"' in str(message.get("result", {}).get("content"))


class Caller(threading.Thread):
    """answered: numbers with their answer; lost: {number: why}; began: when those of HTTP were sent."""

    def __init__(self, deployment, first, source="127.0.0.1"):
        super().__init__(daemon=True)
        self.deployment, self.next, self.source = deployment, first, source
        self.over = threading.Event()
        self.answered, self.lost, self.began, self.failure = [], {}, {}, None

    def run(self):
        try:
            self.work()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = repr(failure)

    def work(self):
        raise NotImplementedError

    def stop(self):
        self.over.set()
        self.join(SECONDS)
        assert not self.is_alive(), "a client hangs"
        assert self.failure is None, self.failure


class HttpCaller(Caller):
    """On a kept-alive connection; what fails is not asked again."""

    def work(self):
        connection = connect(self.deployment, self.source)
        while not self.over.is_set():
            number, self.next = self.next, self.next + 1
            self.began[number] = time.monotonic()
            try:
                status, _, message = ask(connection, *mark(number, trace_of(number)))
                if status == 200 and result_of(message, number):
                    self.answered.append(number)
                else:
                    self.lost[number] = f"{status} {message}"
            except (OSError, http.client.HTTPException) as failure:
                self.lost[number] = repr(failure)
                connection.close()
        connection.close()


class WebSocketCaller(Caller):
    """Begins again when it is closed with 1001, with the call that was not answered: the gateway has not begun it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.closes = []

    def work(self):
        again = None
        while not self.over.is_set():
            try:
                socket_ = self.open()
            except Refused as refused:
                assert refused.status in (502, 503), refused  # one that was leaving, or gone
                time.sleep(0.05)
                continue
            again = self.calls(socket_, again)

    def open(self):
        plain = socket.create_connection(("127.0.0.1", self.deployment.port), SECONDS, (self.source, 0))
        return WebSocket(self.deployment.port, sock=plain, tls=self.deployment.trust)

    def calls(self, connection, number):
        """The call that is to be made again, or None."""
        try:
            while not self.over.is_set():
                if number is None:
                    number, self.next = self.next, self.next + 1
                message = connection.call("tools/call", {"name": "mark", "arguments": {"n": number}}, number)
                if message.get("error", {}).get("code") == 503:
                    return number  # not begun; 1001 follows
                if result_of(message, number):
                    self.answered.append(number)
                else:
                    self.lost[number] = str(message)
                number = None
            connection.close()
        except Closed as closed:
            self.closes.append(closed.code)
        finally:
            connection.drop()
        return number


class Listener(Caller):
    """A modern client's subscriptions/listen: each stream must be acknowledged, and end with its result."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.opened = self.ended = 0

    def work(self):
        while not self.over.is_set():
            connection = connect(self.deployment, self.source)
            connection.request("POST", "/mcp", *modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
            response = connection.getresponse()
            if response.status == 200:
                self.opened += 1
                self.connection = connection
                messages = [json.loads(line[6:]) for line in response if line.startswith(b"data: {")]
                self.ended += messages[-1].get("result", {}).get("resultType") == "complete"
            else:
                assert response.status in (502, 503), response.status
                time.sleep(0.05)
            connection.close()

    def stop(self):
        self.over.set()
        self.connection.sock and self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(SECONDS)
        assert not self.is_alive(), "a stream hangs"


class Session:
    """A client of 2025-11-25 over the balancer; every request on its own kept-alive connection."""

    def __init__(self, deployment, source="127.0.0.1"):
        self.deployment, self.source = deployment, source
        self.connection = self.id = None
        self.connect()
        self.open()

    def connect(self):
        """A new connection, from `source`."""
        self.close()
        self.connection = connect(self.deployment, self.source)

    def fields(self):
        fields = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        return fields | ({"Mcp-Session-Id": self.id, "MCP-Protocol-Version": "2025-11-25"} if self.id else {})

    def post(self, method, params=None, number=1):
        """(status, message)"""
        message = {"jsonrpc": "2.0", "method": method, **({"id": number} if number is not None else {}),
                   **({"params": params} if params else {})}
        status, fields, answer = ask(self.connection, json.dumps(message), self.fields())
        if method == "initialize":
            self.id = fields["Mcp-Session-Id"]
        return status, answer

    def open(self):
        self.id = None
        status, _ = self.post("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "deploy", "version": "1"}})
        assert status == 200, status
        assert self.post("notifications/initialized", number=None)[0] == 202

    def call(self):
        """The status of a call of echo."""
        return self.post("tools/call", {"name": "echo", "arguments": {"message": "x"}})[0]

    def stream(self):
        """The response of its standing stream, on a connection of its own."""
        self.streaming = connect(self.deployment, self.source)
        self.streaming.request("GET", "/mcp", None, self.fields() | {"Accept": "text/event-stream"})
        return self.streaming.getresponse()

    def at(self, gateway):
        """The same session asked of a gateway itself: the status."""
        direct = http.client.HTTPConnection("localhost", gateway.plain, timeout=SECONDS)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        status, _, _ = ask(direct, body, self.fields())
        direct.close()
        return status

    def close(self):
        if self.connection:
            self.connection.close()


class SseClient:
    """A client of 2024-11-05: a stream, and messages posted to where its first event says."""

    def __init__(self, deployment, source):
        self.deployment, self.source = deployment, source
        self.connection = connect(deployment, source)
        self.connection.request("GET", "/sse", headers={"Accept": "text/event-stream"})
        self.stream = self.connection.getresponse()
        assert self.stream.status == 200, self.stream.status
        self.endpoint = self.data()

    def data(self):
        """Of the next event."""
        while line := self.stream.readline().decode():
            if line.startswith("data: "):
                return line.removeprefix("data: ").rstrip("\n")
        raise AssertionError("the stream was ended")

    def initialize(self):
        params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "deploy", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
        posts = connect(self.deployment, self.source)
        status, _, message = ask(posts, body, {"Content-Type": "application/json"}, path=self.endpoint)
        posts.close()
        assert status == 202, (status, message)
        return json.loads(self.data())["result"]

    def close(self):
        self.stream.close()
        self.connection.close()
