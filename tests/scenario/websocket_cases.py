"""What a WebSocket client may send and what must come back: a table for test_websocket_cases.py.

A row is (name, bytes or list of pieces, expected). Pieces are sent one by one, each as a segment of its own; a row that is one piece
is also sent byte by byte, in random pieces, and in the same segment as the upgrade. Expected is a list of:

    an integer        the answer to the request with this id, in this order
    ("error", code)   a JSON-RPC error without an id
    ("pong", bytes)   that pong, wherever it comes
    ("close", code)   the peer closes with that code (None: without a body), and then the connection; at the end of a row
                      without one the connection must still be in order

HANDSHAKES are (name, request, expected status, field that the answer must have or None).
"""
from websocket_client import (BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, close_payload, frame, head, request, text)

MAX_PAYLOAD = 64 * 1024
CONFIG = f"""
listen: [{{address: "127.0.0.1:0"}}]
limits: {{max_payload: {MAX_PAYLOAD // 1024}KiB}}
admin: {{address: "127.0.0.1:0"}}
"""


def message(id=1, size=0, filler="x", tail=""):
    """A request that is answered, filled up to `size` bytes."""
    plain = request("tools/call", {"name": "echo", "arguments": {"message": tail}}, id).encode()
    if size:
        short = request("tools/call", {"name": "echo", "arguments": {"message": ""}}, id).encode()
        room = size - len(short) - len(tail.encode())
        assert room >= 0, (size, len(short))
        plain = request("tools/call", {"name": "echo", "arguments": {"message": filler * room + tail}}, id).encode()
        assert len(plain) == size, (len(plain), size)
    return plain


def raw_message(inside, id=1):
    """The same with raw bytes as its argument, which need not be UTF-8."""
    before, after = request("tools/call", {"name": "echo", "arguments": {"message": "@"}}, id).encode().split(b"@")
    return before + inside + after


def parts(data, *cuts, **more):
    """Fragments of one message, cut at these places."""
    cuts = [0, *cuts, len(data)]
    pieces = [data[a:b] for a, b in zip(cuts, cuts[1:])]
    return [frame(CONTINUATION if i else TEXT, piece, fin=i == len(pieces) - 1, **more) for i, piece in enumerate(pieces)]


ONE = text(message(1))
TWO = text(message(2))
FULL = message(1, MAX_PAYLOAD)
SPLIT = message(1, 300)
EURO = "€".encode()
CLEF = "𝄞".encode()
PROTOCOL, UNSUPPORTED, DATA, LARGE = [("close", 1002)], [("close", 1003)], [("close", 1007)], [("close", 1009)]

