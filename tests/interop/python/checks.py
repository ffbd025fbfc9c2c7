"""What every Python client is asked to do. Each check is one coroutine of a connected peer: it returns when all is
well, raises what is wrong, or raises Skip with the reason. One line of JSON per check goes to standard output.

A peer hides what the two lines of the SDK spell differently; results are plain dictionaries as on the wire."""

import base64
import json
import sys
import traceback

import anyio

CHECK_SECONDS = 30
WATCHED = "test://watched-resource"
NAME = 'Zoë 漢 "x"'


class Skip(Exception):
    pass


class RequestFailed(Exception):
    """A JSON-RPC error, whichever SDK raised it."""

    def __init__(self, code, message, data):
        super().__init__(f"{code}: {message}")
        self.code, self.data = code, data


def equal(got, wanted):
    assert got == wanted, f"{got!r} instead of {wanted!r}"


def text_of(result):
    return next(item["text"] for item in result["content"] if item["type"] == "text")


async def expect_error(awaitable, code):
    try:
        result = await awaitable
    except RequestFailed as error:
        equal(error.code, code)
        return error
    raise AssertionError(f"answered instead of failing: {result}")


CHECKS = {}


def check(function):
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


@check
async def connect(peer):
    equal(peer.revision, peer.expected_revision)
    if not peer.has_asked_the_server:
        return
    equal(peer.server_name, "weir")
    for name in ("tools", "resources", "prompts", "completions"):
        assert name in peer.capabilities, name


@check
async def list_tools(peer):
    listed = await peer.list_tools()
    tools = {tool["name"]: tool for tool in listed}
    equal(len(tools), len(listed))
    for name in ("test_simple_text", "greet", "slow_compute"):
        assert name in tools, name
    assert "test_trigger_tool_change" not in tools, "an unlisted tool is listed"
    schema = tools["json_schema_2020_12_tool"]["inputSchema"]
    equal(schema["$defs"]["address"]["$anchor"], "addressDef")
    equal(schema["additionalProperties"], False)


@check
async def call_tool(peer):
    result = await peer.call("greet", {"name": NAME})
    equal(text_of(result), f"Hello, {NAME}!")
    assert not result.get("isError")


@check
async def contents(peer):
    content = (await peer.call("test_multiple_content_types", {}))["content"]
    equal([item["type"] for item in content], ["text", "image", "resource"])
    equal(content[2]["resource"]["text"], '{"test":"data","value":123}')


@check
async def tool_error(peer):
    result = await peer.call("test_error_handling", {})
    equal(result["isError"], True)
    assert "error" in text_of(result)


@check
async def unknown_tool(peer):
    await expect_error(peer.call("there_is_no_such_tool", {}), -32602)


@check
async def invalid_arguments(peer):
    try:
        result = await peer.call("greet", {"name": 7})
    except RequestFailed as error:
        equal(error.code, -32602)
        assert "name" in str(error), str(error)
        return
    equal(result["isError"], True)
    assert "name" in text_of(result), text_of(result)


@check
async def header_parameter(peer):
    await peer.list_tools()
    result = await peer.call("test_x_mcp_header", {"region": "Zürich"})
    equal(json.loads(text_of(result)), {"region": "Zürich"})


@check
async def read_resource(peer):
    assert "test://static-text" in [resource["uri"] for resource in await peer.list_resources()]
    assert "static text" in (await peer.read("test://static-text"))["contents"][0]["text"]
    blob = (await peer.read("test://static-binary"))["contents"][0]["blob"]
    equal(base64.b64decode(blob)[1:4], b"PNG")


@check
async def read_template(peer):
    templates = [template["uriTemplate"] for template in await peer.list_templates()]
    assert "test://template/{id}/data" in templates
    text = (await peer.read("test://template/a%20b/data"))["contents"][0]["text"]
    equal(json.loads(text)["id"], "a b")


@check
async def unknown_resource(peer):
    error = await expect_error(peer.read("test://not/there"), -32602 if peer.modern else -32002)
    equal(error.data["uri"], "test://not/there")


