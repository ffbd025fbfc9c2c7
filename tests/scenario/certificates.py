"""Certificates for tests, made with the openssl command: an authority and what it has signed."""
import subprocess
from pathlib import Path

KEYS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


class Authority:
    """folder/NAME.pem and NAME.key for each certificate; authority.pem for those who trust it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / "authority.pem"
        self._key = self.folder / "authority.key"
        openssl("req", "-x509", *KEYS["ec"], "-nodes", "-days", 30, "-subj", "/CN=Test authority", "-keyout", self._key,
                "-out", self.path, "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def sign(self, name, alternatives="DNS:localhost,IP:127.0.0.1", key="ec", days=30, usage="serverAuth"):
        """(certificate, key), as paths. The certificate's name is `name`."""
        certificate, private, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\nbasicConstraints=critical,CA:FALSE\n"
                              f"keyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n")
        openssl("req", *KEYS[key], "-nodes", "-subj", f"/CN={name}", "-keyout", private, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self._key, "-CAcreateserial", "-days", days,
                "-extfile", extensions, "-out", certificate)
        return certificate, private
