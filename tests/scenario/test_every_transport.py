"""One scenario, the same over every transport and in both eras: what comes out must not depend on the way in."""
import asyncio
import base64
import contextlib
import json
import tempfile
import unittest
from pathlib import Path

import gateways
from transports import SECONDS, Failed, Peer

NAME = 'Zoë 漢 "x"\n'
WATCHED = "test://watched-resource"
MANY = 100


def text_of(result):
    return result["content"][0]["text"]


def answers_of(text):
    """Answers to several questions arrive in any order."""
    words, brace, rest = text.partition("{")
    return (words, json.loads(brace + rest)) if brace else text


async def fails(awaitable):
    """The code of the JSON-RPC error."""
    try:
        result = await awaitable
    except Failed as failed:
        return failed.code
    raise AssertionError(f"answered instead of failing: {result}")


# ---- the scenario: each step returns what must be the same everywhere ----


async def step_server(peer):
    if peer.modern:
        assert "2026-07-28" in peer.server["supportedVersions"], peer.server
    else:
        assert peer.server["protocolVersion"] == "2025-11-25" and peer.server["serverInfo"]["name"] == "weir", peer.server
    return sorted(peer.server["capabilities"])


async def step_tools(peer):
    tools, pages = await peer.list_all("tools/list", "tools")
    names = [tool["name"] for tool in tools]
    assert len(names) == len(set(names)) and pages > 2, (names, pages)
    assert "echo" in names and "test_trigger_tool_change" not in names, names
    return tools, pages


async def step_call(peer):
    result = await peer.call("greet", {"name": NAME})
    assert text_of(result) == f"Hello, {NAME}!", result
    kinds = [item["type"] for item in (await peer.call("test_multiple_content_types"))["content"]]
    assert kinds == ["text", "image", "resource"], kinds
    return result["content"]


async def step_large_message(peer):
    message = "0123456789abcdef" * 40_000
    result = await peer.call("echo", {"message": message})
    assert text_of(result) == message
    return len(text_of(result))


async def step_errors(peer):
    failed = await peer.call("test_error_handling")
    invalid = await peer.call("greet", {"name": 7})
    assert failed["isError"] and invalid["isError"] and "/name" in text_of(invalid), (failed, invalid)
    return [text_of(failed), text_of(invalid), await fails(peer.call("no_such_tool")),
            await fails(peer.request("no/such/method")), await fails(peer.request("prompts/get", {"name": "no such prompt"})),
            await fails(peer.request("resources/read", {"uri": "test://not/there"}))]


async def step_ping(peer):
    return await fails(peer.request("ping")) if peer.modern else await peer.request("ping")


async def step_progress(peer):
    await peer.call("test_tool_with_progress", progress="token-1")
    await peer.wait_notification("notifications/progress", 3, lambda params: params["progressToken"] == "token-1")
    return [note["params"]["progress"] for note in peer.notifications if note["method"] == "notifications/progress"]


async def set_level(peer, level):
    if peer.modern:
        peer.log_level = level
    else:
        assert await peer.request("logging/setLevel", {"level": level}) == {}


async def step_logging(peer):
    await set_level(peer, "error")
    await peer.call("test_tool_with_logging")
    await set_level(peer, "debug")
    await peer.call("test_tool_with_logging")
    await peer.wait_notification("notifications/message", 3)
    await set_level(peer, "emergency")
    return [note["params"] for note in peer.notifications if note["method"] == "notifications/message"]


async def step_questions(peer):
    """Elicitation, sampling, roots; several at once; several rounds; a refusal."""
    asked = []

    def elicit(params):
        asked.append(params["message"])
        schema = params["requestedSchema"]["properties"]
        return {"action": "accept", "content": {key: f"{key} {NAME}" for key in schema}}

    peer.answers = {
        "elicitation/create": elicit,
        "sampling/createMessage": lambda params: {
            "role": "assistant", "model": "test", "content": {"type": "text", "text": f"{params['maxTokens']} {NAME}"}},
        "roots/list": lambda params: {"roots": [{"uri": "file:///scenario", "name": "here"}]},
    }
    texts = [answers_of(text_of(await peer.call(tool, arguments))) for tool, arguments in (
        ("test_elicitation", {"message": NAME}),
        ("test_sampling", {"prompt": NAME}),
        ("test_input_required_result_list_roots", {}),
        ("test_input_required_result_multi_round", {}),
        ("test_input_required_result_multiple_inputs", {}),
    )]
    peer.answers["elicitation/create"] = lambda params: {"action": "decline"}
    texts.append(text_of(await peer.call("test_input_required_result_elicitation")))
    return texts, sorted(asked)


