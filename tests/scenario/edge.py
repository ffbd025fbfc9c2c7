"""What the scenarios of the edge share: sockets, requests as bytes, counters."""
import http.client
import json
import re
import socket
import ssl
import time

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
SECONDS = 30


def message(method="server/discover", number=1, **params):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": META}}).encode()


def request(body=None, extra=(), method="server/discover"):
    """A POST of the 2026-07-28 revision, as bytes."""
    body = message(method) if body is None else body
    lines = ["POST /mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(body)}",
             "Accept: application/json, text/event-stream", "MCP-Protocol-Version: 2026-07-28", f"Mcp-Method: {method}", *extra]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def connect(port, tls=None, name="localhost", source=""):
    connection = socket.create_connection(("127.0.0.1", port), SECONDS, (source, 0))
    return tls.wrap_socket(connection, server_hostname=name) if tls else connection


def answer(connection):
    """(status, body) of one response."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def ask(connection, **parts):
    connection.sendall(request(**parts))
    status, body = answer(connection)
    assert status == 200 and b"supportedVersions" in body, (status, body)


def read_to_end(connection):
    """All that comes until the other side closes, in whatever way."""
    received = b""
    try:
        while block := connection.recv(65536):
            received += block
    except (ConnectionError, ssl.SSLError):
        pass
    return received


def counters(weir):
    """The metrics: {'name{labels}': value}."""
    port = int(weir.logs("ready")[0]["admin"].rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.M)}


def wait_counter(weir, name, value):
    """Until that counter has that value: what it counts may be a moment behind what the client sees."""
    deadline = time.monotonic() + SECONDS
    while (found := counters(weir).get(name)) != value:
        assert found is not None and found < value and time.monotonic() < deadline, (name, found, value)
        time.sleep(0.01)


def clients(weir, count=1):
    """Of the requests so far, as a log of level debug has them."""
    weir.wait_log("request", SECONDS, count)
    return [line["client"] for line in weir.logs("request")]
