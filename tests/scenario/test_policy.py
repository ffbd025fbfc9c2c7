"""The policy from outside: what is hidden is hidden on every front, in both eras and at each endpoint; weir explain says why."""
import asyncio
import http.client
import json
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import client
from keys import row
from transports import Failed, Http, Peer, WebSocket
from weir_process import WeirProcess, binary

TOOLS = "".join(f"  - {{name: 'tool_{number}', run: ['true']}}\n" for number in range(30))
POLICY = """
listen:
  - {address: '127.0.0.1:0'}
  - {address: '127.0.0.1:0', path: /inner}
page_size: 4
policy:
  - name: everybody
    allow: {tools: ["echo", "tool_?"], prompts: []}
    deny: {tools: [tool_3]}
  - name: inside
    endpoints: [/inner]
    allow: {tools: ["*"], resources: ["weir://*"], prompts: ["*"]}
commands:
""" + TOOLS
OUTSIDE = ["echo"] + [f"tool_{number}" for number in range(10) if number != 3]


class Everywhere(unittest.TestCase):
    def test_hidden_on_every_front_in_both_eras(self):
        async def use(weir, transport, modern):
            async with Peer(transport(weir.host, weir.port, weir.path), modern) as peer:
                tools, pages = await peer.list_all("tools/list", "tools")
                self.assertEqual(sorted(tool["name"] for tool in tools), sorted(OUTSIDE))
                self.assertEqual(pages, 3)  # 4, 4, 2: full ones
                self.assertEqual((await peer.request("prompts/list"))["prompts"], [])
                self.assertEqual((await peer.request("resources/list"))["resources"], [])
                await peer.call("echo", {"message": "hello"})
                await peer.call("tool_1")
                for hidden in "time", "tool_3", "tool_10", "no_such":
                    with self.assertRaises(Failed) as refused:
                        await peer.call(hidden)
                    self.assertEqual(refused.exception.error, {"code": -32602, "message": f"Unknown tool: {hidden}"})
                with self.assertRaises(Failed) as refused:
                    await peer.request("resources/read", {"uri": "weir://about"})
                with self.assertRaises(Failed) as unknown:
                    await peer.request("resources/read", {"uri": "weir://abouu"})
                self.assertEqual(refused.exception.error, {**unknown.exception.error, "data": {"uri": "weir://about"}})

        with WeirProcess(POLICY) as weir:
            for transport in Http, WebSocket:
                for modern in False, True:
                    with self.subTest(transport=transport.__name__, modern=modern):
                        asyncio.run(use(weir, transport, modern))
            self.assertEqual([line["name"] for line in weir.logs("audit_denied")][:4], ["time", "tool_3", "tool_10", "weir://about"])
            self.assertEqual(weir.logs("audit_denied")[1]["rule"], "everybody")

    def test_endpoints(self):
        async def use(port):
            async with Peer(Http("127.0.0.1", port, "/inner"), True) as peer:
                tools, _ = await peer.list_all("tools/list", "tools")
                names = [tool["name"] for tool in tools]
                self.assertIn("time", names)
                self.assertNotIn("tool_3", names)  # denied there, too
                self.assertEqual(len((await peer.request("resources/list"))["resources"]), 1)
                await peer.request("resources/read", {"uri": "weir://about"})

        with WeirProcess(POLICY) as weir:
            asyncio.run(use(weir.ports[1]))

    def test_lists_are_private_and_cursors_opaque(self):
        with WeirProcess(POLICY) as weir:
            page = client.result(weir, "tools/list")
            self.assertEqual(page["cacheScope"], "private")
            again = client.result(weir, "tools/list")
            self.assertNotEqual(page["nextCursor"], again["nextCursor"])  # sealed anew: equal places do not look equal
            following = client.result(weir, "tools/list", {"cursor": page["nextCursor"]})
            self.assertEqual([tool["name"] for tool in following["tools"]],
                             [tool["name"] for tool in client.result(weir, "tools/list", {"cursor": again["nextCursor"]})["tools"]])
            status, message = client.post(weir, "tools/list", {"cursor": page["nextCursor"][:-4] + "AAAA"})
            self.assertEqual(message["error"]["code"], -32602, (status, message))

    def test_a_reload_is_announced(self):
        async def use(weir):
            async with Peer(Http(weir.host, weir.port, weir.path), True) as peer:
                await peer.begin("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                await peer.wait_notification("notifications/subscriptions/acknowledged")
                weir.config_path.write_text(POLICY.replace('"tool_?"', '"tool_1*"'))
                weir.signal(signal.SIGHUP)
                await peer.wait_notification("notifications/tools/list_changed")
                tools, _ = await peer.list_all("tools/list", "tools")
                self.assertEqual(len(tools), 12)
                await peer.call("tool_10")

        with WeirProcess(POLICY) as weir:
            asyncio.run(use(weir))


CI, ADMIN = "key-of-ci-0123456789", "key-of-admin-0123456789"
KEYS = f"""
listen: [{{address: '127.0.0.1:0'}}]
auth:
  api_keys:
    - {row('ci', CI, ['read'])}
    - {row('admin', ADMIN, ['read', 'write'])}
policy:
  - name: anybody
    allow: {{tools: [echo]}}
  - name: ci
    who: {{keys: [ci]}}
    allow: {{resources: ["weir://*"]}}
  - name: writers
    who: {{scopes: [write]}}
    allow: {{tools: [time]}}
"""


class Keys(unittest.TestCase):
    """Who lacks a scope is told which; who has shown nothing is told nothing."""

    def test_callers_on_every_front_in_both_eras(self):
        async def use(weir, transport, modern, secret, tools, resources, refused):
            fields = {"Authorization": f"Bearer {secret}"} if secret else {}
            async with Peer(transport(weir.host, weir.port, weir.path, fields=fields), modern) as peer:
                listed, _ = await peer.list_all("tools/list", "tools")
                self.assertEqual(sorted(tool["name"] for tool in listed), tools)
                listed, _ = await peer.list_all("resources/list", "resources")
                self.assertEqual(len(listed), resources)
                if not refused:
                    await peer.call("time")
                    return
                with self.assertRaises(Failed) as answer:
                    await peer.call("time")
                self.assertEqual(answer.exception.code, refused)
                self.assertEqual("write" in str(answer.exception), refused == 403)

        with WeirProcess(KEYS) as weir:
            for transport in Http, WebSocket:
                for modern in False, True:
                    for row in [(None, ["echo"], 0, -32602), (CI, ["echo"], 1, 403), (ADMIN, ["echo", "time"], 0, None)]:
                        with self.subTest(transport=transport.__name__, modern=modern, caller=row[0]):
                            asyncio.run(use(weir, transport, modern, *row))
            weir.stop()
            lines = [line for line in weir.logs("request") if line.get("name") == "time"]
            self.assertEqual([(line["subject"], line["proof"], line["outcome"]) for line in lines],
                             [("", "anonymous", "error"), ("ci", "api_key", "refused"), ("admin", "api_key", "ok")] * 4)
            self.assertEqual({(line["subject"], line["why"], line["rule"]) for line in weir.logs("audit_denied")},
                             {("", "not allowed", ""), ("ci", "scope missing", "writers")})
            self.assertEqual({line["subject"] for line in weir.logs("audit_authenticated")}, {"ci", "admin"})

    def test_the_status_names_the_scope(self):
        with WeirProcess(KEYS) as weir:
            connection = http.client.HTTPConnection(weir.host, weir.port, timeout=30)
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "time", "arguments": {}, "_meta": client._META}}
            connection.request("POST", weir.path, json.dumps(body), {
                "Content-Type": "application/json", "Accept": "application/json, text/event-stream", "X-API-Key": CI,
                "MCP-Protocol-Version": client.MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "time"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 403)
            self.assertIn("write", json.loads(answer.read())["error"]["message"])
            challenge = answer.getheader("WWW-Authenticate", "")
            self.assertIn('error="insufficient_scope"', challenge)
            self.assertIn('scope="write"', challenge)
            connection.close()


class Explain(unittest.TestCase):
    CONFIG = f"""
auth: {{api_keys: [{row("ci", CI, ["read"])}, {row("admin", ADMIN, ["write"])}]}}
""" + """
policy:
  - name: readers
    allow: {tools: ["read_*"], resources: ["file:///srv/*"]}
  - name: ci
    who: {keys: [ci]}
    allow: {tools: ["*"]}
    deny: {tools: [disk_format]}
  - name: writers
    who: {issuers: ["https://i.example"], scopes: [write]}
    endpoints: [/mcp]
    allow: {prompts: ["*"]}
"""

    def explain(self, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weir.yaml"
            path.write_text(self.CONFIG)
            done = subprocess.run([binary(), "explain", str(path), *arguments], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout.replace(str(path), "FILE"), done.stderr

    def test_verdicts(self):
        for arguments, status, says in [
                (["--tool", "read_a"], 0, 'allowed: rule "readers" (FILE:5:5) allows "read_*"\n'),
                (["--tool", "x"], 1, "denied: no rule for this caller allows it\n"),
                (["--key", "ci", "--tool", "x"], 0, 'allowed: rule "ci" (FILE:7:5) allows "*"\n'),
                (["--key", "ci", "--tool", "disk_format"], 1, 'denied: rule "ci" (FILE:7:5) denies "disk_format"\n'),
                (["--subject", "ci", "--tool", "x"], 1, "denied: no rule for this caller allows it\n"),
                (["--resource", "file:///srv/%2e%2e/x"], 1, "denied: no rule for this caller allows it\n"),
                (["--issuer", "https://i.example", "--subject", "s", "--prompt", "p"], 1,
                 'denied: rule "writers" (FILE:11:5) would allow it, but its scope is missing: write\n'),
                (["--issuer", "https://i.example", "--scope", "write", "--prompt", "p"], 0,
                 'allowed: rule "writers" (FILE:11:5) allows "*"\n'),
                (["--issuer", "https://i.example", "--scope", "write", "--prompt", "p", "--endpoint", "/x"], 1,
                 "denied: no rule for this caller allows it\n"),
        ]:
            with self.subTest(arguments=arguments):
                code, out, err = self.explain(*arguments)
                self.assertEqual((code, out.splitlines(True)[0], err), (status, says, ""))

    def test_usage(self):
        for arguments in [[], ["--tool"], ["--tool", "a", "--prompt", "b"], ["--key", "a", "--subject", "b", "--tool", "c"],
                          ["--nonsense", "a", "--tool", "b"], ["--proof", "magic", "--tool", "b"]]:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.explain(*arguments)[0], 2)
        done = subprocess.run([binary(), "explain", "/nowhere/at/all", "--tool", "x"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be read", done.stderr)


if __name__ == "__main__":
    unittest.main()