ROWS = [
    # ---- messages ----
    ("one message", ONE, [1]),
    ("two messages in one segment", ONE + TWO, [1, 2]),
    ("ten messages in one segment", b"".join(text(message(i)) for i in range(1, 11)), list(range(1, 11))),
    ("id 0", text(message(0)), [0]),
    ("a mask of zeros", text(message(1), mask=bytes(4)), [1]),
    ("a mask of ones", text(message(1), mask=b"\xff" * 4), [1]),
    ("an empty message", text(b""), [("error", -32700)]),
    ("blanks only", text(b"  "), [("error", -32700)]),
    ("no JSON", text(b"hello"), [("error", -32700)]),
    ("no JSON, then a message", text(b"{") + ONE, [("error", -32700), 1]),
    ("JSON, but no message", text(b"1"), [("error", -32600)]),
    ("a newline in a message", text(b"\n" + message(1) + b"\r\n"), [1]),
    ("a notification has no answer", text(request("notifications/cancelled", {"requestId": 77}, id=None)) + ONE, [1]),
    ("a response that nobody asked for", text(b'{"jsonrpc":"2.0","id":9,"result":{}}') + ONE, [1]),
    ("padded to 125 bytes", text(b'{"a":"' + b"x" * 117 + b'"}'), [("error", -32600)]),
    ("126 bytes", text(b'{"a":"' + b"x" * 118 + b'"}'), [("error", -32600)]),
    ("127 bytes", text(b'{"a":"' + b"x" * 119 + b'"}'), [("error", -32600)]),
    ("255 bytes", text(message(1, 255)), [1]),
    ("256 bytes", text(message(1, 256)), [1]),
    ("1,023 bytes", text(message(1, 1023)), [1]),
    ("1,024 bytes", text(message(1, 1024)), [1]),
    ("1,025 bytes", text(message(1, 1025)), [1]),
    ("4,096 bytes", text(message(1, 4096)), [1]),
    ("32,767 bytes", text(message(1, 32767)), [1]),
    ("65,535 bytes, the most with 16 bits", text(message(1, 65535)), [1]),
    ("65,536 bytes, the least with 64 bits, and the cap", text(FULL), [1]),
    ("the cap twice", text(FULL) + text(message(2, MAX_PAYLOAD)), [1, 2]),
    # ---- the cap ----
    ("one byte over the cap", text(message(1, MAX_PAYLOAD + 1)), LARGE),
    ("far over the cap, only the header", frame(TEXT, length=1 << 40), LARGE),
    ("the greatest length there is", frame(TEXT, length=(1 << 63) - 1), LARGE),
    ("over the cap, header without its mask", frame(TEXT, length=MAX_PAYLOAD + 1)[:-4], LARGE),
    ("over the cap in two fragments", [frame(TEXT, FULL, fin=False), frame(CONTINUATION, b" ")], [("close", 1009)]),
    ("over the cap by the second header", [frame(TEXT, b" " * 40000, fin=False), frame(CONTINUATION, length=40000)], LARGE),
    ("fragments up to the cap", parts(FULL, 1, 1000, 60000), [1]),
    ("fragments up to the cap, then an empty one", [*parts(FULL, 1)[:1], frame(CONTINUATION, FULL[1:], fin=False),
                                                    frame(CONTINUATION)], [1]),
    ("a good message, then one over the cap", ONE + frame(TEXT, length=1 << 20), [1, *LARGE]),
    ("the sum of lengths would overflow", [frame(TEXT, b"x", fin=False), frame(CONTINUATION, length=(1 << 63) - 1)], LARGE),
    # ---- lengths ----
    ("16 bits for a length of 0", frame(TEXT, b"", form=16), PROTOCOL),
    ("16 bits for a length of 125", text(b"x" * 125, form=16), PROTOCOL),
    ("64 bits for a length of 125", text(b"x" * 125, form=64), PROTOCOL),
    ("64 bits for a length of 126", text(b"x" * 126, form=64), PROTOCOL),
    ("64 bits for a length of 65,535", text(b"x" * 65535, form=64), PROTOCOL),
    ("16 bits for a good message", text(message(1), form=64), PROTOCOL),
    ("a length with its highest bit", frame(TEXT, length=1 << 63), PROTOCOL),
    ("a length of all ones", frame(TEXT, length=(1 << 64) - 1), PROTOCOL),
    ("16 bits for a ping", frame(PING, b"abc", form=16), PROTOCOL),
    ("64 bits for a ping", frame(PING, b"abc", form=64), PROTOCOL),
    ("16 bits for a close", frame(CLOSE, close_payload(1000), form=16), PROTOCOL),
    # ---- masks ----
    ("an unmasked message", text(message(1), masked=False), PROTOCOL),
    ("an unmasked empty message", text(b"", masked=False), PROTOCOL),
    ("an unmasked ping", frame(PING, b"a", masked=False), PROTOCOL),
    ("an unmasked pong", frame(PONG, b"a", masked=False), PROTOCOL),
    ("an unmasked close", frame(CLOSE, close_payload(1000), masked=False), PROTOCOL),
    ("an unmasked continuation", [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}", masked=False)], PROTOCOL),
    ("a good message, then an unmasked one", ONE + text(message(2), masked=False), [1, *PROTOCOL]),
    # ---- reserved bits and opcodes ----
    *[(f"reserved bits {bits:03b}", text(message(1), reserved=bits), PROTOCOL) for bits in range(1, 8)],
    ("a reserved bit in a ping", frame(PING, b"", reserved=1), PROTOCOL),
    ("a reserved bit in a pong", frame(PONG, b"", reserved=2), PROTOCOL),
    ("a reserved bit in a close", frame(CLOSE, close_payload(1000), reserved=4), PROTOCOL),
    ("a reserved bit in a continuation", [frame(TEXT, b"{", fin=False), frame(CONTINUATION, b"}", reserved=4)], PROTOCOL),
    ("what looks compressed, and no extension was agreed on", text(b"\xf2\x48\xcd\xc9\xc9\x07\x00", reserved=4), PROTOCOL),
    *[(f"opcode {opcode}", frame(opcode, b"a"), PROTOCOL) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    *[(f"opcode {opcode} inside of a message", [frame(TEXT, b"{", fin=False), frame(opcode, b"a")], PROTOCOL)
      for opcode in (3, 7, 11, 15)],
    ("only a reserved first byte", b"\xc1", PROTOCOL),
    ("a good message, then a reserved opcode", ONE + frame(5), [1, *PROTOCOL]),
    # ---- binary ----
    ("a binary message", frame(BINARY, message(1)), UNSUPPORTED),
    ("an empty binary message", frame(BINARY), UNSUPPORTED),
    ("the first fragment of a binary message", frame(BINARY, b"a", fin=False), UNSUPPORTED),
    ("a binary message over the cap", frame(BINARY, length=1 << 40), UNSUPPORTED),
    ("only the first byte of a binary message", b"\x82", UNSUPPORTED),
    ("a good message, then a binary one", ONE + frame(BINARY, b"a"), [1, *UNSUPPORTED]),
    ("a binary message inside of a text message", [frame(TEXT, b"{", fin=False), frame(BINARY, b"}")], PROTOCOL),
    # ---- fragments ----
    ("two fragments", parts(SPLIT, 100), [1]),
    ("three fragments", parts(SPLIT, 100, 200), [1]),
    ("two fragments in one segment", b"".join(parts(SPLIT, 100)), [1]),
    ("an empty first fragment", parts(SPLIT, 0), [1]),
    ("an empty last fragment", parts(SPLIT, 300), [1]),
    ("empty fragments in between", parts(SPLIT, 100, 100, 100, 200), [1]),
    ("nothing but empty fragments", parts(b"", 0, 0), [("error", -32700)]),
    ("300 fragments of one byte", b"".join(parts(SPLIT, *range(1, 300))), [1]),
    ("a hundred empty fragments", b"".join(parts(SPLIT, *[150] * 100)), [1]),
    ("fragments of 1,024", b"".join(parts(message(1, 5000), 1024, 2048, 3072, 4096)), [1]),
    ("a message after a fragmented one", b"".join(parts(SPLIT, 100)) + TWO, [1, 2]),
    ("two fragmented messages", b"".join(parts(SPLIT, 100)) + b"".join(parts(message(2, 300), 7)), [1, 2]),
    ("a continuation of nothing", frame(CONTINUATION, b"a"), PROTOCOL),
    ("an unfinished continuation of nothing", frame(CONTINUATION, b"a", fin=False), PROTOCOL),
    ("an empty continuation of nothing", frame(CONTINUATION), PROTOCOL),
    ("a continuation after a whole message", ONE + frame(CONTINUATION, b"a"), [1, *PROTOCOL]),
    ("a continuation after the last fragment", b"".join(parts(SPLIT, 100)) + frame(CONTINUATION, b"a"), [1, *PROTOCOL]),
    ("a new message inside of one", [frame(TEXT, b"{", fin=False), ONE], PROTOCOL),
    ("a new fragmented message inside of one", [frame(TEXT, b"{", fin=False), frame(TEXT, b"{", fin=False)], PROTOCOL),
    # ---- pings and pongs ----
    ("an empty ping", frame(PING), [("pong", b"")]),
    ("a ping with bytes", frame(PING, b"\x00\xff\x80"), [("pong", b"\x00\xff\x80")]),
    ("the longest ping", frame(PING, b"p" * 125), [("pong", b"p" * 125)]),
    ("a ping of 126 bytes", frame(PING, b"p" * 126), PROTOCOL),
    ("a ping of 65,536 bytes", frame(PING, b"p" * 65536), PROTOCOL),
    ("ten pings: the last one counts", b"".join(frame(PING, b"%d" % i) for i in range(10)), [("pong", b"9")]),
    ("a hundred pings", b"".join(frame(PING, b"x" * i) for i in range(100)), [("pong", b"x" * 99)]),
    ("pings and messages", frame(PING, b"a") + ONE + frame(PING, b"b") + TWO + frame(PING, b"c"), [1, 2, ("pong", b"c")]),
    ("a fragmented ping", frame(PING, b"a", fin=False), PROTOCOL),
    ("a pong that nobody asked for", frame(PONG, b"hello"), []),
    ("an empty pong", frame(PONG), []),
    ("the longest pong", frame(PONG, b"p" * 125), []),
    ("a pong of 126 bytes", frame(PONG, b"p" * 126), PROTOCOL),
    ("a fragmented pong", frame(PONG, b"a", fin=False), PROTOCOL),
    ("a hundred pongs, then a message", frame(PONG, b"x") * 100 + ONE, [1]),
    ("a ping between fragments", b"".join([parts(SPLIT, 100)[0], frame(PING, b"in"), parts(SPLIT, 100)[1]]), [1, ("pong", b"in")]),
    ("a ping between fragments, in segments", [parts(SPLIT, 100)[0], frame(PING, b"in"), parts(SPLIT, 100)[1]],
     [("pong", b"in"), 1]),
    ("a pong between fragments", b"".join([parts(SPLIT, 100)[0], frame(PONG, b"in"), parts(SPLIT, 100)[1]]), [1]),
    ("pings between all fragments", b"".join(frame(PING, b"%d" % i) + part for i, part in
                                             enumerate(parts(SPLIT, *range(10, 300, 10)))), [1, ("pong", b"29")]),
    ("a fragmented ping between fragments", [parts(SPLIT, 100)[0], frame(PING, b"a", fin=False)], PROTOCOL),
    # ---- close ----
    ("a close without a code", frame(CLOSE), [("close", None)]),
    *[(f"a close with {code}", frame(CLOSE, close_payload(code)), [("close", code)])
      for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)],
    *[(f"a close with {code}", frame(CLOSE, close_payload(code)), PROTOCOL)
      for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)],
    ("a close with one byte", frame(CLOSE, b"\x03"), PROTOCOL),
    ("a close with a reason", frame(CLOSE, close_payload(1000, b"bye")), [("close", 1000)]),
    ("a close with a reason in UTF-8", frame(CLOSE, close_payload(1000, EURO + CLEF)), [("close", 1000)]),
    ("a close with the longest reason", frame(CLOSE, close_payload(1000, b"r" * 123)), [("close", 1000)]),
    ("a close with a reason too long", frame(CLOSE, close_payload(1000, b"r" * 124)), PROTOCOL),
    ("a close with a cut reason", frame(CLOSE, close_payload(1000, EURO[:2])), DATA),
    ("a close with a reason that is no UTF-8", frame(CLOSE, close_payload(1000, b"\xff")), DATA),
    ("a close with a surrogate in its reason", frame(CLOSE, close_payload(1000, b"\xed\xa0\x80")), DATA),
    ("a close with a bad code and a bad reason", frame(CLOSE, close_payload(1005, b"\xff")), PROTOCOL),
    ("a fragmented close", frame(CLOSE, close_payload(1000), fin=False), PROTOCOL),
    ("a close between fragments", [parts(SPLIT, 100)[0], frame(CLOSE, close_payload(1000))], [("close", 1000)]),
    ("a message after the close", frame(CLOSE, close_payload(1000)) + ONE, [("close", 1000)]),
    ("a ping after the close", frame(CLOSE, close_payload(1000)) + frame(PING, b"a"), [("close", 1000)]),
    ("a second close", frame(CLOSE, close_payload(1000)) + frame(CLOSE, close_payload(1001)), [("close", 1000)]),
    ("garbage after the close", frame(CLOSE, close_payload(1000)) + b"\xff" * 1000, [("close", 1000)]),
    ("a message, then a close", ONE + frame(CLOSE, close_payload(1000)), [1, ("close", 1000)]),
    # ---- UTF-8 ----
    ("two-byte characters", text(raw_message("é".encode())), [1]),
    ("three-byte characters", text(raw_message(EURO)), [1]),
    ("four-byte characters", text(raw_message(CLEF)), [1]),
    ("the last character there is", text(raw_message(b"\xf4\x8f\xbf\xbf")), [1]),
    ("a character that is none, but well-formed", text(raw_message(b"\xef\xbf\xbf")), [1]),
    ("a message full of characters", text(message(1, 60000, tail="€𝄞é" * 1000)), [1]),
    ("a lone continuation byte", text(raw_message(b"\x80")), DATA),
    ("a lone first byte", text(raw_message(b"\xc3")), DATA),
    ("a cut character at the end of a message", text(message(1) + EURO[:2]), DATA),
    ("an overlong slash in two bytes", text(raw_message(b"\xc0\xaf")), DATA),
    ("an overlong slash in three bytes", text(raw_message(b"\xe0\x80\xaf")), DATA),
    ("an overlong slash in four bytes", text(raw_message(b"\xf0\x80\x80\xaf")), DATA),
    ("an overlong NUL", text(raw_message(b"\xc0\x80")), DATA),
    ("a surrogate", text(raw_message(b"\xed\xa0\x80")), DATA),
    ("a pair of surrogates", text(raw_message(b"\xed\xa0\xb4\xed\xb4\x9e")), DATA),
    ("beyond the last character", text(raw_message(b"\xf4\x90\x80\x80")), DATA),
    ("a byte that never is", text(raw_message(b"\xfe")), DATA),
    ("five bytes", text(raw_message(b"\xf8\x88\x80\x80\x80")), DATA),
    ("Latin-1", text(raw_message("é".encode("latin-1"))), DATA),
    ("UTF-16", text(message(1).decode().encode("utf-16")), DATA),
    ("no JSON and no UTF-8", text(b"\xff\xfe"), DATA),
    ("a good message, then one that is no UTF-8", ONE + text(b"\xff"), [1, *DATA]),
    *[(f"a character split over fragments after {cut}", b"".join(parts(raw_message(CLEF), raw_message(CLEF).index(CLEF) + cut)), [1])
      for cut in (1, 2, 3)],
    ("a character of one byte per fragment", b"".join(parts(raw_message(CLEF), *[raw_message(CLEF).index(CLEF) + i for i in range(5)])),
     [1]),
    ("a split character with a ping in between", b"".join([
        parts(raw_message(EURO), raw_message(EURO).index(EURO) + 1)[0], frame(PING, b"\xff"),
        parts(raw_message(EURO), raw_message(EURO).index(EURO) + 1)[1]]), [1, ("pong", b"\xff")]),
    ("a split character that goes on wrongly", b"".join(parts(raw_message(b"\xe2\x82a"), raw_message(b"\xe2\x82a").index(b"\xe2") + 2)),
     DATA),
    ("a cut character at the end of a fragmented message", b"".join(parts(message(1) + EURO[:1], 50)), DATA),
    ("a character split where libwebsockets' buffer ends", text(message(1, 1024 + 40, tail="€" * 100)), [1]),
]


