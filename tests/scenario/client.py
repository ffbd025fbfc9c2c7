"""Requests to a gateway, as small as can be: enough for scenarios that are not about the wire."""
import http.client
import itertools
import json

MODERN = "2026-07-28"
_ids = itertools.count(1)
_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "scenario", "version": "1"},
}


def post(weir, method, params=None, name=None, seconds=30, fields=None):
    """A request of the 2026-07-28 revision: (HTTP status, the JSON-RPC message that answers it)."""
    body = {"jsonrpc": "2.0", "id": next(_ids), "method": method, "params": {**(params or {}), "_meta": _META}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": MODERN, "Mcp-Method": method, **(fields or {})}
    if name:
        headers["Mcp-Name"] = name
    connection = http.client.HTTPConnection(weir.host, weir.port, timeout=seconds)
    try:
        connection.request("POST", weir.path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def result(weir, method, params=None, name=None, seconds=30):
    status, message = post(weir, method, params, name, seconds)
    assert status == 200 and "result" in message, (status, message)
    return message["result"]


def tools(weir):
    return [tool["name"] for tool in result(weir, "tools/list")["tools"]]


def call_text(weir, tool, arguments=None, seconds=30):
    """The first text of a tool's result."""
    return result(weir, "tools/call", {"name": tool, "arguments": arguments or {}}, tool, seconds)["content"][0]["text"]
