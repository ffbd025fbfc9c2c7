"""The Python SDK's first line (mcp 1.x): revisions up to 2025-11-25, a session over Streamable HTTP, over HTTP with SSE
or over WebSocket.

usage: v1.py URL [http|sse|websocket]       URL is that of the transport"""

import sys

from contextlib import asynccontextmanager

from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

import checks


async def plain_result(awaitable):
    try:
        return checks.plain(await awaitable)
    except McpError as failed:
        raise checks.RequestFailed(failed.error.code, failed.error.message, failed.error.data) from None


class Peer(checks.PeerBase):
    modern = False
    expected_revision = types.LATEST_PROTOCOL_VERSION

    def connected(self, session, initialized):
        self.session = session
        self.revision = initialized.protocolVersion
        self.server_name = initialized.serverInfo.name
        self.capabilities = checks.plain(initialized.capabilities)

    async def elicited(self, context, params):
        return types.ElicitResult(**self.on_elicit(checks.plain(params)))

    async def sampled(self, context, params):
        return types.CreateMessageResult(**self.on_sample(checks.plain(params)))

    async def asked_for_roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///interop", name="here")])

    async def log_arrived(self, params):
        self.note_log(params)

    async def message_arrived(self, message):
        if isinstance(message, types.ServerNotification):
            params = message.root.params
            self.notified(message.root.method, checks.plain(params) if params else {})

    async def list_page(self, method, cursor):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        return await plain_result(getattr(self.session, method)(params=params))

    async def call(self, name, arguments, progress=None):
        return await plain_result(self.session.call_tool(name, arguments, progress_callback=progress))

    async def call_logging(self, level, name, arguments):
        await self.session.set_logging_level(level)
        return await self.call(name, arguments)

    async def read(self, uri):
        return await plain_result(self.session.read_resource(uri))

    async def prompt(self, name, arguments):
        return await plain_result(self.session.get_prompt(name, arguments))

    async def _complete(self, reference, name, value):
        result = await plain_result(self.session.complete(reference, {"name": name, "value": value}))
        return result["completion"]["values"]

    async def complete_prompt(self, prompt, name, value):
        return await self._complete(types.PromptReference(type="ref/prompt", name=prompt), name, value)

    async def complete_template(self, template, name, value):
        return await self._complete(types.ResourceTemplateReference(type="ref/resource", uri=template), name, value)

    async def ping(self):
        await self.session.send_ping()

    @asynccontextmanager
    async def subscribe(self, resources=(), tools=False, prompts=False):
        """Changes of the lists come to every session; resources are subscribed to."""
        for uri in resources:
            await self.session.subscribe_resource(uri)
        yield
        for uri in resources:
            await self.session.unsubscribe_resource(uri)


def open_transport(url):
    kind = sys.argv[2] if len(sys.argv) > 2 else "http"
    if kind == "websocket":
        from mcp.client.websocket import websocket_client  # another package, and a warning that it is deprecated

        return websocket_client(url)
    return sse_client(url) if kind == "sse" else streamable_http_client(url)


@asynccontextmanager
async def open_peer(url):
    peer = Peer()
    async with (
        open_transport(url) as (read, write, *_),
        ClientSession(
            read,
            write,
            sampling_callback=peer.sampled,
            elicitation_callback=peer.elicited,
            list_roots_callback=peer.asked_for_roots,
            logging_callback=peer.log_arrived,
            message_handler=peer.message_arrived,
        ) as session,
    ):
        peer.connected(session, await session.initialize())
        yield peer


checks.main(open_peer)
