"""requestState, which modern clients carry between the rounds of a call: it is good for the very request it was given for, at every
gateway that has the same state_key, and nowhere else."""
import json
import unittest

from test_http_front import LISTEN, ask, modern, wait_for
from test_reload import reload
from weir_process import WeirProcess, binary

MODULE = f"builtin: false\nmodules: [{{path: '{binary().rpartition('/')[0]}/fixtures/conformance.so'}}]\n"
KEY = "state_key: 'a key of at least thirty-two bytes, shared'\n"
TOOL = "test_input_required_result_request_state"
STEPS = "test_input_required_result_multi_round"
ANY = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "sampling": {}, "roots": {}}}
ANSWER = {"action": "accept", "content": {"ok": True}}


def call(weir, tool=TOOL, state=None, answers=None, arguments=None):
    """(HTTP status, answer) of one round."""
    params = {"name": tool, "arguments": arguments or {}}
    if state is not None:
        params["requestState"] = state
    if answers is not None:
        params["inputResponses"] = answers
    status, _, body = ask(weir, modern("tools/call", params, tool, meta=ANY))
    return status, json.loads(body)


def first_round(weir, tool=TOOL, arguments=None):
    """The state, and an answer to each question."""
    result = call(weir, tool, arguments=arguments)[1]["result"]
    assert result["resultType"] == "input_required", result
    return result["requestState"], {key: ANSWER for key in result["inputRequests"]}


class State(unittest.TestCase):
    def assertRefused(self, outcome):
        self.assertEqual(outcome[1]["error"]["code"], -32602, outcome)

    def assertComplete(self, outcome):
        self.assertEqual(outcome[1]["result"]["resultType"], "complete", outcome)

    def test_two_gateways(self):
        with WeirProcess(LISTEN + MODULE + KEY) as one, WeirProcess(LISTEN + MODULE + KEY) as other, \
                WeirProcess(LISTEN + MODULE) as stranger, WeirProcess(LISTEN + MODULE + KEY.replace("two", "six")) as enemy:
            state, answers = first_round(one)
            self.assertComplete(call(other, TOOL, state, answers))
            self.assertComplete(call(one, TOOL, state, answers))
            self.assertRefused(call(stranger, TOOL, state, answers))
            self.assertRefused(call(enemy, TOOL, state, answers))
            self.assertRefused(call(one, TOOL, *first_round(stranger)))

    def test_rounds_at_different_gateways(self):
        with WeirProcess(LISTEN + MODULE + KEY) as one, WeirProcess(LISTEN + MODULE + KEY) as other:
            first = call(one, STEPS)[1]["result"]
            second = call(other, STEPS, first["requestState"], {"step1": {"action": "accept", "content": {"name": "Alice"}}})[1]["result"]
            self.assertEqual(second["resultType"], "input_required")
            self.assertNotEqual(second["requestState"], first["requestState"])
            last = call(one, STEPS, second["requestState"], {"step2": {"action": "accept", "content": {"color": "blue"}}})[1]["result"]
            self.assertIn("Alice", last["content"][0]["text"], "what the first answer said has travelled with the client")

    def test_bound_to_its_request(self):
        with WeirProcess(LISTEN + MODULE) as weir:
            state, answers = first_round(weir)
            self.assertRefused(call(weir, STEPS, state, answers))
            self.assertRefused(call(weir, TOOL, state, answers, {"other": 1}))
            for wrong in ("", "x", state[:-1], state + "A", state.swapcase(), state * 2, "A" * 100000, "\u00e9" * 10,
                          *(state[:at] + ("B" if state[at] != "B" else "C") + state[at + 1:] for at in range(0, len(state) - 1, 7))):
                self.assertRefused(call(weir, TOOL, wrong, answers))
            for wrong in (5, [], {}, True):
                self.assertRefused(call(weir, TOOL, wrong, answers))
            self.assertComplete(call(weir, TOOL, state, answers))

    def test_lives_through_a_reload(self):
        with WeirProcess(LISTEN + MODULE) as weir:
            state, answers = first_round(weir)
            self.assertEqual(reload(weir, LISTEN + MODULE + "page_size: 5\n"), "reloaded")
            self.assertComplete(call(weir, TOOL, state, answers))

    def test_expires(self):
        """With the time that a client has to answer (limits.input_timeout)."""
        with WeirProcess(LISTEN + MODULE + "limits: {input_timeout: 10ms}\n") as weir:
            state, answers = first_round(weir)
            wait_for(lambda: "error" in call(weir, TOOL, state, answers)[1], "the end of its time")

    def test_wrong_answers(self):
        with WeirProcess(LISTEN + MODULE) as weir:
            state, _ = first_round(weir)
            for answers in (5, "x", [], [1], None):
                outcome = call(weir, TOOL, state, answers)[1]
                self.assertTrue("error" in outcome or outcome["result"]["resultType"] == "input_required", (answers, outcome))
            self.assertEqual(call(weir, TOOL, state, {"wrong": ANSWER})[1]["result"]["resultType"], "input_required", "it is asked again")


if __name__ == "__main__":
    unittest.main()
