"""The Python SDK's second line (mcp 2.x): `legacy` makes a session of 2025-11-25, `auto` finds out that the server
speaks 2026-07-28, `modern` insists on it."""

import sys
import warnings
from contextlib import asynccontextmanager

import mcp_types as types
from mcp import Client, MCPError

import checks

LOG_LEVEL = "io.modelcontextprotocol/logLevel"
MODE = sys.argv[2]

warnings.simplefilter("ignore")  # the legacy calls are deprecated, and that is why they are here


async def plain_result(awaitable):
    try:
        return checks.plain(await awaitable)
    except MCPError as failed:
        raise checks.RequestFailed(failed.code, failed.message, failed.data) from None


class Peer(checks.PeerBase):
    modern = MODE != "legacy"
    has_asked_the_server = MODE != "modern"  # insisting on a revision, this client sends no server/discover
    expected_revision = "2026-07-28" if MODE != "legacy" else "2025-11-25"

    def connected(self, client):
        self.client = client
        self.revision = client.protocol_version
        self.server_name = client.server_info.name if client.server_info else None
        self.capabilities = checks.plain(client.server_capabilities)

    async def elicited(self, context, params):
        return types.ElicitResult(**self.on_elicit(checks.plain(params)))

    async def sampled(self, context, params):
        return types.CreateMessageResult(**self.on_sample(checks.plain(params)))

    async def asked_for_roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///interop", name="here")])

    async def log_arrived(self, params):
        self.note_log(params)

    async def message_arrived(self, message):
        if not isinstance(message, Exception):
            params = getattr(message, "params", None)
            self.notified(message.method, checks.plain(params) if params else {})

    async def list_page(self, method, cursor):
        return await plain_result(getattr(self.client, method)(cursor=cursor))

    async def call(self, name, arguments, progress=None, meta=None):
        return await plain_result(self.client.call_tool(name, arguments, progress_callback=progress, meta=meta))

    async def call_logging(self, level, name, arguments):
        if self.modern:
            return await self.call(name, arguments, meta={LOG_LEVEL: level})
        await self.client.set_logging_level(level)
        return await self.call(name, arguments)

    async def read(self, uri):
        return await plain_result(self.client.read_resource(uri))

    async def prompt(self, name, arguments):
        return await plain_result(self.client.get_prompt(name, arguments))

    async def _complete(self, reference, name, value):
        result = await plain_result(self.client.complete(reference, {"name": name, "value": value}))
        return result["completion"]["values"]

    async def complete_prompt(self, prompt, name, value):
        return await self._complete(types.PromptReference(type="ref/prompt", name=prompt), name, value)

    async def complete_template(self, template, name, value):
        return await self._complete(types.ResourceTemplateReference(type="ref/resource", uri=template), name, value)

    async def ping(self):
        await self.client.send_ping()

    @asynccontextmanager
    async def subscribe(self, resources=(), tools=False, prompts=False):
        if self.modern:
            async with self.client.listen(
                tools_list_changed=tools, prompts_list_changed=prompts, resource_subscriptions=resources
            ):
                yield
            return
        for uri in resources:
            await self.client.subscribe_resource(uri)
        yield
        for uri in resources:
            await self.client.unsubscribe_resource(uri)


@asynccontextmanager
async def open_peer(url):
    peer = Peer()
    async with Client(
        url,
        mode="2026-07-28" if MODE == "modern" else MODE,
        sampling_callback=peer.sampled,
        elicitation_callback=peer.elicited,
        list_roots_callback=peer.asked_for_roots,
        logging_callback=peer.log_arrived,
        message_handler=peer.message_arrived,
    ) as client:
        peer.connected(client)
        yield peer


checks.main(open_peer)
