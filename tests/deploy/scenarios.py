"""What must hold behind either balancer. Each test_NAME.py says which one it is."""
import http.client
import json
import subprocess
import time

from callers import HttpCaller, Listener, Session, SseClient, WebSocketCaller, ask, connect, mark, modern, result_of, trace_of
from deployment import SECONDS, Deployment, wait_for
from edge import META
from websocket_client import PING, PONG, Closed, WebSocket, frame

CALLERS = 6
MANY = 10_000_000  # numbers that each caller has for itself
SOURCES = [f"127.0.0.{i}" for i in range(2, 14)]  # enough that each gateway has some, if addresses decide
STATE_TOOL = "test_input_required_result_request_state"
ANSWER = {"action": "accept", "content": {"ok": True}}
NOTICE_SECONDS = 5  # until a balancer that gets no word must have seen that a connection is dead
SHORT = "4s"  # a balancer's patience in the test of silence: several of its signs of life, and far less than:
SILENCE_SECONDS = 10


class Behind:
    balancer = None
    broken_off = None  # what its log says of requests that a gateway's death broke off

    def deploy(self, **how):
        deployment = Deployment(self.balancer, **how)
        self.addCleanup(deployment.close)
        return deployment

    def start(self, callers):
        for caller in callers:
            caller.start()
        return callers

    def http_callers(self, deployment):
        return self.start([HttpCaller(deployment, (i + 1) * MANY, SOURCES[i]) for i in range(CALLERS)])

    def wait_answers(self, callers, more):
        """Until each has so many answers more."""
        goals = [(caller, len(caller.answered) + more) for caller in callers]
        wait_for(lambda: all(len(caller.answered) >= goal or caller.failure for caller, goal in goals), "answers")

    def check_once(self, deployment, callers):
        """What was answered was done once; what was not, at most once."""
        marks = deployment.marks()
        self.assertEqual(len(marks), len(set(marks)), "a call was run twice")
        answered = {number for caller in callers for number in caller.answered}
        lost = {number: why for caller in callers for number, why in caller.lost.items()}
        self.assertEqual(answered - set(marks), set())
        self.assertEqual(set(marks) - answered - set(lost), set())
        return answered, lost

    def test_one_is_killed(self):
        deployment = self.deploy()
        sessions = [Session(deployment, source) for source in SOURCES]
        homes = [0 if session.at(deployment.gateways[0]) == 200 else 1 for session in sessions]
        self.assertEqual(set(homes), {0, 1}, "both gateways have sessions")
        callers = self.http_callers(deployment)
        self.wait_answers(callers, 20)
        deployment.gateways[0].kill()
        dead = time.monotonic()
        self.wait_answers(callers, 40)
        for session, home in zip(sessions, homes):
            if home == 1:
                self.assertEqual(session.call(), 200)
                continue
            self.assertEqual(session.call(), 404, "the other gateway does not know it, and says so")
            session.open()
            self.assertEqual(session.call(), 200)
        for caller in callers:
            caller.stop()
        answered, lost = self.check_once(deployment, callers)
        attempts = deployment.balancer.attempts()
        began = {number: moment for caller in callers for number, moment in caller.began.items()}
        for number, why in lost.items():
            self.assertIn(attempts.get(trace_of(number)), self.broken_off, f"{number} was not in flight on the dead gateway: {why}")
            self.assertLess(began[number] - dead, NOTICE_SECONDS, why)
        # One of each caller's was in flight; the next one may have met a listener that the kernel closed after the connections.
        self.assertLessEqual(len(lost), 2 * CALLERS)
        print(f"{len(answered)} calls answered, {len(lost)} were in flight on the gateway that was killed; "
              f"{homes.count(0)} of {len(homes)} sessions began again")
        for session in sessions:
            session.close()

    def test_rolling_restart(self):
        deployment = self.deploy()
        callers = self.http_callers(deployment)
        sockets = self.start([WebSocketCaller(deployment, (i + 101) * MANY, source) for i, source in enumerate(SOURCES[:4])])
        listeners = self.start([Listener(deployment, 0, source) for source in SOURCES[:4]])
        session = Session(deployment)
        for gateway in deployment.gateways:
            self.wait_answers(callers + sockets, 20)
            standing = session.stream()
            gateway.stop()
            if session.call() == 404:
                self.assertNotIn(b"data: {", standing.read(), "a legacy stream just ends")
                session.open()
            session.streaming.close()
            gateway.start()
            self.wait_served(deployment, gateway)
        self.wait_answers(callers + sockets, 20)
        for caller in callers + sockets + listeners:
            caller.stop()
        answered, lost = self.check_once(deployment, callers + sockets)
        self.assertEqual(lost, {})
        closes = [code for caller in sockets for code in caller.closes]
        self.assertEqual(set(closes), {1001})
        ended = sum(listener.ended for listener in listeners)
        self.assertEqual(sum(listener.opened for listener in listeners) - ended, len(listeners), "all but the last streams ended in order")
        self.assertGreaterEqual(ended, len(listeners))
        if session.call() == 404:  # by its address it belongs to the gateway that came back
            session.open()
        self.assertEqual(session.call(), 200)
        print(f"{len(answered)} calls answered over two restarts, none lost; {len(closes)} WebSockets closed with 1001, "
              f"{ended} streams with their result")

    def wait_served(self, deployment, gateway):
        """Until the balancer sends calls to the gateway again."""
        wait_for(lambda: any(line["method"] == "tools/call" for line in gateway.requests_now()), "the gateway to be used again")

    def test_sessions_at_the_wrong_gateway(self):
        deployment = self.deploy()
        session = Session(deployment)
        there = [session.at(gateway) for gateway in deployment.gateways]
        self.assertEqual(sorted(there), [200, 404])
        self.go_elsewhere(deployment, session, there.index(200))
        statuses = []
        while 404 not in statuses:
            start = time.monotonic()
            statuses.append(session.call())
            self.assertLess(time.monotonic() - start, SECONDS / 2, "it hangs")
            self.assertLess(len(statuses), 100, "it never comes to the other gateway")
        self.assertLessEqual(set(statuses), {200, 404})
        session.open()
        self.assertEqual(session.call(), 200)
        session.close()

    def go_elsewhere(self, deployment, session, home):
        """Makes the balancer send the session's requests to the gateway that does not have it."""
        raise NotImplementedError

    def call_state(self, connection, state=None, answers=None):
        params = {"name": STATE_TOOL, "arguments": {}, **({"requestState": state, "inputResponses": answers} if state else {})}
        body, fields = modern("tools/call", params, 1, STATE_TOOL)
        message = json.loads(body)
        message["params"]["_meta"] = {**META, "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}}}
        status, _, answer = ask(connection, json.dumps(message), fields)
        self.assertEqual(status, 200, answer)
        return answer["result"]

    def test_state_goes_with_the_client(self):
        deployment = self.deploy()
        connections = [connect(deployment, source) for source in SOURCES[:4]]
        for i in range(12):
            first = self.call_state(connections[i % 4])
            self.assertEqual(first["resultType"], "input_required")
            answers = {key: ANSWER for key in first["inputRequests"]}
            last = self.call_state(connections[(i + 1 + i // 4) % 4], first["requestState"], answers)
            self.assertEqual(last["resultType"], "complete")
        for connection in connections:
            connection.close()
        served = [0, 0]

        def all_logged():
            served[:] = [sum(line["name"] == STATE_TOOL for line in gateway.requests()) for gateway in deployment.gateways]
            return sum(served) == 24

        wait_for(all_logged, "the gateways' logs")
        self.assertGreater(min(served), 0, "both have served")
        one, two = (http.client.HTTPConnection("localhost", gateway.plain, timeout=SECONDS) for gateway in deployment.gateways)
        first = self.call_state(one)
        self.assertEqual(self.call_state(two, first["requestState"], {key: ANSWER for key in first["inputRequests"]})["resultType"], "complete")
        one.close(), two.close()

    def test_who_calls(self):
        """In the gateways' logs stands the client, whatever it claims to be."""
        deployment = self.deploy()
        for source in SOURCES[:4]:
            connection = connect(deployment, source)
            for number in range(3):
                body, fields = mark(number)
                lies = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
                status, answered, message = ask(connection, body, fields | lies)
                self.assertTrue(status == 200 and result_of(message, number), message)
                self.assertIn("max-age", answered["Strict-Transport-Security"])
            connection.close()
        lines = wait_for(lambda: (found := [line for gateway in deployment.gateways for line in gateway.requests()]) and len(found) == 12 and found,
                         "the gateways' logs")
        self.assertEqual(sorted({line["client"] for line in lines}), SOURCES[:4])

    def test_http_with_sse(self):
        """2024-11-05: a client's messages come to the gateway that has its stream, though no field names a session."""
        deployment = self.deploy()
        clients = [SseClient(deployment, source) for source in SOURCES]
        for client in clients:
            self.assertEqual(client.initialize()["serverInfo"]["name"], "weir")
        streams = [sum(client.source == line["client"] for client in clients for line in
                       wait_for(gateway.requests, "its log")) for gateway in deployment.gateways]
        self.assertGreater(min(streams), 0, "both gateways have some of them")
        for client in clients:
            client.close()

    def test_large_messages(self):
        deployment = self.deploy()
        connection = connect(deployment)
        text = "x" * (12 << 20)
        body, fields = modern("tools/call", {"name": "echo", "arguments": {"message": text}}, 1, "echo")
        status, _, message = ask(connection, body, fields)
        self.assertEqual((status, message["result"]["content"][0]["text"] == text), (200, True))
        connection.close()
        connection = connect(deployment)
        body, fields = modern("tools/call", {"name": "echo", "arguments": {"message": "x" * (17 << 20)}}, 1, "echo")
        try:
            status = ask(connection, body, fields)[0]
        except (ConnectionError, OSError):
            status = 413  # answered while it was still sending, and the answer went with the reset
        self.assertEqual(status, 413)
        connection.close()

    # ---- silence ----

    def silent(self, deployment):
        """A WebSocket, a modern and a legacy stream, with nothing to say."""
        ws = WebSocket(deployment.port, tls=deployment.trust)
        listening = connect(deployment)
        listening.request("POST", "/mcp", *modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
        session = Session(deployment)
        return ws, listening.getresponse(), session.stream(), session

    def test_silence_is_kept_alive(self):
        """Pings and comments come before the balancer's patience ends."""
        changes = [("  format: json\n", "  format: json\n", 1), ("limits:\n", "limits:\n  idle_timeout: 1s\n", 1)]
        deployment = self.deploy(changes=changes, stream_timeout=SHORT)
        ws, listening, standing, session = self.silent(deployment)
        end = time.monotonic() + SILENCE_SECONDS
        comments = {listening: 0, standing: 0}
        ws.socket.settimeout(SECONDS)
        pings = 0
        while time.monotonic() < end or min(pings, *comments.values()) < 4:
            pings += self.pinged(ws)
            for stream in comments:
                line = stream.readline()
                self.assertTrue(line, "the stream was ended")
                comments[stream] += line.startswith(b":")
        self.assertIn("result", ws.call("tools/list"))
        ws.close()
        print(f"in {SILENCE_SECONDS} s with a patience of {SHORT}: {pings} pings, {comments[listening]} and {comments[standing]} comments")

    def pinged(self, ws):
        """Waits for a ping, and answers it."""
        opcode, _, payload = ws.frame()
        self.assertEqual(opcode, PING)
        ws.send(frame(PONG, payload))
        return 1

    def test_silence_that_is_not(self):
        """The same without them: the balancer does cut, so the test above can fail."""
        deployment = self.deploy(stream_timeout=SHORT)
        ws, listening, standing, _ = self.silent(deployment)
        with self.assertRaises(Closed):
            ws.receive()
        for stream in (listening, standing):
            try:
                stream.read()
            except (OSError, ValueError, http.client.HTTPException):
                pass  # cut in the middle of a chunked body

    def test_over_http2(self):
        deployment = self.deploy()
        body, fields = mark(1)
        command = ["curl", "--silent", "--http2", "--cacert", str(deployment.folder / "authority.pem"), "--write-out", "\n%{http_version}",
                   *[word for name, value in fields.items() for word in ("--header", f"{name}: {value}")], "--data", body,
                   f"https://localhost:{deployment.port}/mcp"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
        except FileNotFoundError:
            self.skipTest("curl is not installed")
        answer, _, version = said.rpartition("\n")
        self.assertTrue(result_of(json.loads(answer), 1), answer)
        self.assertEqual(version, self.http2)
