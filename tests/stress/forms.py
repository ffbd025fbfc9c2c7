"""First bytes of connections that more than one scenario sends."""
import ssl

SPICES = [b"\0", b"\xff", b"\r\n", b"\n", b"\r\n\r\n", b"{", b"[" * 3000, b"]" * 50, b'"', b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\xc0\x80",
          b"1e999999", b"-", b"99999999999999999999", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b"chunked, ",
          b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x88\x85", b"\xc1", b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n", b"\x16\x03\x01", b" ", b"\t", b":"]
PROXY_1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"
PROXY_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 80])


def client_hello():
    out = ssl.MemoryBIO()
    context = ssl._create_unverified_context()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def mutate(chance, data):
    """A few bytes changed, put in, taken out or doubled."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at, kind = chance.randrange(len(out) + 1), chance.randrange(5)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[at:at] = chance.choice(SPICES)
        elif kind == 2:
            del out[at:at + chance.randrange(1, 30)]
        elif kind == 3:
            out[at:at] = out[at:at + chance.randrange(1, 200)]
        else:
            other = chance.randrange(len(out) + 1)
            out[at:at] = out[other:other + chance.randrange(1, 60)]
    return bytes(out) or b"\0"