@check
async def get_prompt(peer):
    prompts = {prompt["name"]: prompt for prompt in await peer.list_prompts()}
    assert prompts["test_prompt_with_arguments"]["arguments"][0]["required"]
    result = await peer.prompt("test_prompt_with_arguments", {"arg1": NAME, "arg2": "2"})
    equal(result["messages"][0]["content"]["text"], f"Prompt with arguments: arg1='{NAME}', arg2='2'")
    await expect_error(peer.prompt("test_prompt_with_arguments", {}), -32602)


@check
async def complete(peer):
    equal(await peer.complete_prompt("test_prompt_with_arguments", "arg1", "testV"), ["testValue1", "testValue2"])
    equal(await peer.complete_template("test://template/{id}/data", "id", "12"), ["123", "124"])


@check
async def progress(peer):
    seen = []

    async def note(value, total, message):
        seen.append(value)

    await peer.call("test_tool_with_progress", {}, progress=note)
    equal(seen, [0, 50, 100])


@check
async def logging(peer):
    seen = peer.logged
    seen.clear()
    await peer.call_logging("debug", "test_tool_with_logging", {})
    equal(len(seen), 3)
    equal(seen[0], ("info", "Tool execution started"))
    await peer.call_logging("error", "test_tool_with_logging", {})
    equal(len(seen), 3)


@check
async def elicit(peer):
    asked = []

    def answer(params):
        asked.append(params)
        return {"action": "accept", "content": {"name": NAME}}

    peer.on_elicit = answer
    equal(text_of(await peer.call("test_input_required_result_elicitation", {})), f"Hello, {NAME}!")
    equal(asked[0]["requestedSchema"]["properties"]["name"]["type"], "string")


@check
async def elicit_decline(peer):
    peer.on_elicit = lambda params: {"action": "decline"}
    equal(text_of(await peer.call("test_input_required_result_elicitation", {})), "Hello, whoever you are!")


@check
async def elicit_argument(peer):
    asked = []

    def answer(params):
        asked.append(params["message"])
        return {"action": "accept", "content": {"username": "u", "email": "u@example.com"}}

    peer.on_elicit = answer
    result = await peer.call("test_elicitation", {"message": NAME})
    equal(asked, [NAME])
    assert "u@example.com" in text_of(result)


def assistant(text):
    return {"role": "assistant", "model": "test", "content": {"type": "text", "text": text}}


@check
async def sampling(peer):
    peer.on_sample = lambda params: assistant(f"{params['messages'][0]['content']['text']}, {params['maxTokens']}")
    equal(text_of(await peer.call("test_sampling", {"prompt": NAME})), f"LLM response: {NAME}, 100")


@check
async def roots(peer):
    assert "file:///interop" in text_of(await peer.call("test_input_required_result_list_roots", {}))


@check
async def several_rounds(peer):
    answers = [{"name": "Alice"}, {"color": "blue"}]
    peer.on_elicit = lambda params: {"action": "accept", "content": answers.pop(0)}
    equal(text_of(await peer.call("test_input_required_result_multi_round", {})), "Alice likes blue")
    equal(answers, [])


@check
async def several_inputs(peer):
    peer.on_elicit = lambda params: {"action": "accept", "content": {"name": "Alice"}}
    peer.on_sample = lambda params: assistant("good morning")
    text = text_of(await peer.call("test_input_required_result_multiple_inputs", {}))
    for part in ("Alice", "good morning", "file:///interop"):
        assert part in text, text


@check
async def prompt_elicit(peer):
    peer.on_elicit = lambda params: {"action": "accept", "content": {"context": "rain"}}
    result = await peer.prompt("test_input_required_result_prompt", None)
    equal(result["messages"][0]["content"]["text"], "With this context: rain")


@check
async def subscribe(peer):
    updated = peer.expect("notifications/resources/updated")
    async with peer.subscribe(resources=[WATCHED]):
        before = (await peer.read(WATCHED))["contents"][0]["text"]
        await peer.call("test_trigger_resource_update", {})
        equal((await updated.wait())["uri"], WATCHED)
        assert (await peer.read(WATCHED))["contents"][0]["text"] != before


