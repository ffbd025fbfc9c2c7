"""Frames and upgrades, byte for byte (the table is websocket_cases.py), each row whole, byte by byte, in random pieces, and in the
same segment as the upgrade: the right answer, the right close code, no hang, and the gateway is in good health after all of it."""
import asyncio
import json
import random
import struct
import unittest

from weir_process import WeirProcess
from websocket_cases import CONFIG, HANDSHAKES, ROWS
from websocket_client import CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, frame, head, request

AT_ONCE = 24
HANG_SECONDS = 30
BYTEWISE_MAX = 2000
LAST_ID = 4711
LAST = frame(TEXT, request("server/discover", id=LAST_ID).encode())


async def read_head(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    fields = {}
    for line in lines[1:]:
        name, value = line.split(b":", 1)
        assert name.lower() not in fields, f"{name!r} twice"
        fields[name.lower()] = value.strip()
    return int(lines[0].split(b" ")[1]), fields


async def read_frame(reader):
    first, second = await reader.readexactly(2)
    assert not first & 0x70 and not second & 0x80, f"a bad header {first:02x} {second:02x}"
    length = second & 0x7f
    if length == 126:
        length, = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        length, = struct.unpack("!Q", await reader.readexactly(8))
    return first & 15, bool(first & 0x80), await reader.readexactly(length)


class Attempt:
    def __init__(self, port, pieces, expected, early):
        self.port, self.pieces, self.expected, self.early = port, pieces, list(expected), early
        self.closes = bool(expected) and isinstance(expected[-1], tuple) and expected[-1][0] == "close"
        self.pongs = [e[1] for e in expected if isinstance(e, tuple) and e[0] == "pong"]
        self.answers = [e for e in expected if not (isinstance(e, tuple) and e[0] in ("pong", "close"))]

    async def send(self):
        try:
            for piece in self.pieces:
                self.writer.write(piece)
                await self.writer.drain()
                await asyncio.sleep(0)
            if not self.closes:
                self.writer.write(LAST)
        except ConnectionError:
            pass

    async def message(self):
        """The next message as what `expected` calls it, or ("close", code)."""
        parts = []
        while True:
            opcode, fin, payload = await read_frame(self.reader)
            if opcode == CLOSE:
                assert len(payload) != 1 and fin
                return "close", struct.unpack("!H", payload[:2])[0] if payload else None
            if opcode == PONG:
                self.got_pongs.append(payload)
                continue
            assert opcode == (CONTINUATION if parts else TEXT), f"opcode {opcode}"
            parts.append(payload)
            if fin:
                break
        answer = json.loads(b"".join(parts).decode())
        return answer["id"] if "id" in answer else ("error", answer["error"]["code"])

    async def run(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.got_pongs = []
        try:
            self.writer.write(head() + (b"".join(self.pieces) if self.early else b""))
            if self.early:
                self.pieces = []
            status, _ = await read_head(self.reader)
            assert status == 101, status
            sending = asyncio.ensure_future(self.send())
            for wanted in self.answers:
                got = await self.message()
                assert got == wanted, f"{got} instead of {wanted}"
            got = await self.message()
            wanted = self.expected[-1] if self.closes else LAST_ID
            assert got == wanted, f"{got} instead of {wanted} at the end"
            await sending
            if self.closes:
                assert await self.rest() == b"", "bytes after the close frame"
            else:
                await self.leave()
            self.check_pongs()
        finally:
            self.writer.close()

    async def rest(self):
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""  # we were still sending

    async def leave(self):
        self.writer.write(frame(CLOSE, close_payload(1000)))
        got = await self.message()
        assert got == ("close", 1000), got
        assert await self.rest() == b""

    def check_pongs(self):
        """Only the last of many pings has to be answered; when they came in pieces, others may have been, too."""
        if self.pongs:
            assert self.got_pongs and self.got_pongs[-1] == self.pongs[-1], f"pongs {self.got_pongs}"
        else:
            assert not self.got_pongs, f"pongs {self.got_pongs}"


def ways(pieces):
    """(name, pieces, early)"""
    pieces = pieces if isinstance(pieces, list) else [pieces]
    whole = b"".join(pieces)
    yield "as it is", pieces, False
    yield "with the upgrade", pieces, True
    if len(whole) <= BYTEWISE_MAX:
        yield "byte by byte", [whole[i:i + 1] for i in range(len(whole))], False
    dice = random.Random(len(whole))
    cuts = sorted(dice.randrange(len(whole) + 1) for _ in range(6))
    yield "in random pieces", [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)]) if a < b], False


class WebSocketCases(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(CONFIG)

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    def run_all(self, attempts):
        """attempts: (name, function that makes a coroutine)"""
        async def one(name, make, gate, failures):
            async with gate:
                try:
                    await asyncio.wait_for(make(), HANG_SECONDS)
                except asyncio.TimeoutError:
                    failures.append(f"{name}: hangs")
                except (AssertionError, EOFError, ConnectionError, ValueError) as error:
                    failures.append(f"{name}: {type(error).__name__} {error}")

        async def every():
            gate, failures = asyncio.Semaphore(AT_ONCE), []
            await asyncio.gather(*[one(name, make, gate, failures) for name, make in attempts])
            return failures

        failures = asyncio.run(every())
        self.assertEqual(failures, [], "\n".join(failures))

    def test_frames(self):
        self.assertGreaterEqual(len(ROWS) + len(HANDSHAKES), 150)
        self.assertEqual(len({row[0] for row in ROWS}), len(ROWS), "a name twice")
        self.run_all([(f"{name} ({way})", lambda p=pieces, e=expected, early=early: Attempt(self.weir.port, p, e, early).run())
                      for name, data, expected in ROWS for way, pieces, early in ways(data)])
        print(f"{len(ROWS)} rows", end=" ", flush=True)

    async def handshake(self, data, expected, field):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.weir.port)
        try:
            writer.write(data)
            status, fields = await read_head(reader)
            assert status == expected, f"{status} instead of {expected}"
            if field:
                assert fields.get(field[0]) == field[1], f"{field[0]}: {fields.get(field[0])}"
            if status == 101:
                return
            body = await reader.readexactly(int(fields[b"content-length"]))
            error = json.loads(body)["error"]
            assert error["code"] == status and error["message"], error
            assert fields[b"content-type"] == b"application/json"
            assert fields[b"connection"] == b"close"
            assert await reader.read() == b"", "bytes after the refusal"
        finally:
            writer.close()

    def test_handshakes(self):
        self.run_all([(name, lambda d=data, e=expected, f=field: self.handshake(d, e, f)) for name, data, expected, field in HANDSHAKES])
        print(f"{len(HANDSHAKES)} rows", end=" ", flush=True)


if __name__ == "__main__":
    unittest.main()