def upgrade(**more):
    return head(**more)


def without(name, **more):
    return head(changes={name: None}, **more)


def changed(name, value, **more):
    return head(changes={name: value}, **more)


HANDSHAKES = [
    ("as it should be", upgrade(), 101, (b"sec-websocket-protocol", b"mcp")),
    ("no subprotocol", upgrade(protocol=None), 101, (b"sec-websocket-protocol", None)),
    ("an unknown subprotocol", upgrade(protocol=b"graphql-ws"), 101, (b"sec-websocket-protocol", None)),
    ("mcp among others", upgrade(protocol=b"a, mcp ,b"), 101, (b"sec-websocket-protocol", b"mcp")),
    ("mcp and a token", upgrade(protocol=b"mcp, mcp.auth.abc.def-_~"), 101, (b"sec-websocket-protocol", b"mcp")),
    ("a token alone", upgrade(protocol=b"mcp.auth.abc"), 101, (b"sec-websocket-protocol", None)),
    ("a long token", upgrade(protocol=b"mcp.auth." + b"t" * 20000 + b", mcp"), 101, (b"sec-websocket-protocol", b"mcp")),
    ("a token of 127 bytes", upgrade(protocol=b"mcp,mcp.auth." + b"t" * 127), 101, (b"sec-websocket-protocol", b"mcp")),
    ("a revision", upgrade(protocol=b"mcp.version.2025-11-25, mcp"), 101, (b"sec-websocket-protocol", b"mcp")),
    ("two tokens", upgrade(protocol=b"mcp.auth.a, mcp.auth.b, mcp"), 400, None),
    ("subprotocols on two lines", upgrade(extra=[b"Sec-WebSocket-Protocol: mcp.auth.t"]), 101, (b"sec-websocket-protocol", b"mcp")),
    ("mcp on the second line", upgrade(protocol=b"x", extra=[b"Sec-WebSocket-Protocol: mcp"]), 101,
     (b"sec-websocket-protocol", b"mcp")),
    ("mcp in upper case is another one", upgrade(protocol=b"MCP"), 101, (b"sec-websocket-protocol", None)),
    ("a subprotocol that is no token", upgrade(protocol=b"mcp, a b"), 400, None),
    ("an empty subprotocol list", upgrade(protocol=b""), 101, (b"sec-websocket-protocol", None)),
    ("a hundred subprotocols", upgrade(protocol=b", ".join(b"p%d" % i for i in range(100)) + b", mcp"), 101,
     (b"sec-websocket-protocol", b"mcp")),
    ("permessage-deflate is declined", upgrade(changes={b"Sec-WebSocket-Extensions": b"permessage-deflate; client_max_window_bits"}),
     101, (b"sec-websocket-extensions", None)),
    ("names in lower case", upgrade().replace(b"Upgrade:", b"upgrade:").replace(b"Connection:", b"connection:"), 101, None),
    ("values in other cases", upgrade(changes={b"Upgrade": b"WebSocket", b"Connection": b"UPGRADE"}), 101, None),
    ("Connection with keep-alive", changed(b"Connection", b"keep-alive, Upgrade"), 101, None),
    ("a query", upgrade(target=b"/mcp?a=b"), 101, None),
    ("the absolute form", upgrade(target=b"http://localhost/mcp"), 101, None),
    ("a port in Host", changed(b"Host", b"localhost:8080"), 101, None),
    ("127.0.0.1 in Host", changed(b"Host", b"127.0.0.1:1"), 101, None),
    ("[::1] in Host", changed(b"Host", b"[::1]"), 101, None),
    ("an allowed Origin", changed(b"Origin", b"http://localhost:3000"), 101, None),
    ("Content-Length: 0", changed(b"Content-Length", b"0"), 101, None),
    ("another Host", changed(b"Host", b"evil.example"), 403, None),
    ("another Host that begins well", changed(b"Host", b"localhost.evil.example"), 403, None),
    ("another host in the target", upgrade(target=b"http://evil.example/mcp"), 403, None),
    ("another Origin", changed(b"Origin", b"http://evil.example"), 403, None),
    ("Origin null", changed(b"Origin", b"null"), 403, None),
    ("an Origin that begins well", changed(b"Origin", b"http://localhost.evil.example"), 403, None),
    ("no Host", without(b"Host"), 400, None),
    ("two Hosts", upgrade(extra=[b"Host: localhost"]), 400, None),
    ("two Origins", changed(b"Origin", b"http://localhost", extra=[b"Origin: http://localhost"]), 400, None),
    ("a malformed Host", changed(b"Host", b"local host"), 400, None),
    ("no key", without(b"Sec-WebSocket-Key"), 400, None),
    ("an empty key", changed(b"Sec-WebSocket-Key", b""), 400, None),
    ("a key of 15 bytes", changed(b"Sec-WebSocket-Key", b"MDEyMzQ1Njc4OWFiY2Rl"), 400, None),
    ("a key of 17 bytes", changed(b"Sec-WebSocket-Key", b"MDEyMzQ1Njc4OWFiY2RlZmc="), 400, None),
    ("a key that is no base64", changed(b"Sec-WebSocket-Key", b"!!!!!!!!!!!!!!!!!!!!!!=="), 400, None),
    ("a key without its padding", changed(b"Sec-WebSocket-Key", KEY.rstrip(b"=")), 400, None),
    ("two keys", upgrade(extra=[b"Sec-WebSocket-Key: " + KEY]), 400, None),
    ("no version", without(b"Sec-WebSocket-Version"), 426, (b"sec-websocket-version", b"13")),
    ("version 8", changed(b"Sec-WebSocket-Version", b"8"), 426, (b"sec-websocket-version", b"13")),
    ("version 0", changed(b"Sec-WebSocket-Version", b"0"), 426, (b"sec-websocket-version", b"13")),
    ("version 14", changed(b"Sec-WebSocket-Version", b"14"), 426, (b"sec-websocket-version", b"13")),
    ("version 013", changed(b"Sec-WebSocket-Version", b"013"), 426, (b"sec-websocket-version", b"13")),
    ("versions 13, 8", changed(b"Sec-WebSocket-Version", b"13, 8"), 426, (b"sec-websocket-version", b"13")),
    ("version no number", changed(b"Sec-WebSocket-Version", b"x"), 426, (b"sec-websocket-version", b"13")),
    ("another path", upgrade(target=b"/other"), 404, None),
    ("the root", upgrade(target=b"/"), 404, None),
    ("a page", upgrade(target=b"/healthz"), 404, None),
    ("a path that begins well", upgrade(target=b"/mcp/x"), 404, None),
    ("POST: a request like any other, without its Content-Type", upgrade(method=b"POST", changes={b"Content-Length": b"0"}), 415,
     None),
    ("PUT", upgrade(method=b"PUT"), 405, (b"allow", b"GET, POST, DELETE")),
    ("HTTP/1.0", upgrade(version=b"HTTP/1.0"), 400, None),
    ("a body", changed(b"Content-Length", b"5") + b"hello", 400, None),
    ("a chunked body", changed(b"Transfer-Encoding", b"chunked"), 400, None),
]
