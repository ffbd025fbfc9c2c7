"""An issuer of tokens, as small as can be: signs with openssl, serves its keys, and vouches for opaque tokens (RFC 7662). It can
be slow, away, and change its keys.

    with Issuer(folder) as issuer:
        issuer.config("https://gw.example/mcp")       # an entry of auth.jwt
        issuer.token(sub="alice", aud="https://gw.example/mcp")
"""
import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

CLIENT = ("gateway", "gateways-secret")


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """RS256."""

    def __init__(self, folder, kid):
        self.kid, self.path = kid, Path(folder) / f"{kid}.pem"
        self._openssl("genrsa", "-out", str(self.path), "2048")
        modulus = self._openssl("rsa", "-in", str(self.path), "-modulus", "-noout").decode().strip().split("=")[1]
        self.jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": encode(bytes.fromhex(modulus)), "e": "AQAB"}

    @staticmethod
    def _openssl(*arguments, data=None):
        return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout

    def sign(self, claims, **header):
        head = {"alg": "RS256", "kid": self.kid, "typ": "at+jwt", **header}
        text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        return text + "." + encode(self._openssl("dgst", "-sha256", "-sign", str(self.path), data=text.encode()))


class Issuer:
    def __init__(self, folder):
        self.folder = folder
        self.keys = [Key(folder, "one")]
        self.opaque = {}  # token → the members of its answer
        self.asked = []  # paths
        self.away = False
        self.gate = threading.Event()  # cleared: answers wait for it
        self.gate.set()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, value):
                issuer.asked.append(self.path)
                issuer.gate.wait(60)
                body = json.dumps(value).encode()
                try:
                    self.send(body)
                except ConnectionError:
                    pass  # whoever asked has gone away

            def send(self, body):
                self.send_response(503 if issuer.away else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer({"keys": [key.jwk for key in issuer.keys]})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                wanted = "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode()
                known = self.headers["Authorization"] == wanted and issuer.opaque.get(form["token"][0])
                self.answer({"active": True, **known} if known else {"active": False})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def config(self, audience):
        return f"{{issuer: '{self.url}', audience: '{audience}', jwks: '{self.url}/jwks'}}"

    def introspection(self, audience):
        return (f"{{issuer: '{self.url}', audience: '{audience}', introspection: '{self.url}/introspect', "
                f"client_id: {CLIENT[0]}, client_secret: {CLIENT[1]}}}")

    def claims(self, seconds=300, **claims):
        now = int(time.time())
        return {"iss": self.url, "sub": "alice", "iat": now, "exp": now + seconds, "client_id": "test", **claims}

    def token(self, key=None, seconds=300, **claims):
        return (key or self.keys[0]).sign(self.claims(seconds, **claims))

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
