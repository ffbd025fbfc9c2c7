// The TypeScript SDK's first line (@modelcontextprotocol/sdk): revisions up to 2025-11-25, a session over Streamable HTTP,
// over HTTP with SSE or over WebSocket.
//
// usage: v1.mjs URL [http|sse|websocket]       URL is that of the transport
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import {SSEClientTransport} from '@modelcontextprotocol/sdk/client/sse.js';
import {StreamableHTTPClientTransport} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {WebSocketClientTransport} from '@modelcontextprotocol/sdk/client/websocket.js';
import * as types from '@modelcontextprotocol/sdk/types.js';
import {main} from './checks.mjs';

const TRANSPORTS = {
    http: StreamableHTTPClientTransport,
    sse: SSEClientTransport,
    websocket: WebSocketClientTransport,
};
const NOTIFICATIONS = {
    'notifications/message': types.LoggingMessageNotificationSchema,
    'notifications/resources/updated': types.ResourceUpdatedNotificationSchema,
    'notifications/tools/list_changed': types.ToolListChangedNotificationSchema,
    'notifications/prompts/list_changed': types.PromptListChangedNotificationSchema,
};

await main(async (url) => {
    const client = new Client(
        {name: 'interop', version: '1'},
        {capabilities: {elicitation: {}, sampling: {}, roots: {}}},
    );
    const transport = new TRANSPORTS[process.argv[3] ?? 'http'](url);
    let revision;
    const setVersion = transport.setProtocolVersion?.bind(transport);
    transport.setProtocolVersion = (version) => {
        revision = version;
        setVersion?.(version);
    };
    client.setRequestHandler(types.ListRootsRequestSchema, () => ({roots: [{uri: 'file:///interop', name: 'here'}]}));
    await client.connect(transport);
    return {
        client,
        modern: false,
        readsEventsTogether: !(transport instanceof StreamableHTTPClientTransport),
        resourceNotFound: -32002,
        expectedRevision: types.LATEST_PROTOCOL_VERSION,
        revision: () => revision,
        call: (name, args, options) => client.callTool({name, arguments: args}, undefined, options),
        async callLogging(level, name, args) {
            await client.setLoggingLevel(level);
            return this.call(name, args);
        },
        onElicit: (answer) => client.setRequestHandler(types.ElicitRequestSchema, ({params}) => answer(params)),
        onSample: (answer) => client.setRequestHandler(types.CreateMessageRequestSchema, ({params}) => answer(params)),
        onNotification: (method, handle) =>
            client.setNotificationHandler(NOTIFICATIONS[method], ({params}) => handle(params)),
        // Changes of the lists come to every session; resources are subscribed to.
        async subscribe({resourceSubscriptions = []}) {
            for (const uri of resourceSubscriptions) await client.subscribeResource({uri});
            return {
                async close() {
                    for (const uri of resourceSubscriptions) await client.unsubscribeResource({uri});
                },
            };
        },
        async close() {
            await transport.terminateSession?.();
            await client.close();
        },
    };
});