@check
async def list_changed(peer):
    changed = peer.expect("notifications/tools/list_changed")
    async with peer.subscribe(tools=True):
        await peer.call("test_trigger_tool_change", {})
        await changed.wait()


@check
async def unsubscribe(peer):
    """What was unsubscribed stays away: a later notification of another kind arrives first."""
    async with peer.subscribe(resources=[WATCHED]):
        pass
    updated = peer.expect("notifications/resources/updated")
    changed = peer.expect("notifications/prompts/list_changed")
    async with peer.subscribe(prompts=True):
        await peer.call("test_trigger_resource_update", {})
        await peer.call("test_trigger_prompt_change", {})
        await changed.wait()
    assert not updated.happened, "an update arrived although nobody subscribes to it"


@check
async def parallel(peer):
    results = {}

    async def one(name):
        results[name] = text_of(await peer.call("greet", {"name": name}))

    async with anyio.create_task_group() as group:
        for i in range(50):
            group.start_soon(one, f"number {i}")
    equal(len(results), 50)
    for name, text in results.items():
        equal(text, f"Hello, {name}!")


@check
async def cancel(peer):
    with anyio.CancelScope() as scope:

        async def stop(value, total, message):
            scope.cancel()

        await peer.call("slow_compute", {"seconds": 600}, progress=stop)
    assert scope.cancelled_caught
    equal(text_of(await peer.call("greet", {"name": "again"})), "Hello, again!")


@check
async def ping(peer):
    if peer.modern:
        raise Skip("this revision has no ping")
    await peer.ping()


class Expectation:
    """The next notification of one method."""

    def __init__(self):
        self.happened = False
        self._event = anyio.Event()
        self._params = None

    def settle(self, params):
        self.happened, self._params = True, params
        self._event.set()

    async def wait(self):
        await self._event.wait()
        return self._params


class PeerBase:
    """What both lines of the SDK share: the answers to the server's questions, and its notifications."""

    has_asked_the_server = True  # who it is and what it can

    def __init__(self):
        self.on_elicit = self.on_sample = None
        self.logged = []
        self._expected = {}

    async def _list(self, method, member):
        """All pages of a list."""
        items, cursor = [], None
        while True:
            page = await self.list_page(method, cursor)
            items += page[member]
            cursor = page.get("nextCursor")
            if cursor is None:
                return items

    async def list_tools(self):
        return await self._list("list_tools", "tools")

    async def list_resources(self):
        return await self._list("list_resources", "resources")

    async def list_templates(self):
        return await self._list("list_resource_templates", "resourceTemplates")

    async def list_prompts(self):
        return await self._list("list_prompts", "prompts")

    def expect(self, method):
        expectation = self._expected[method] = Expectation()
        return expectation

    def notified(self, method, params):
        if expectation := self._expected.pop(method, None):
            expectation.settle(params)

    def note_log(self, params):
        self.logged.append((params.level, params.data))


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def report(name, ok, detail=None):
    print(json.dumps({"check": name, "ok": ok, "detail": detail}), flush=True)
    return ok is not False


def innermost(error):
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error


async def run_one(name, peer):
    try:
        with anyio.fail_after(CHECK_SECONDS):
            await CHECKS[name](peer)
        return report(name, True)
    except Skip as why:
        return report(name, None, str(why))
    except TimeoutError:
        return report(name, False, f"nothing after {CHECK_SECONDS} s")
    except Exception as error:
        error = innermost(error)
        return report(name, False, f"{type(error).__name__}: {error}")


async def run(open_peer, url):
    failed = 0
    try:
        async with open_peer(url) as peer:
            for name in CHECKS:
                failed += not await run_one(name, peer)
    except Exception:
        failed += not report("close", False, traceback.format_exc())
    else:
        report("close", True)
    return 1 if failed else 0


def main(open_peer):
    sys.exit(anyio.run(run, open_peer, sys.argv[1]))
