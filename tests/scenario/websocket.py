"""RFC 6455, as much as clients and servers of tests need: handshakes, and frames that may be wrong on purpose."""
import base64
import hashlib
import os

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def upgrade_head(host, path, fields=(), protocol="mcp"):
    """A client's request and the Sec-WebSocket-Accept that answers it."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
             "Sec-WebSocket-Version: 13"]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    lines += [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), accept_key(key)


def accept_head(key, protocol="mcp"):
    """A server's 101."""
    return (f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key)}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode()


def frame(payload, opcode=TEXT, final=True, mask=True):
    payload = payload.encode() if isinstance(payload, str) else payload
    head = bytes([(0x80 if final else 0) | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(payload).to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(payload), "big")
    return head + key + masked


class Frames:
    """Takes bytes as they come; read() gives (opcode, payload) of whole messages and control frames, or None. Of a peer that
    masks, too."""

    def __init__(self):
        self._bytes = bytearray()
        self._message = None

    def feed(self, data):
        self._bytes += data

    def _frame(self):
        data = self._bytes
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            more = 2 if size == 126 else 8
            if len(data) < at + more:
                return None
            size, at = int.from_bytes(data[at:at + more], "big"), at + more
        key = None
        if data[1] & 0x80:
            key, at = bytes(data[at:at + 4]), at + 4
        if len(data) < at + size:
            return None
        payload = bytes(data[at:at + size])
        first = data[0]
        del data[:at + size]
        if key:
            payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        assert not first & 0x70, "reserved bits"
        return first & 0x0F, bool(first & 0x80), payload

    def read(self):
        while (found := self._frame()) is not None:
            opcode, final, payload = found
            if opcode >= CLOSE:
                return opcode, payload
            if self._message is None:
                self._message = (opcode, payload)
            else:
                assert opcode == CONTINUATION
                self._message = (self._message[0], self._message[1] + payload)
            if final:
                message, self._message = self._message, None
                return message
        return None
