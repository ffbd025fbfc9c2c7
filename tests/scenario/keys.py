"""API keys for tests: what a configuration says of them, and how they are shown."""
import hashlib

ALICE, BOB, MALLORY = "alice-0123456789abcdef", "bob-0123456789abcdef", "mallory-0123456789abcdef"


def row(name, key, scopes=()):
    """An entry of auth.api_keys."""
    return f"{{name: {name}, sha256: {hashlib.sha256(key.encode()).hexdigest()}, scopes: [{', '.join(scopes)}]}}"


def rows(**keys):
    return "[" + ", ".join(row(name, key) for name, key in keys.items()) + "]"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def x_api_key(key):
    return {"X-API-Key": key}