async def step_resources(peer):
    resources, pages = await peer.list_all("resources/list", "resources")
    templates, _ = await peer.list_all("resources/templates/list", "resourceTemplates")
    read = {}
    for uri in ("test://static-text", "test://static-binary", "test://template/a%20b/data"):
        read[uri] = (await peer.request("resources/read", {"uri": uri}))["contents"]
    assert base64.b64decode(read["test://static-binary"][0]["blob"])[1:4] == b"PNG"
    assert json.loads(read["test://template/a%20b/data"][0]["text"])["id"] == "a b"
    return resources, pages, templates, read


async def step_prompts(peer):
    prompts, pages = await peer.list_all("prompts/list", "prompts")
    result = await peer.request("prompts/get", {"name": "test_prompt_with_arguments", "arguments": {"arg1": NAME, "arg2": "2"}})
    assert NAME in result["messages"][0]["content"]["text"]
    return prompts, pages, result["messages"]


async def step_completion(peer):
    values = []
    for reference, argument in (
        ({"type": "ref/prompt", "name": "test_prompt_with_arguments"}, {"name": "arg1", "value": "testV"}),
        ({"type": "ref/resource", "uri": "test://template/{id}/data"}, {"name": "id", "value": "12"}),
    ):
        values.append((await peer.request("completion/complete", {"ref": reference, "argument": argument}))["completion"]["values"])
    assert values == [["testValue1", "testValue2"], ["123", "124"]], values
    return values


@contextlib.asynccontextmanager
async def subscribed(peer):
    """To the watched resource, and to changes of the list of tools."""
    if not peer.modern:
        assert await peer.request("resources/subscribe", {"uri": WATCHED}) == {}
        yield
        assert await peer.request("resources/unsubscribe", {"uri": WATCHED}) == {}
        return
    number, _ = await peer.begin(
        "subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": [WATCHED]}})
    await peer.wait_notification("notifications/subscriptions/acknowledged")
    yield
    await peer.cancel(number)


async def step_changes(peer):
    updated, changed = "notifications/resources/updated", "notifications/tools/list_changed"
    async with subscribed(peer):
        await peer.call("test_trigger_resource_update")
        assert (await peer.wait_notification(updated))["uri"] == WATCHED
        await peer.call("test_trigger_tool_change")
        await peer.wait_notification(changed)
    return sum(note["method"] == updated for note in peer.notifications)


async def step_many(peer):
    """All under way at once, answered in whatever order."""
    answers = await asyncio.gather(*(peer.call("greet", {"name": f"number {i}"}) for i in range(MANY)))
    texts = [text_of(answer) for answer in answers]
    assert texts == [f"Hello, number {i}!" for i in range(MANY)]
    return len(texts)


async def step_cancel(peer):
    """Two long calls, of which one is cancelled: it is never answered, the connection goes on."""
    number, _ = await peer.begin("tools/call", {"name": "slow_compute", "arguments": {"seconds": 600}}, progress="cancelled")
    other, future = await peer.begin("tools/call", {"name": "slow_compute", "arguments": {"seconds": 0, "label": "kept"}})
    await peer.wait_notification("notifications/progress", 1, lambda params: params["progressToken"] == "cancelled")
    await peer.cancel(number)
    kept = await asyncio.wait_for(future, SECONDS)
    text = text_of(await peer.call("greet", {"name": "again"}))
    assert other == kept["id"] and text == "Hello, again!", (kept, text)
    assert not peer.unasked, peer.unasked
    return kept["result"]["content"]


STEPS = [(name.removeprefix("step_"), step) for name, step in list(globals().items()) if name.startswith("step_")]


async def play(transport, modern):
    """{step: what it returned}"""
    results = {}
    async with Peer(transport, modern) as peer:
        for name, step in STEPS:
            try:
                results[name] = await asyncio.wait_for(step(peer), 2 * SECONDS)
            except Exception as error:
                raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
    assert not peer.unasked, peer.unasked
    return results


class EveryTransport(unittest.TestCase):
    """The first one sets the measure; its own steps assert what is right."""

    maxDiff = 4000

    def test_all(self):
        with tempfile.TemporaryDirectory(prefix="weir-transports-") as folder, gateways.Gateways(Path(folder)) as all_of_them:
            measure = {}
            for name in all_of_them.names:
                for modern in (False, True):
                    with self.subTest(transport=name, era="modern" if modern else "legacy"):
                        results = asyncio.run(self.on(all_of_them, name, modern))
                        wanted = measure.setdefault(modern, results)
                        for step, _ in STEPS:
                            self.assertEqual(results[step], wanted[step], step)

    async def on(self, all_of_them, name, modern):
        return await play(all_of_them.transport(name), modern)


if __name__ == "__main__":
    unittest.main()
