"""Raw HTTP requests and what must come back: a table for test_raw_http.py.

A row is (name, bytes or list of pieces, expected, comment). Pieces are sent one by one, a number between them is a pause in
seconds. Expected is a list of alternatives, separated by "|", each a sequence of:

    200 404 ...  a whole, well-formed response with that status; no others may come
    open         then the connection is still in step: a probe sent on it is answered as itself (the default without "close")
    close        then the server closes; nothing more may come

Attempts to smuggle carry a CANARY: a request for a path of its own. Only a server that has lost its place answers it.
"""
import json

CRLF = b"\r\n"
CANARY = b"GET /canary HTTP/1.1\r\nHost: localhost\r\n\r\n"
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}}).encode()
FIELDS = {
    "Host": "localhost",
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "server/discover",
}
MAX_PAYLOAD = 64 * 1024
HEAD_TIMEOUT = 1
LISTEN = 'listen: [{address: "127.0.0.1:0"}]'
CONFIG = f"""
{LISTEN}
limits: {{head_timeout: {HEAD_TIMEOUT}s, body_timeout: 1s, idle_timeout: 2s, max_payload: {MAX_PAYLOAD // 1024}KiB}}
"""


def fields(changes=None, extra=()):
    """Field lines: FIELDS with changes (None: without it), then extra raw lines."""
    lines = []
    for name, value in {**FIELDS, **(changes or {})}.items():
        if value is not None:
            lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    return CRLF.join([*lines, *extra]) + CRLF


def post(body=BODY, changes=None, extra=(), line=b"POST /mcp HTTP/1.1", length=True):
    lines = list(extra)
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return line + CRLF + fields(changes, lines) + CRLF + body


def get(target=b"/healthz", extra=(), host=b"localhost", method=b"GET", version=b"HTTP/1.1"):
    lines = [b"Host: " + host] if host is not None else []
    return method + b" " + target + b" " + version + CRLF + b"".join(l + CRLF for l in [*lines, *extra]) + CRLF


def chunk(data):
    return b"%x\r\n" % len(data) + data + CRLF


def chunked(raw=None, extra=(), changes=None):
    """A POST whose chunked body is given as it stands on the wire."""
    raw = chunk(BODY) + b"0\r\n\r\n" if raw is None else raw
    return post(raw, changes, [b"Transfer-Encoding: chunked", *extra], length=False)


def byte_by_byte(data, pause=0.0):
    pieces = []
    for i in range(len(data)):
        pieces += [data[i:i + 1], pause]
    return pieces


def halves(data, pause=0.01):
    """The same request cut in two, at each place of interest."""
    return [[data[:at], pause, data[at:]] for at in cuts(data)]


def cuts(data):
    head = data.index(b"\r\n\r\n")
    return [1, 4, data.index(b"\r\n") + 1, data.index(b"\r\n") + 2, head, head + 1, head + 2, head + 3, head + 4, len(data) - 1]


ROWS = []


def row(name, data, expected, comment=""):
    ROWS.append((name, data if isinstance(data, list) else [data], expected, comment))


# ---- what must work --------------------------------------------------------------------------------------------------------
row("post", post(), "200")
row("post, two on one connection", post() + post(), "200 200", "pipelined")
row("post, five on one connection", post() * 5, "200 200 200 200 200")
row("get page", get(), "200")
row("head page", get(method=b"HEAD"), "200")
row("page with query", get(b"/healthz?verbose=1"), "200")
row("page, then post, then page", get() + post() + get(), "200 200 200")
row("absolute form", get(b"http://localhost/healthz"), "200", "RFC 9112, 3.2.2: servers must accept it")
row("absolute form, post", post(line=b"POST http://localhost/mcp HTTP/1.1"), "200")
row("absolute form, scheme in capitals", get(b"HTTP://localhost/healthz"), "200")
row("host in capitals", get(host=b"LOCALHOST"), "200")
row("host with port", post(changes={"Host": "localhost:8080"}), "200")
row("host is IPv4 loopback", post(changes={"Host": "127.0.0.1"}), "200")
row("host is IPv6 loopback", post(changes={"Host": "[::1]:99"}), "200")
row("field names in any case", post(changes={"Host": None, "Content-Type": None},
                                    extra=[b"hOST: localhost", b"CONTENT-TYPE: application/json"]), "200")
