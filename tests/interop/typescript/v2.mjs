// The TypeScript SDK's second line (@modelcontextprotocol/client): `legacy` makes a session of 2025-11-25, `auto` finds
// out that the server speaks 2026-07-28, `modern` insists on it.
import {Client, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import {main} from './checks.mjs';

const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';
const mode = process.argv[3];
const modern = mode !== 'legacy';

function legacySubscribe(client) {
    return async ({resourceSubscriptions = []}) => {
        for (const uri of resourceSubscriptions) await client.subscribeResource({uri});
        return {
            async close() {
                for (const uri of resourceSubscriptions) await client.unsubscribeResource({uri});
            },
        };
    };
}

await main(async (url) => {
    const client = new Client(
        {name: 'interop', version: '2'},
        {
            capabilities: {elicitation: {}, sampling: {}, roots: {}},
            versionNegotiation: {mode: mode === 'modern' ? {pin: '2026-07-28'} : mode},
        },
    );
    const transport = new StreamableHTTPClientTransport(url);
    client.setRequestHandler('roots/list', () => ({roots: [{uri: 'file:///interop', name: 'here'}]}));
    await client.connect(transport);
    return {
        client,
        modern,
        resourceNotFound: -32602, // this client says it so in either era
        expectedRevision: modern ? '2026-07-28' : '2025-11-25',
        revision: () => client.getNegotiatedProtocolVersion(),
        call: (name, args, options) => client.callTool({name, arguments: args}, options),
        async callLogging(level, name, args) {
            if (modern) return client.callTool({name, arguments: args, _meta: {[LOG_LEVEL]: level}});
            await client.setLoggingLevel(level);
            return this.call(name, args);
        },
        onElicit: (answer) => client.setRequestHandler('elicitation/create', ({params}) => answer(params)),
        onSample: (answer) => client.setRequestHandler('sampling/createMessage', ({params}) => answer(params)),
        onNotification: (method, handle) => client.setNotificationHandler(method, ({params}) => handle(params)),
        subscribe: modern ? (filter) => client.listen(filter) : legacySubscribe(client),
        async close() {
            if (!modern) await transport.terminateSession();
            await client.close();
        },
    };
});
