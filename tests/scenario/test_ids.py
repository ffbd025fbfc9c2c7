"""Request ids come back digit for digit and with their type, or are refused with -32600; no reply carries another's."""
import json
import random
import re
import threading
import unittest

from legacy import Session
from raw_http import post
from test_http_front import LISTEN, META, Client, LISTEN_REQUEST, modern
from weir_process import WeirProcess

LEGAL = ["0", "1", "-1", "-0", "007"[2:], "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615",
         "18446744073709551616", "-9223372036854775809", "1" + "0" * 400, '""', '"1"', '"0"', '"\\u0061"', '"a\\nb"', '"\\ud83d\\ude00"', '"\u00e9\u4e2d"',
         '"\\"}],{"', '"' + "x" * 1000 + '"', '"null"', '" "', '"\\u0000"', '"\\/"']
EITHER = ["1.5", "1.0", "1e400", "1E5", "-1e-400", "0.1e1", '"' + "y" * 1000000 + '"']  # echoed as they are, or refused: never changed
REFUSED = ["null", "true", "false", "{}", "[]", "[1]", '{"id":1}']
BROKEN = ["01", "-", "+1", "1.", ".5", "0x10", "NaN", "Infinity", "'1'", "1e", '"\\ud800', '"\\x"', '"\n"', "nul", ""]
ID = re.compile(rb'^\{"jsonrpc":"2\.0","id":(.*?),"(?:result|error)":')


def message(number, legacy=False):
    meta = "" if legacy else f',"_meta":{json.dumps(META)}'
    return f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"hi"}}{meta}}}}}'.encode()


HEADERS = {"Mcp-Method": "tools/call", "Mcp-Name": "echo"}


class Forms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.weir = WeirProcess(LISTEN)
        cls.session = Session(cls.weir)

    @classmethod
    def tearDownClass(cls):
        cls.weir.stop()

    def both(self, number):
        """(era, status, body) of each."""
        client = Client(self.weir, post(message(number), HEADERS))
        status, _, body = client.response()
        yield "modern", status, body
        client.close()
        with self.session.send(message(number, legacy=True)) as reply:
            yield "legacy", reply.status, reply.response.read()

    def assertEcho(self, body, number):
        found = ID.match(body)
        self.assertIsNotNone(found, body[:200])
        self.assertEqual(found[1].decode(), number)

    def test_legal(self):
        for number in LEGAL:
            for era, status, body in self.both(number):
                with self.subTest(era=era, id=number[:40]):
                    self.assertEqual((status, '"result"' in body.decode()), (200, True), body[:200])
                    self.assertEcho(body, number)

    def test_either(self):
        for number in EITHER:
            for era, status, body in self.both(number):
                with self.subTest(era=era, id=number[:40]):
                    if status == 200 and b'"result"' in body[-200:]:
                        self.assertEcho(body, number)
                    else:
                        self.assertIn(status, (200, 400))
                        self.assertEqual(json.loads(body)["error"]["code"], -32600)

    def test_refused(self):
        for number, code in [*((number, -32600) for number in REFUSED), *((number, -32700) for number in BROKEN)]:
            for era, status, body in self.both(number):
                with self.subTest(era=era, id=number[:40]):
                    answer = json.loads(body)
                    self.assertEqual((status, answer["error"]["code"], answer.get("id")), (400, code, None))

    def test_twice_in_one_message(self):
        """Which of two would be answered? Neither."""
        for members in ('"id":1,"id":2', '"id":1,"\\u0069d":2', '"id":1,"id":1'):
            body = f'{{"jsonrpc":"2.0",{members},"method":"ping"}}'
            with self.session.send(body) as reply:
                self.assertEqual(reply.status, 400, members)
                self.assertNotIn("result", reply.json())

    def test_question_ids_that_nobody_asked(self):
        for number in ("1", '"1"', "0", "-1", '"x"', "1.5", "18446744073709551616", '"' + "x" * 100000 + '"'):
            for outcome in ('"result":{}', '"error":{"code":1,"message":"no"}'):
                with self.session.send(f'{{"jsonrpc":"2.0","id":{number},{outcome}}}') as reply:
                    self.assertLess(reply.status, 500)
        self.assertEqual(self.session.result("ping"), {})

    def test_subscription_ids(self):
        """A listen stream is tagged with the very id of its request."""
        for number in ("0", '"0"', "18446744073709551616", '"a\\u00e9\\"b"'):
            body = LISTEN_REQUEST.partition(b"\r\n\r\n")[2].replace(b'"id": 1', b'"id": ' + number.encode())
            client = Client(self.weir, post(body, {"Mcp-Method": "subscriptions/listen"}))
            self.assertEqual(client.head()[0], 200)
            data = client.event()["data"]
            self.assertIn(f'"io.modelcontextprotocol/subscriptionId":{number}', data)
            client.close()


class Duplicates(unittest.TestCase):
    def test_in_flight(self):
        """2,000 calls, eight connections, three ids: each connection's answers are its own, in order."""
        with WeirProcess(LISTEN) as weir:
            mistakes = []

            def work(number):
                client = Client(weir)
                chance = random.Random(number)
                try:
                    for turn in range(50):
                        calls = [(chance.randrange(3), f"{number}/{turn}/{i}") for i in range(5)]
                        client.send(b"".join(modern("tools/call", {"name": "echo", "arguments": {"message": text}}, "echo", key)
                                             for key, text in calls))
                        for key, text in calls:
                            answer = json.loads(client.response()[2])
                            assert (answer["id"], answer["result"]["content"][0]["text"]) == (key, text), (answer, key, text)
                except BaseException as mistake:
                    mistakes.append(mistake)
                client.close()

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(mistakes, [])


if __name__ == "__main__":
    unittest.main()
