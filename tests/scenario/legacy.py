"""A client of the revisions with sessions, as small as can be, whose connections can be cut where a scenario wants it.

    with Session(weir) as session:
        reply = session.call("echo", {"message": "hi"})      # reply.status, reply.message()

Every request goes over a connection of its own, which lives as long as its Reply.
"""
import http.client
import itertools
import json
import socket
import struct

ACCEPT = "application/json, text/event-stream"
SECONDS = 30


class Reply:
    """What answers a request, read piece by piece: one JSON value, or the events of a stream."""

    def __init__(self, weir, method, headers, body=None):
        self.connection = http.client.HTTPConnection(weir.host, weir.port, timeout=SECONDS)
        self.connection.request(method, weir.path, body, headers)
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.is_stream = self.headers.get_content_type() == "text/event-stream"

    def json(self):
        return json.loads(self.response.read())

    def event(self):
        """The next event as its fields, with `data` read; None at the end of the stream. Comments are skipped."""
        fields = {}
        while line := self.response.readline():
            name, colon, value = line.decode().rstrip("\n").partition(":")
            if name and colon:
                fields[name] = value.removeprefix(" ")
            elif fields and not colon:
                fields["data"] = json.loads(fields["data"]) if fields.get("data") else None
                return fields
        return None

    def events(self):
        """All that are still to come."""
        return list(iter(self.event, None))

    def message(self):
        """The JSON-RPC answer (or, on a stream, the next message of any kind)."""
        if not self.is_stream:
            return self.json()
        while event := self.event():
            if event["data"]:
                return event["data"]
        return None

    def last(self):
        """The last message: of a call's stream, its answer."""
        if not self.is_stream:
            return self.json()
        messages = [event["data"] for event in self.events() if event["data"]]
        return messages[-1] if messages else None

    def close(self):
        self.response.close()
        self.connection.close()

    def reset(self):
        """Ends the connection with RST, as a vanished client's system does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Session:
    """initialize, notifications/initialized; on leaving, DELETE."""

    def __init__(self, weir, version="2025-11-25", capabilities=None, fields=None):
        self.weir, self.version, self.id, self.ids = weir, version, None, itertools.count(1)
        self.fields = fields or {}  # of every request
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": {"name": "scenario", "version": "1"}}
        with self.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}) as reply:
            assert reply.status == 200, (reply.status, reply.json())
            self.hello = reply.message()["result"]
            self.id = reply.headers["Mcp-Session-Id"]
        self.version = self.hello["protocolVersion"]
        assert self.notify("notifications/initialized") == 202

    def headers(self, more=None):
        fields = {"Content-Type": "application/json", "Accept": ACCEPT, **self.fields}
        if self.id:
            fields |= {"Mcp-Session-Id": self.id, "MCP-Protocol-Version": self.version}
        return {name: value for name, value in {**fields, **(more or {})}.items() if value is not None}

    def send(self, message, more=None):
        """message: what json.dumps() takes, or the very bytes."""
        body = message if isinstance(message, (bytes, str)) else json.dumps(message)
        return Reply(self.weir, "POST", self.headers(more), body)

    def request(self, method, params=None, number=None):
        message = {"jsonrpc": "2.0", "id": next(self.ids) if number is None else number, "method": method}
        return self.send({**message, "params": params} if params is not None else message)

    def call(self, tool, arguments=None, number=None, meta=None):
        params = {"name": tool, "arguments": arguments or {}}
        return self.request("tools/call", {**params, "_meta": meta} if meta else params, number)

    def result(self, method, params=None):
        with self.request(method, params) as reply:
            answer = reply.last()
        assert reply.status == 200 and "result" in answer, (reply.status, answer)
        return answer["result"]

    def notify(self, method, params=None):
        """The HTTP status."""
        with self.send({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}) as reply:
            return reply.status

    def answer(self, question, result):
        """Answers a request of the gateway; the HTTP status."""
        with self.send({"jsonrpc": "2.0", "id": question["id"], "result": result}) as reply:
            return reply.status

    def stream(self, last_event_id=None):
        """GET: the standing stream, or with an id the rest of the stream that it is of."""
        return Reply(self.weir, "GET", self.headers({"Accept": "text/event-stream", "Content-Type": None, "Last-Event-ID": last_event_id}))

    def end(self):
        with Reply(self.weir, "DELETE", self.headers()) as reply:
            return reply.status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None and self.id:
            self.end()
