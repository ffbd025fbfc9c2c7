"""A dictionary attack from one address: ten guesses a minute are looked at, the rest is told 429 before that; who has shown a good
key, there or elsewhere, does not notice."""
import hashlib

from stress import http_call, run

KEY = "a-good-key-of-this-test"
CONFIG = f"""
auth: {{required: true, api_keys: [{{name: ci, sha256: "{hashlib.sha256(KEY.encode()).hexdigest()}"}}]}}
limits: {{auth_attempts: {{per_minute: 10, burst: 10}}}}
"""


def main(stress):
    stress.needs("auth.api_keys")
    seconds, rate = (3, 300) if stress.quick else (20, 1000)
    good = http_call(fields=[f"Authorization: Bearer {KEY}"])
    bad = http_call(fields=["Authorization: Bearer guess-##########"])
    with stress.gateway(CONFIG) as weir:
        stress.check(stress.calls(weir, good, connections=1, count=5)["results"] == 5, "a good key is not served")
        control = stress.calls(weir, good, connections=4, rate=200, seconds=2)
        with stress.beside(weir, good) as same, stress.beside(weir, good, sources=50) as others:
            found = stress.calls(weir, bad, connections=16, rate=rate, seconds=seconds, reconnect=1)
        looked, limited = found["statuses"].get("401", 0), found["statuses"].get("429", 0)
        allowed = 10 + seconds // 6 + 1
        stress.check(0 < looked <= allowed, f"{looked} guesses were looked at, {allowed} may be")
        stress.check(limited == found["answered"] - looked, f"answers: {found['statuses']}")
        stress.check(found["results"] == 0, "a guess was let in")
        stress.right(found)
        worst = max(stress.judge_beside(same, control, "at the attacker's address"),
                    stress.judge_beside(others, control, "at other addresses"))
        stress.figure(looked_at=looked, limited=limited, others_p95_ms=worst)
    return (f"{found['sent']:,} guesses from one address, {rate:,} a second, beside good keys there and from 50 addresses",
            f"{looked} looked at, {limited:,} told 429; p95 of the good {worst:.1f} ms")


run(main, 15, "dictionary attack")
