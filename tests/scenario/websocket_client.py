"""A WebSocket client of our own, on raw bytes (RFC 6455): it can do everything wrong that a client can. Used by the table of
websocket_cases.py and by test_websocket.py.

    with WebSocket(port) as ws:
        ws.send_text('{"jsonrpc": ...}')
        ws.receive_json()
        ws.close(1000)
"""
import base64
import hashlib
import json
import os
import socket
import ssl
import struct

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(b"0123456789abcdef")
SECONDS = 30
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def head(target=b"/mcp", method=b"GET", version=b"HTTP/1.1", protocol=b"mcp", changes=None, extra=()):
    """An upgrade; changes: fields by name (None: without it), extra: raw lines."""
    fields = {b"Host": b"localhost", b"Upgrade": b"websocket", b"Connection": b"Upgrade", b"Sec-WebSocket-Key": KEY,
              b"Sec-WebSocket-Version": b"13", b"Sec-WebSocket-Protocol": protocol, **(changes or {})}
    lines = [name + b": " + value for name, value in fields.items() if value is not None]
    return b"\r\n".join([method + b" " + target + b" " + version, *lines, *extra, b"", b""])


def mask_bytes(data, mask):
    if not data:
        return data
    repeated = (mask * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")


def frame(opcode, payload=b"", fin=True, reserved=0, masked=True, length=None, form=None, mask=b"\x12\x34\x56\x78"):
    """A frame; length: what is announced instead of the payload's; form: 7, 16 or 64 bits for it, instead of the shortest."""
    length = len(payload) if length is None else length
    form = form or (7 if length < 126 else 16 if length < 65536 else 64)
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    lengths = {7: lambda: bytes([bit | length]), 16: lambda: bytes([bit | 126]) + struct.pack("!H", length),
               64: lambda: bytes([bit | 127]) + struct.pack("!Q", length)}
    return bytes([first]) + lengths[form]() + (mask + mask_bytes(payload, mask) if masked else payload)


def text(payload, **more):
    return frame(TEXT, payload if isinstance(payload, bytes) else payload.encode(), **more)


def close_payload(code=None, reason=b""):
    return b"" if code is None else struct.pack("!H", code) + reason


def request(method, params=None, id=1, modern=True):
    params = dict(params or {})
    if modern:
        params["_meta"] = {**META, **params.get("_meta", {})}
    message = {"jsonrpc": "2.0", "method": method, **({} if id is None else {"id": id})}
    return json.dumps({**message, **({"params": params} if params else {})}, ensure_ascii=False)


class Closed(Exception):
    """The peer has closed: code None without a close frame."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason!r}")
        self.code, self.reason = code, reason


class Refused(Exception):
    """The upgrade was answered with another status than 101."""

    def __init__(self, status, fields, body):
        super().__init__(f"refused with {status}: {body!r}")
        self.status, self.fields, self.body = status, fields, body


class Connection:
    """Bytes with a buffer."""

    def __init__(self, sock, seconds=SECONDS):
        self.socket = sock
        self.socket.settimeout(seconds)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self.buffer += data

    def exactly(self, size):
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def until(self, end):
        while end not in self.buffer:
            self._more()
        size = self.buffer.index(end) + len(end)
        return self.exactly(size)

    def response(self):
        """The head of an HTTP response, and its body unless it is a 101."""
        lines = self.until(b"\r\n\r\n").split(b"\r\n")[:-2]
        status = int(lines[0].split(b" ")[1])
        fields = {}
        for line in lines[1:]:
            name, value = line.split(b":", 1)
            assert name.lower() not in fields, f"{name!r} twice"
            fields[name.lower()] = value.strip()
        body = b"" if status == 101 else self.exactly(int(fields.get(b"content-length", b"0")))
        return status, fields, body

    def frame(self):
        """(opcode, fin, payload); asserts what a server's frames must be."""
        try:
            first, second = self.exactly(2)
        except EOFError:
            raise Closed(None) from None
        assert not first & 0x70, "a reserved bit is set"
        assert not second & 0x80, "a server's frame is masked"
        length, opcode = second & 0x7f, first & 15
        if opcode >= 8:
            assert length <= 125 and first & 0x80, "a bad control frame"
        if length == 126:
            length, = struct.unpack("!H", self.exactly(2))
            assert length >= 126, "not the shortest length"
        elif length == 127:
            length, = struct.unpack("!Q", self.exactly(8))
            assert length >= 65536, "not the shortest length"
        return opcode, bool(first & 0x80), self.exactly(length)

    def at_end(self):
        """Nothing more comes, and the peer closes."""
        try:
            self._more()
        except EOFError:
            return True
        return False

    def drop(self):
        self.socket.close()


class WebSocket(Connection):
    def __init__(self, port, host="127.0.0.1", tls=None, early=b"", seconds=SECONDS, sock=None, receive_buffer=None, **upgrade):
        if sock is None:
            sock = socket.socket()
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(seconds)
            sock.connect((host, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = (tls if isinstance(tls, ssl.SSLContext) else ssl._create_unverified_context()).wrap_socket(
                sock, server_hostname="localhost")
        super().__init__(sock, seconds)
        self.send(head(**upgrade) + early)
        status, self.fields, body = self.response()
        if status != 101:
            self.drop()
            raise Refused(status, self.fields, body)
        key = (upgrade.get("changes") or {}).get(b"Sec-WebSocket-Key", KEY)
        assert self.fields[b"sec-websocket-accept"] == accept_of(key), "a wrong Sec-WebSocket-Accept"
        assert b"sec-websocket-extensions" not in self.fields, "an extension was agreed on"
        self.protocol = self.fields.get(b"sec-websocket-protocol")
        self.control = []  # (opcode, payload) of pings and pongs that came on the way

    def send_text(self, payload, **more):
        self.send(text(payload, mask=os.urandom(4), **more))

    def receive(self, pong=True):
        """The next message, or Closed; answers pings."""
        parts = []
        while True:
            opcode, fin, payload = self.frame()
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode())
            if opcode in (PING, PONG):
                self.control.append((opcode, payload))
                if opcode == PING and pong:
                    self.send(frame(PONG, payload))
                continue
            assert opcode == (CONTINUATION if parts else TEXT), f"opcode {opcode}"
            parts.append(payload)
            if fin:
                return b"".join(parts).decode()

    def receive_json(self):
        return json.loads(self.receive())

    def call(self, method, params=None, id=1, modern=True):
        """One request and its answer; nothing else may come."""
        self.send_text(request(method, params, id, modern))
        answer = self.receive_json()
        assert answer.get("id") == id, answer
        return answer

    def initialize(self, version="2025-11-25", capabilities=None):
        answer = self.call("initialize", {"protocolVersion": version, "capabilities": capabilities or {},
                                          "clientInfo": {"name": "test", "version": "0"}}, id=0, modern=False)
        self.send_text(request("notifications/initialized", id=None, modern=False))
        return answer["result"]

    def expect_close(self):
        """Reads until the peer's close frame, answers it, and waits for the end. Its code; None: there was none."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            code = closed.code
        if code is not None:
            try:
                self.send(frame(CLOSE, close_payload(code)))
            except OSError:
                pass
            assert self.at_end(), "bytes after the close frame"
        return code

    def close(self, code=1000, reason=b""):
        """Closes in order; the peer must echo the code."""
        self.send(frame(CLOSE, close_payload(code, reason)))
        answer = self.expect_close()
        self.drop()
        assert answer == (1005 if code is None else code), answer

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.drop()