row("blanks around values", post(changes={"Content-Type": " \t application/json \t "}), "200")
row("empty line before the request", CRLF + post(), "200", "RFC 9112, 2.2: should be ignored")
row("http 1.0, page", get(version=b"HTTP/1.0"), "200 close")
row("http 1.0, kept alive", get(version=b"HTTP/1.0", extra=[b"Connection: keep-alive"]), "200|200 close")
row("http 1.0 without host, page", get(version=b"HTTP/1.0", host=None), "200 close", "old health checks")
row("connection: close", post(extra=[b"Connection: close"]), "200 close")
row("connection: close, canary behind", post(extra=[b"Connection: close"]) + CANARY, "200 close")
row("chunked", chunked(), "200 close", "a chunked request ends its connection")
row("chunked in small chunks", chunked(b"".join(chunk(BODY[i:i + 7]) for i in range(0, len(BODY), 7)) + b"0\r\n\r\n"), "200 close")
row("chunked with extension", chunked(b"%x;name=value\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"), "200 close|400 close")
row("chunked, size in capitals and zeros", chunked(b"000%X\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"), "200 close")
row("chunked with trailer", chunked(chunk(BODY) + b"0\r\nX-Trailer: 1\r\n\r\n"), "200 close")
row("chunked, coding in capitals", post(chunk(BODY) + b"0\r\n\r\n", extra=[b"Transfer-Encoding: CHUNKED"], length=False), "200 close")
row("expect 100-continue", [post(b"", extra=[b"Expect: 100-continue", b"Content-Length: %d" % len(BODY)], length=False), 0.2, BODY],
    "100 200")
row("expect 100-continue, body sent at once", post(extra=[b"Expect: 100-continue"]), "200|100 200")
row("expect 100-continue, refused", post(b"", extra=[b"Expect: 100-continue", b"Content-Length: 99999999"], length=False), "413 close",
    "the refusal instead of the 100")
row("obs-text in an unknown field", post(extra=[b"X-Name: caf\xc3\xa9"]), "200")
row("tab inside a value", post(extra=[b"X-Name: a\tb"]), "200")
row("many fields", post(extra=[b"X-%d: %d" % (i, i) for i in range(100)]), "200")
row("large field", post(extra=[b"Authorization: Bearer " + b"t" * 8000]), "200")
row("body of the largest size", post(BODY[:-1] + b" " * (MAX_PAYLOAD - len(BODY)) + b"}"), "200")
row("unicode host is not ours", get(host=b"localhost\xc3\xa9"), "400 close")

# ---- chopped ---------------------------------------------------------------------------------------------------------------
row("byte by byte", byte_by_byte(post()), "200")
row("byte by byte, chunked", byte_by_byte(chunked()), "200 close")
row("byte by byte, pipelined", byte_by_byte(get() + get()), "200 200")
for number, pieces in enumerate(halves(post())):
    row(f"post cut in two, {number}", pieces, "200")
for number, pieces in enumerate(halves(chunked())):
    row(f"chunked cut in two, {number}", pieces, "200 close")
