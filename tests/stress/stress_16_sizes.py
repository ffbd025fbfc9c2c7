"""One byte more than a message may have, in every framing: refused as soon as it is crossed, with bounded memory."""
import contextlib
import gzip
import socket
import threading
import time
from pathlib import Path

from stress import LINES, http_call, run, wait_for
from websocket_client import TEXT, WebSocket, frame

MIB = 1024 * 1024
HEAD = (b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n")


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def send(sock, data):
    """The gateway may have had enough before the end."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)


def place(address):
    """As the kernel writes it."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"


def unread(sock):
    """Bytes that were sent and that the gateway has not read: megabytes fit into the kernel."""
    ours, its = place(sock.getsockname()), place(sock.getpeername())
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = {(row[1], row[2]): [int(size, 16) for size in row[4].split(":")] for row in rows}
    return queues.get((ours, its), (0, 0))[0] + queues.get((its, ours), (0, 0))[1]


class Wait:
    """From now on, in milliseconds: all of it, and without what the gateway and this thread waited for a processor meanwhile, which
    others of this machine may have."""

    def __init__(self, weir):
        self.pid = weir.pid
        self.queued_before, self.begun = self.queued(), time.monotonic()

    def queued(self):
        threads = [Path("/proc/thread-self/schedstat"), *Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        return sum(int(thread.read_text().split()[1]) for thread in threads) / 1e6

    def end(self):
        waited = (time.monotonic() - self.begun) * 1000
        return waited, max(0, waited - (self.queued() - self.queued_before))


def cross(weir, sock, before, last):
    """What crosses the limit is sent when the gateway has read all that came before, so that it crosses it then. The wait from there."""
    send(sock, before)
    with contextlib.suppress(OSError):  # it has closed already
        wait_for(lambda: unread(sock) == 0, "the gateway to read")
    wait = Wait(weir)
    send(sock, last)
    return wait


def answer_of(sock, wait):
    data = b""
    with contextlib.suppress(ConnectionError):
        data = sock.recv(4096)
    return data[:12], wait.end()


def announced(weir, limit):
    sock = connect(weir.port)
    wait = cross(weir, sock, b"", HEAD + b"Content-Length: %d\r\n\r\n" % (limit + 1))
    return sock, answer_of(sock, wait), b"HTTP/1.1 413"


def chunked(weir, limit):
    sock = connect(weir.port)
    wait = cross(weir, sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (limit + 1) + b" " * limit, b" ")
    return sock, answer_of(sock, wait), b"HTTP/1.1 413"


def many_chunks(weir, limit):
    sock = connect(weir.port)
    chunks = (b"10000\r\n" + b" " * 65536 + b"\r\n") * (limit // 65536)
    wait = cross(weir, sock, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, b"1\r\n \r\n")
    return sock, answer_of(sock, wait), b"HTTP/1.1 413"


def bomb(weir, limit):
    """Nobody asked for compression, so nothing is unpacked."""
    body = gzip.compress(b" " * (limit * 8), 1)[:limit - 1]
    sock = connect(weir.port)
    wait = cross(weir, sock, HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-1], body[-1:])
    return sock, answer_of(sock, wait), b"HTTP/1.1 4"


def line(weir, limit):
    sock = connect(weir.ports[1])
    wait = cross(weir, sock, b" " * limit, b" \n")
    return sock, answer_of(sock, wait), b'{"jsonrpc":"'


def websocket(weir, limit, whole):
    ws = WebSocket(weir.port, seconds=60)
    if whole:
        wait = cross(weir, ws.socket, b"", frame(TEXT, b"", length=limit + 1, form=64))
    else:
        part = frame(0, b" " * (limit // 16), fin=False)
        wait = cross(weir, ws.socket, frame(TEXT, b"", fin=False) + part * 16, frame(0, b" ", fin=False))
    code = ws.expect_close()
    return ws.socket, (b"%d" % (code or 0), wait.end()), b"1009"


def websocket_frame_of(weir, limit):
    return websocket(weir, limit, True)


def websocket_fragments(weir, limit):
    return websocket(weir, limit, False)


FORMS = [announced, chunked, many_chunks, bomb, line, websocket_frame_of, websocket_fragments]


def main(stress):
    limit, rounds = (2 * MIB, 2) if stress.quick or stress.tenth else (16 * MIB, 10)
    clients, worst, longest = 8, {}, 0
    with stress.gateway(LINES + f"limits: {{max_payload: {limit}}}\n") as weir:
        before = weir.resident_mib()
        for form in FORMS:
            for _ in range(rounds):
                sock, (said, (waited, took)), wanted = form(weir, limit)
                sock.close()
                stress.check(said.startswith(wanted), f"{form.__name__}: {said!r} instead of {wanted!r}")
                worst[form.__name__] = max(worst.get(form.__name__, 0), took)
                longest = max(longest, waited)
            stress.within(worst[form.__name__], 5, f"{form.__name__}: from crossing to the refusal")
        weir.reset_highest()
        with stress.beside(weir) as beside:
            threads = [threading.Thread(target=lambda: [form(weir, limit)[0].close() for form in FORMS]) for _ in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        stress.judge_beside(beside, stress.calls(weir, count=200), "meanwhile", 250)
        highest, bound = weir.highest_mib(), before + clients * 2.2 * limit / MIB + 16
        if not stress.tenth:
            stress.check(highest <= bound, f"{highest:.0f} MiB at most, more than {bound:.0f}")
        largest = http_call("echo", {"message": "x" * (limit - 400)})
        stress.right(stress.calls(weir, largest, connections=2, count=4), "of the largest size")
        stress.figure(highest_mib=highest, **worst)
    return (f"{limit // MIB} MiB + 1 byte in {len(FORMS)} forms, {rounds} times one by one, then {clients} clients at once",
            f"413, 1009 or an error within {max(worst.values()):.1f} ms ({longest:.1f} with waiting for a processor); "
            f"{highest:.0f} MiB at most")


run(main, 16, "message size")
