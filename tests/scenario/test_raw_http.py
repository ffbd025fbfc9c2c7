"""Malformed, smuggling, pipelined, chopped and late requests, byte for byte (the table is raw_http.py): no wrong answer, no hang,
no second reply, and the gateway is in good health after all of it. The same behind TLS, where a request that comes whole on a
connection that has had one has a way of its own."""
import asyncio
import random
import socket
import ssl
import tempfile
import unittest
from pathlib import Path

from certificates import Authority
from raw_http import CONFIG, LISTEN, ROWS, post
from weir_process import WeirProcess

AT_ONCE = 24
HANG_SECONDS = 20
# No other request gets this answer: 405 with the Allow of a page.
PROBE = b"PUT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Response:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def is_probe(self):
        return self.status == "405" and self.fields.get(b"allow") == b"GET, HEAD"


async def read_body(reader, status, fields, head_only):
    if head_only or status[0] == "1" or status in ("204", "304"):
        return b""
    if b"content-length" in fields:
        return await reader.readexactly(int(fields[b"content-length"]))
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n", "a chunk without its end"
        assert await reader.readexactly(2) == b"\r\n", "a chunked body without its end"
        return body
    return await reader.read()


async def read_response(reader, head_only):
    """The next response, or None at the end; anything malformed raises."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        assert not error.partial, f"a cut response: {error.partial[:200]!r}"
        return None
    line, *lines = head[:-4].split(b"\r\n")
    version, status, _ = line.split(b" ", 2)
    assert version == b"HTTP/1.1" and len(status) == 3 and status.isdigit(), line
    fields = {}
    for text in lines:
        name, value = text.split(b":", 1)
        assert name.lower() not in fields, f"{name!r} twice"
        fields[name.lower()] = value.strip()
    status = status.decode()
    return Response(status, fields, await read_body(reader, status, fields, head_only))


class Attempt:
    """One connection with one row of the table. `warm`: it has had a request before."""

    def __init__(self, pieces, expected, warm=False):
        self.pieces, self.warm = pieces, warm
        alternatives = [words.split() for words in expected.split("|")]
        self.alternatives = [words if words[-1] == "close" else [*words, "open"] for words in alternatives]
        self.head_only = isinstance(pieces[0], bytes) and pieces[0].startswith(b"HEAD ")
        self.seen = []

    async def write(self, writer):
        try:
            for piece in self.pieces:
                if isinstance(piece, bytes):
                    writer.write(piece)
                    await writer.drain()
                elif piece > 0:
                    await asyncio.sleep(piece)
        except ConnectionError:
            pass  # the server has closed; what it said counts

    async def read(self, reader, writer, sent):
        probed = False
        while True:
            if [*self.seen, "open"] in self.alternatives and not probed:
                await sent
                probed = True
                writer.write(PROBE)
            try:
                response = await read_response(reader, self.head_only and not probed)
            except ConnectionResetError:
                response = None  # it closed while we were still sending
            if response is None:
                self.seen.append("close")
                return
            if probed and response.is_probe:
                self.seen.append("open")
                return
            self.seen.append(response.status)

    async def run(self, host, port, trust):
        reader, writer = await asyncio.open_connection(host, port, limit=2**20, ssl=trust, server_hostname="localhost" if trust else None)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.warm:
            writer.write(post())
            first = await read_response(reader, False)
            assert first and first.status == "200", "the first request"
        sent = asyncio.ensure_future(self.write(writer))
        try:
            await asyncio.wait_for(self.read(reader, writer, sent), HANG_SECONDS)
        except asyncio.TimeoutError:
            self.seen.append("hang")
        finally:
            sent.cancel()
            writer.close()
        return self.seen in self.alternatives


async def run_rows(host, port, rows, trust=None, warm=False):
    gate = asyncio.Semaphore(AT_ONCE)
    failures = []

    async def run_row(name, pieces, expected, comment):
        attempt = Attempt(pieces, expected, warm)
        async with gate:
            try:
                fine = await attempt.run(host, port, trust)
            except Exception as error:  # noqa: BLE001 - any malformed response is this row's failure
                attempt.seen.append(f"{type(error).__name__}: {error}")
                fine = False
        if not fine:
            failures.append(f"{name}: expected {expected}, got {' '.join(attempt.seen)} ({comment})")

    await asyncio.gather(*(run_row(*row) for row in rows))
    return failures


class RawHttp(unittest.TestCase):
    def test_table(self):
        names = [row[0] for row in ROWS]
        self.assertEqual(len(names), len(set(names)), "row names are unique")
        self.assertGreaterEqual(len(ROWS), 150)
        with WeirProcess(CONFIG) as weir:
            before = weir.descriptors()
            failures = asyncio.run(run_rows(weir.host, weir.port, ROWS))
            rows = list(ROWS)
            random.Random(1).shuffle(rows)  # once more, in another company
            failures += asyncio.run(run_rows(weir.host, weir.port, rows))
            asyncio.run(run_rows(weir.host, weir.port, ROWS[:1]))
            self.assertFalse(failures, "\n" + "\n".join(failures))
            self.assertLessEqual(weir.descriptors(), before + AT_ONCE)

    def test_table_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(Path(folder))
            certificate, key = authority.sign("gateway")
            trust = ssl.create_default_context(cafile=str(authority.path))
            listen = LISTEN.replace("}]", f", tls: {{certificate: {certificate}, key: {key}}}}}]")
            with WeirProcess(CONFIG.replace(LISTEN, listen)) as weir:
                failures = asyncio.run(run_rows(weir.host, weir.port, ROWS, trust))
                failures += asyncio.run(run_rows(weir.host, weir.port, ROWS, trust, warm=True))
                self.assertFalse(failures, "\n" + "\n".join(failures))


if __name__ == "__main__":
    unittest.main()