row("second head cut in two", [post() + b"GET /hea", 0.1, b"lthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], "200 200")
row("second head cut in its fields", [post() + b"GET /healthz HTTP/1.1\r\nHo", 0.1, b"st: localhost\r\n\r\n"], "200 200")
row("first head in three, no stream", [b"G", 0.05, b"ET /healthz HTTP/1.1\r\n", 0.05, b"Host: localhost\r\n\r\n"], "200")

# ---- the request line ------------------------------------------------------------------------------------------------------
for name, line in {
    "two blanks": b"GET  /healthz HTTP/1.1", "tab": b"GET\t/healthz\tHTTP/1.1", "no version": b"GET /healthz", "no target": b"GET HTTP/1.1",
    "three blanks": b"GET /healthz x HTTP/1.1", "lower-case version": b"GET /healthz http/1.1", "method with colon": b"GE:T /healthz HTTP/1.1",
    "version 1.10": b"GET /healthz HTTP/1.10", "version 01.1": b"GET /healthz HTTP/01.1", "version 2.0": b"GET /healthz HTTP/2.0",
    "version 0.9": b"GET /healthz HTTP/0.9", "version 3": b"GET /healthz HTTP/3", "version x": b"GET /healthz HTTP/x.y", "junk after version": b"GET /healthz HTTP/1.1x",
    "blank at the front": b" GET /healthz HTTP/1.1", "blank at the end": b"GET /healthz HTTP/1.1 ", "CR in the target": b"GET /heal\rthz HTTP/1.1",
    "NUL in the target": b"GET /heal\x00thz HTTP/1.1", "NUL in the method": b"G\x00ET /healthz HTTP/1.1", "vertical tab": b"GET\x0b/healthz HTTP/1.1",
    "form feed": b"GET /healthz\x0cHTTP/1.1", "fragment": b"GET /healthz#x HTTP/1.1", "no slash": b"GET healthz HTTP/1.1", "backslash": b"GET \\healthz HTTP/1.1",
    "high bytes": b"GET /healthz\xff HTTP/1.1", "DEL": b"GET /healthz\x7f HTTP/1.1",
}.items():
    row(f"request line: {name}", line + CRLF + b"Host: localhost" + CRLF + CRLF + CANARY, "400 close|505 close|close")
row("request line: bare LF", b"GET /healthz HTTP/1.1\nHost: localhost\n\n", "400 close|200|200 close", "RFC 9112, 2.2 lets a server take it")
row("request line: CR alone", b"GET /healthz HTTP/1.1\rHost: localhost\r\r", "400 close|close|408 close")
row("request line: very long", get(b"/" + b"a" * 40000), "414 close|431 close|400 close|404 close")
row("request line: long query", get(b"/healthz?" + b"q" * 4000), "200")
row("request line: long method", get(method=b"A" * 5000), "400 close|405 close|501 close")
row("target: asterisk", get(b"*"), "400 close")
row("target: asterisk of OPTIONS", get(b"*", method=b"OPTIONS"), "400 close|405 close")
row("target: authority of CONNECT", get(b"localhost:80", method=b"CONNECT") + CANARY, "405 close")
row("target: authority of GET", get(b"localhost:80"), "400 close")
row("target: absolute with user", get(b"http://me@localhost/healthz"), "400 close")
row("target: absolute, foreign host", post(line=b"POST http://evil.example/mcp HTTP/1.1"), "403 close", "counts instead of Host")
row("target: absolute ours, Host foreign", post(line=b"POST http://localhost/mcp HTTP/1.1", changes={"Host": "evil.example"}), "200",
    "RFC 9112, 3.2.2: Host is ignored")
row("target: ftp", get(b"ftp://localhost/healthz"), "400 close")
row("target: empty host", get(b"http:///healthz"), "400 close")
row("target: percent-encoded path is another path", get(b"/%68ealthz"), "404 close")
row("target: NUL encoded", get(b"/healthz%00"), "404 close|400 close")
row("target: dot segments", get(b"/x/../healthz"), "404 close", "not resolved: nothing is there")
row("target: bad percent", get(b"/healthz%zz"), "404 close|400 close")
row("target: double slash", get(b"//healthz"), "404 close")
row("target: trailing slash", post(line=b"POST /mcp/ HTTP/1.1"), "404 close")
row("target: other case", get(b"/HEALTHZ"), "404 close")

# ---- methods ---------------------------------------------------------------------------------------------------------------
for method in (b"PUT", b"PATCH", b"HEAD", b"OPTIONS", b"PROPFIND", b"post", b"BREW"):
    row(f"method {method.decode()} of mcp", get(b"/mcp", method=method), "405 close", "with Allow")
row("method POST of a page", post(line=b"POST /healthz HTTP/1.1"), "405 close")
row("method TRACE", get(method=b"TRACE"), "405 close")
row("method CONNECT, absolute", get(b"http://localhost/", method=b"CONNECT"), "405 close")
row("http 2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 close|505 close|close")
row("tls hello", bytes.fromhex("16030100a5010000a10303") + bytes(range(150)), "400 close|close|408 close")
row("noise", bytes((i * 7919 + 13) % 256 for i in range(2000)), "400 close|close|408 close")
row("newlines only", CRLF * 50, "400 close|close|408 close")
row("nothing but NULs", b"\x00" * 200, "400 close|close|408 close")

# ---- Host ------------------------------------------------------------------------------------------------------------------
row("host missing", get(host=None), "400 close")
row("host missing, post", post(changes={"Host": None}), "400 close")
row("host twice", post(extra=[b"Host: localhost"]), "400 close", "the same twice, too")
row("host twice, different", post(extra=[b"Host: evil.example"]), "400 close")
row("host empty", post(changes={"Host": ""}), "400 close")
for name, value in {
    "blank inside": "local host", "comma": "localhost, evil.example", "path": "localhost/mcp", "user": "me@localhost", "port letters": "localhost:http",
    "port too large": "localhost:70000", "two ports": "localhost:80:80", "empty port": "localhost:", "open bracket": "[::1", "close bracket": "::1]",
    "IPv6 bare": "::1", "scheme": "http://localhost", "question mark": "localhost?x", "percent": "local%68ost",
}.items():
    row(f"host malformed: {name}", post(changes={"Host": value}) + CANARY, "400 close")
for name, value in {
    "foreign": "evil.example", "prefix": "localhost.evil.example", "suffix": "evil-localhost", "decimal loopback": "2130706433", "short loopback": "127.1",
    "trailing dot": "localhost.", "other loopback": "127.0.0.2", "zero": "0.0.0.0", "mapped": "[::ffff:127.0.0.1]",
}.items():
    row(f"host not ours: {name}", post(changes={"Host": value}) + CANARY, "403 close")
row("http 1.0 without host, mcp", post(changes={"Host": None}, line=b"POST /mcp HTTP/1.0"), "403 close")

# ---- Origin ----------------------------------------------------------------------------------------------------------------
for name, value, expected in (
        ("loopback", "http://localhost:3000", "200"), ("loopback https", "https://127.0.0.1", "200"), ("loopback IPv6", "http://[::1]:80", "200"),
        ("foreign", "http://evil.example", "403 close"), ("null", "null", "403 close"), ("prefix", "http://localhost.evil.example", "403 close"),
        ("no scheme", "localhost", "403 close"), ("other scheme", "file://localhost", "403 close"), ("empty", "", "403 close"),
        ("with path", "http://localhost/x", "403 close"), ("user", "http://localhost@evil.example", "403 close"), ("list", "http://localhost, http://evil.example", "403 close")):
    row(f"origin: {name}", post(changes={"Origin": value}), expected)
row("origin twice", post(extra=[b"Origin: http://localhost", b"Origin: http://localhost"]), "400 close")
row("preflight", get(b"/mcp", method=b"OPTIONS", extra=[b"Origin: http://localhost:5173", b"Access-Control-Request-Method: POST"]), "204")
row("preflight, foreign", get(b"/mcp", method=b"OPTIONS", extra=[b"Origin: http://evil.example", b"Access-Control-Request-Method: POST"]), "403 close")

# ---- fields ----------------------------------------------------------------------------------------------------------------
for name, line in {
    "blank before colon": b"X-Field : 1", "no colon": b"X-Field", "empty name": b": 1", "blank in name": b"X Field: 1", "tab in name": b"X\tField: 1",
    "control in name": b"X\x01Field: 1", "NUL in value": b"X-Field: a\x00b", "control in value": b"X-Field: a\x01b", "DEL in value": b"X-Field: a\x7fb", "CR in value": b"X-Field: a\rb",
    "high byte in name": b"X\xe9: 1", "bracket in name": b"X[1]: 1", "comma in name": b"X,Y: 1", "slash in name": b"X/Y: 1", "folded": b"X-Field: a\r\n b", "folded at once": b" X-Field: a",
    "at sign in name": b"X@Y: 1", "quote in name": b'X"Y": 1', "semicolon in name": b"X;Y: 1",
}.items():
    row(f"field: {name}", post(extra=[line]) + CANARY, "400 close|close")
row("field: first line folded", b"POST /mcp HTTP/1.1\r\n Host: localhost\r\nContent-Length: 0\r\n\r\n" + CANARY, "400 close|close")
row("field: bare LF ends", post(extra=[b"X-Field: 1\nContent-Length: 0"]) + CANARY, "400 close|close|200 404 close", "one length or none, never two")
row("fields: too large", post(extra=[b"X-Field: " + b"x" * 40000]), "431 close|413 close|400 close")
row("fields: too many", post(extra=[b"X-%d: 1" % i for i in range(4000)]), "431 close|413 close|400 close")
for field in ("MCP-Protocol-Version", "Mcp-Method", "Content-Type"):
    row(f"field twice: {field}", post(extra=[field.encode() + b": " + FIELDS[field].encode()]) + CANARY, "400 close")
row("field twice: Mcp-Name", post(extra=[b"Mcp-Name: a", b"Mcp-Name: b"]) + CANARY, "400 close")
row("field twice: Mcp-Session-Id", post(extra=[b"Mcp-Session-Id: a", b"Mcp-Session-Id: b"]) + CANARY, "400 close")
row("field twice: Accept", post(changes={"Accept": "application/json"}, extra=[b"Accept: text/event-stream"]), "200", "a list: two lines are one")

# ---- framing: where the body ends --------------------------------------------------------------------------------------------
SMUGGLED = b"0\r\n\r\n" + CANARY
row("smuggle: CL and TE", post(SMUGGLED, extra=[b"Transfer-Encoding: chunked"]), "400 close")
row("smuggle: TE and CL", post(SMUGGLED, extra=[b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(SMUGGLED)], length=False), "400 close")
row("smuggle: TE and CL 0", post(b"0\r\n\r\n", extra=[b"Content-Length: 0", b"Transfer-Encoding: chunked"], length=False) + CANARY, "400 close")
row("smuggle: two CL", post(BODY, extra=[b"Content-Length: 0"]) + CANARY, "400 close")
row("smuggle: two equal CL", post(BODY, extra=[b"Content-Length: %d" % len(BODY)]) + CANARY, "400 close")
row("smuggle: CL list", post(BODY, extra=[b"Content-Length: %d, %d" % (len(BODY), len(BODY))], length=False) + CANARY, "400 close")
for name, value in {
    "plus": b"+%d", "minus": b"-%d", "blank inside": b"%d 1", "hex": b"0x%x", "point": b"%d.0", "exponent": b"%de0", "letters": b"%dabc", "octal look": b"0%d",
    "comma": b"%d,", "quotes": b'"%d"', "semicolon": b"%d;",
}.items():
    expected = "200" if name == "octal look" else "400 close"
    row(f"length: {name}", post(BODY, extra=[b"Content-Length: " + value % len(BODY)], length=False) + (b"" if expected == "200" else CANARY), expected)
row("length: empty", post(b"", extra=[b"Content-Length:"], length=False) + CANARY, "400 close")
row("length: 2^64", post(BODY, extra=[b"Content-Length: 18446744073709551616"], length=False) + CANARY, "400 close|413 close")
row("length: 2^64 + real", post(BODY, extra=[b"Content-Length: %d" % (2**64 + len(BODY))], length=False) + CANARY, "400 close|413 close")
row("length: 2^63", post(BODY, extra=[b"Content-Length: 9223372036854775808"], length=False) + CANARY, "400 close|413 close")
row("length: 100 digits", post(BODY, extra=[b"Content-Length: " + b"9" * 100], length=False) + CANARY, "400 close|413 close")
row("length: leading zeros", post(BODY, extra=[b"Content-Length: %s%d" % (b"0" * 40, len(BODY))], length=False) + CANARY, "400 close|200 404 close")
row("length: missing, body behind", post(BODY, length=False), "400 close|400 400 close|411 close", "the body is read as the next request")
row("length: on a GET, canary inside", get(b"/healthz", extra=[b"Content-Length: %d" % len(CANARY)]) + CANARY, "200|200 close|400 close", "the canary is the body")
row("length: blank before colon", b"POST /mcp HTTP/1.1\r\n" + fields() + b"Content-Length : 5\r\n\r\n" + CANARY, "400 close|close")
row("length: underscore", post(BODY, extra=[b"Content_Length: 0"]), "200", "another field, ours to ignore")
for name, value in {
    "gzip, chunked": b"gzip, chunked", "chunked, gzip": b"chunked, gzip", "identity": b"identity", "x": b"xchunked", "chunked twice": b"chunked, chunked", "empty": b"",
    "quoted": b'"chunked"', "parameter": b"chunked;q=1", "vertical tab": b"\x0bchunked", "comma": b"chunked,", "leading comma": b",chunked", "split": b"chun ked",
    "semicolon": b"chunked;", "NUL": b"chunked\x00",
}.items():
    row(f"coding: {name}", post(SMUGGLED, extra=[b"Transfer-Encoding: " + value], length=False), "400 close|501 close|close")
row("coding: two lines", post(SMUGGLED, extra=[b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], length=False), "400 close|501 close")
row("coding: two lines, identity first", post(SMUGGLED, extra=[b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"], length=False), "400 close|501 close")
row("coding: blank before colon", post(SMUGGLED, extra=[b"Transfer-Encoding : chunked"]), "400 close|close")
row("coding: folded", post(SMUGGLED, extra=[b"Transfer-Encoding:\r\n chunked"]), "400 close|close")
row("coding: after a bare LF", post(SMUGGLED, extra=[b"X: y\nTransfer-Encoding: chunked"]), "400 close|close")
row("coding: in http 1.0", post(SMUGGLED, extra=[b"Transfer-Encoding: chunked"], length=False, line=b"POST /mcp HTTP/1.0"), "400 close")
row("coding: prefixed name", post(BODY, extra=[b"X-Transfer-Encoding: chunked"]), "200")
row("coding: trailing blanks", post(chunk(BODY) + b"0\r\n\r\n", extra=[b"Transfer-Encoding: chunked \t "], length=False), "200 close|400 close|501 close")

# ---- chunks ----------------------------------------------------------------------------------------------------------------
for name, raw in {
    "size of letters": b"xyz\r\n" + CANARY, "size empty": b"\r\n" + CANARY, "size negative": b"-1\r\n" + CANARY, "size plus": b"+5\r\nhello\r\n0\r\n\r\n", "size 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with blank before": b" 5\r\nhello\r\n0\r\n\r\n", "size of 17 digits": b"10000000000000005\r\nhello\r\n0\r\n\r\n", "size of 2^64 - 1": b"ffffffffffffffff\r\n" + CANARY,
    "size ended by CR": b"5\rhello\r\n0\r\n\r\n", "size with comma": b"5,\r\nhello\r\n0\r\n\r\n", "data too long": b"5\r\nhello!\r\n0\r\n\r\n" + CANARY, "data without CRLF": b"5\r\nhello0\r\n\r\n" + CANARY,
    "data ended by LF": b"5\r\nhello\n0\r\n\r\n" + CANARY, "size ended by LF": b"5\nhello\r\n0\r\n\r\n" + CANARY, "size with tab": b"5\t\r\nhello\r\n0\r\n\r\n",
    "NUL in the size": b"5\x00\r\nhello\r\n0\r\n\r\n", "extension of LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n" + CANARY,
}.items():
    late = "|408 close" if name == "size of 2^64 - 1" else ""  # no more than a chunk that does not end
    row(f"chunk: {name}", chunked(raw), "400 close|413 close|close" + late)
row("chunk: canary behind the end", chunked() + CANARY, "200 close", "nothing is read after a chunked request")
row("chunk: trailer smuggles a length", chunked(chunk(BODY) + b"0\r\nContent-Length: 50\r\n\r\n") + CANARY, "200 close|400 close")
row("chunk: trailer without colon", chunked(chunk(BODY) + b"0\r\nX\r\n\r\n") + CANARY, "200 close|400 close|close")
row("chunk: huge extension", chunked(b"5;" + b"e" * 40000 + b"\r\nhello\r\n0\r\n\r\n"), "400 close|413 close|431 close|408 close|close", "once stopped a library for good")
row("chunk: huge trailer", chunked(chunk(BODY) + b"0\r\nX: " + b"t" * 40000 + b"\r\n\r\n"), "400 close|413 close|431 close|close")
row("chunk: empty body", chunked(b"0\r\n\r\n"), "400 close")
row("chunk: crosses the limit", chunked(chunk(b" " * 30000) * 3 + b"0\r\n\r\n"), "413 close")
row("chunk: one that announces more than the limit", chunked(b"100000\r\n" + b" " * MAX_PAYLOAD + b" " * 100), "413 close")
row("chunk: a million of one byte", chunked(b"1\r\n \r\n" * (MAX_PAYLOAD + 1) + b"0\r\n\r\n"), "413 close")

# ---- size and media --------------------------------------------------------------------------------------------------------
row("payload: one byte too long", post(b" " * (MAX_PAYLOAD + 1)), "413 close")
row("payload: announced only", post(b"", extra=[b"Content-Length: %d" % (MAX_PAYLOAD + 1)], length=False), "413 close")
row("payload: gigabytes announced", post(b"", extra=[b"Content-Length: 99999999999"], length=False), "413 close")
row("payload: empty", post(b""), "400", "no JSON")
row("payload: not JSON", post(b"hello"), "400")
row("payload: bad UTF-8", post(b'{"jsonrpc":"2.0","id":1,"method":"\xff"}'), "400")
for name, value, expected in (
        ("missing", None, "415 close"), ("text/plain", "text/plain", "415 close"), ("form", "application/x-www-form-urlencoded", "415 close"), ("json prefix", "application/jsonx", "415 close"),
        ("with charset", "application/json; charset=utf-8", "200"), ("with other charset", "application/json; charset=utf-16", "415 close"), ("capitals", "Application/JSON", "200"),
        ("list", "application/json, text/plain", "415 close"), ("empty", "", "415 close"), ("quoted charset", 'application/json;charset="UTF-8"', "200")):
    row(f"content-type: {name}", post(changes={"Content-Type": value}), expected)
for name, value, expected in (
        ("missing", None, "200"), ("anything", "*/*", "200"), ("json only", "application/json", "406 close"), ("sse only", "text/event-stream", "406 close"), ("html", "text/html", "406 close"),
        ("q=0", "application/json;q=0, text/event-stream;q=0", "406 close"), ("anything but", "*/*, application/json;q=0, text/event-stream;q=0", "406 close"), ("application/*", "application/*", "406 close"), ("both by ranges", "application/*, text/*;q=0.1", "200"),
        ("capitals and q", "Text/Event-Stream, Application/Json;Q=0.5", "200"), ("empty", "", "406 close"), ("quoted comma", 'text/html;x="a,application/json"', "406 close")):
    row(f"accept: {name}", post(changes={"Accept": value}), expected)
row("accept of GET: json only", get(b"/mcp", extra=[b"Accept: application/json"]), "406 close")
row("get without session", get(b"/mcp", extra=[b"Accept: text/event-stream"]), "400|405|400 close|405 close")
row("delete without session", get(b"/mcp", method=b"DELETE"), "400|405")

# ---- time ------------------------------------------------------------------------------------------------------------------
LATE = HEAD_TIMEOUT * 3
row("late: nothing is sent", [LATE], "close", "no request, so no answer")
row("late: half a method", [b"PO", LATE], "408 close")
row("late: half a head", [b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n", LATE], "408 close")
row("late: dripped head", byte_by_byte(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 60, 0.05), "408 close", "each byte starts no new limit")
row("late: dripped large head", [b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 6000, *byte_by_byte(b"z" * 60, 0.05)], "408 close", "past the peeked part")
row("late: half a second head", [post() + b"GET /hea", LATE], "200 408 close")
row("late: half a second request line, later", [post(), 0.3, b"GET /hea", LATE], "200 408 close")
row("late: second head, after a rest", [post(), 1.2, b"GET /healthz HTTP/1.1\r\n", LATE], "200 408 close")
row("late: second head dripped after a rest", [post(), 1.2, *byte_by_byte(b"GET /healthz HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", 0.05)], "200 408 close")
row("late: no body", [post(b"", extra=[b"Content-Length: 10"], length=False), LATE], "408 close")
row("late: half a body", [post()[:-5], LATE], "408 close")
row("late: dripped body", [post(b"", extra=[b"Content-Length: 100"], length=False), *byte_by_byte(b" " * 60, 0.05)], "408 close")
row("late: half a chunk", [chunked(b"100\r\nhello"), LATE], "408 close")
row("late: no last chunk", [chunked(chunk(BODY)), LATE], "408 close")
row("late: idle", [post(), 4], "200 close", "a kept-alive connection without a request")
row("late: idle after a page", [get(), 4], "200 close")
row("rest, then another", [post(), 1.3, post()], "200 200", "idle, but not for too long")
