// A real authorization server (oidc-provider), and the official TypeScript client that knows nothing but the gateway's
// URL: from the 401 through the resource's and the server's metadata, registration, login, consent and PKCE to a token
// for this gateway and a tool's answer. Then what must be refused, and what must go on, with the same server's tokens.
//
// usage: oauth.mjs GATEWAY-URL ISSUER-URL       both on loopback; one line of JSON per check goes to standard output
import assert from 'node:assert/strict';
import {generateKeyPairSync, randomUUID} from 'node:crypto';

import {UnauthorizedError} from '@modelcontextprotocol/sdk/client/auth.js';
import {Client} from '@modelcontextprotocol/sdk/client/index.js';
import {StreamableHTTPClientTransport} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {SignJWT, importJWK} from 'jose';
import Provider from 'oidc-provider';

const [gateway, issuer] = process.argv.slice(2);
const SCOPE = 'tools';
const SHORT = `${gateway}?short`; // the same gateway in a token that ends at once
const REDIRECT = 'http://127.0.0.1:9/callback'; // nobody listens: the code is read off the redirect
const PATIENCE_MS = 150_000;

// ---- the authorization server ----

function makeKey() {
    const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
    return {...privateKey.export({format: 'jwk'}), kid: randomUUID(), use: 'sig', alg: 'RS256'};
}

async function startServer(key) {
    const provider = new Provider(issuer, {
        jwks: {keys: [key]},
        clients: [
            {client_id: 'robot', client_secret: 'robots-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: []},
        ],
        scopes: [SCOPE],
        pkce: {required: () => true},
        cookies: {keys: ['interop']},
        features: {
            registration: {enabled: true},
            clientCredentials: {enabled: true},
            resourceIndicators: {
                enabled: true,
                getResourceServerInfo: (_, resource) => ({
                    scope: SCOPE,
                    audience: resource === SHORT ? gateway : resource,
                    accessTokenTTL: resource === SHORT ? 1 : 600,
                    accessTokenFormat: 'jwt',
                    jwt: {sign: {alg: 'RS256'}},
                }),
                useGrantedResource: () => true,
            },
        },
    });
    const port = Number(new URL(issuer).port);
    return new Promise((resolve, reject) => {
        const server = provider.listen(port, '127.0.0.1', () => resolve(server));
        server.on('error', reject);
    });
}

function stopServer(server) {
    return new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
    });
}

// ---- a user with a browser ----

class Browser {
    cookies = new Map();

    async open(url, form) {
        const response = await fetch(url, {
            method: form ? 'POST' : 'GET',
            body: form && new URLSearchParams(form),
            redirect: 'manual',
            headers: {cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')},
        });
        for (const cookie of response.headers.getSetCookie()) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
            if (value) this.cookies.set(name, value);
            else this.cookies.delete(name);
        }
        return response;
    }

    /** Follows the server's pages, fills in its forms, and returns where it sends the user back to. */
    async authorize(url) {
        let response = await this.open(url);
        for (let page = 0; page < 20; page++) {
            const location = response.headers.get('location');
            if (location?.startsWith(REDIRECT)) return new URL(location);
            if (location) {
                url = new URL(location, url);
                response = await this.open(url);
                continue;
            }
            const html = await response.text();
            const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1];
            const prompt = /name="prompt" value="([^"]+)"/.exec(html)?.[1];
            assert.ok(action && prompt, `no form on the page (${response.status}): ${html.slice(0, 300)}`);
            url = new URL(action, url);
            response = await this.open(url, {prompt, ...(prompt === 'login' && {login: 'alice', password: 'any'})});
        }
        assert.fail('the server sends the user round in circles');
    }
}

// ---- the client's memory ----

class Memory {
    redirectUrl = REDIRECT;
    clientMetadata = {
        client_name: 'interop',
        redirect_uris: [REDIRECT],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
    };
    clientInformation = () => this.information;
    saveClientInformation = (information) => void (this.information = information);
    tokens = () => this.held;
    saveTokens = (tokens) => void (this.held = tokens);
    codeVerifier = () => this.verifier;
    saveCodeVerifier = (verifier) => void (this.verifier = verifier);
    async redirectToAuthorization(url) {
        this.authorization = url;
        this.back = await new Browser().authorize(url);
    }
}

async function connect(memory) {
    const client = new Client({name: 'interop', version: '1'});
    const transport = new StreamableHTTPClientTransport(new URL(gateway), {authProvider: memory});
    await client.connect(transport);
    return client;
}

// ---- tokens by hand ----

async function robotsToken(resource) {
    const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {authorization: `Basic ${Buffer.from('robot:robots-secret').toString('base64')}`},
        body: new URLSearchParams({grant_type: 'client_credentials', resource, scope: SCOPE}),
    });
    const answer = await response.json();
    assert.ok(answer.access_token, JSON.stringify(answer));
    return answer.access_token;
}

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());

async function show(token) {
    const response = await fetch(gateway, {
        method: 'POST',
        headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': 'tools/list',
            ...(token && {authorization: `Bearer ${token}`}),
        },
        body: JSON.stringify({
            jsonrpc: '2.0',
            id: 1,
            method: 'tools/list',
            params: {
                _meta: {
                    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
                    'io.modelcontextprotocol/clientCapabilities': {},
                },
            },
        }),
    });
    await response.text();
    return {status: response.status, challenge: response.headers.get('www-authenticate')};
}

async function refused(token, why) {
    const answer = await show(token);
    assert.equal(answer.status, 401);
    assert.match(answer.challenge, new RegExp(`error="invalid_token", error_description="[^"]*${why}`));
}

async function until(condition, what) {
    const end = Date.now() + PATIENCE_MS;
    while (!(await condition())) {
        assert.ok(Date.now() < end, `waited too long for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
}

// ---- checks, in their order ----

const memory = new Memory();
let key = makeKey();
let server = await startServer(key);

const CHECKS = {
    async 'sent-away'() {
        await assert.rejects(connect(memory), UnauthorizedError);
        const answer = await show();
        const url = /resource_metadata="([^"]+)"/.exec(answer.challenge)[1];
        assert.equal(url, gateway.replace('/mcp', '/.well-known/oauth-protected-resource/mcp'));
        assert.match(answer.challenge, /scope="tools"/);
    },
    async registered() {
        assert.ok(memory.information.client_id, 'dynamic client registration');
    },
    async 'asked-for-this-gateway'() {
        const asked = memory.authorization.searchParams;
        assert.equal(asked.get('resource'), gateway);
        assert.equal(asked.get('code_challenge_method'), 'S256');
        assert.equal(asked.get('scope'), SCOPE);
    },
    async 'token-and-call'() {
        const transport = new StreamableHTTPClientTransport(new URL(gateway), {authProvider: memory});
        await transport.finishAuth(memory.back.searchParams.get('code'));
        assert.equal(claimsOf(memory.held.access_token).aud, gateway);
        // The gateway was there before its issuer, and is about to ask it once more.
        await until(async () => (await show(memory.held.access_token)).status !== 503, 'the gateway to have keys');
        const client = await connect(memory);
        const result = await client.callTool({name: 'echo', arguments: {message: 'hello'}});
        assert.equal(result.content[0].text, 'hello');
        await client.close();
    },
    async 'wrong-audience'() {
        await refused(await robotsToken('https://other.example/mcp'), 'audience');
    },
    async expired() {
        const token = await robotsToken(SHORT);
        await until(() => Date.now() > (claimsOf(token).exp + 1) * 1000, 'the token to end');
        await refused(token, 'expired');
    },
    async 'wrong-issuer'() {
        const claims = claimsOf(memory.held.access_token);
        const token = await new SignJWT({...claims, iss: 'http://127.0.0.1:1'})
            .setProtectedHeader({alg: 'RS256', kid: key.kid, typ: 'at+jwt'})
            .sign(await importJWK(key, 'RS256'));
        await refused(token, '');
    },
    async tampered() {
        const [head, claims, signature] = memory.held.access_token.split('.');
        const changed = {...JSON.parse(Buffer.from(claims, 'base64url')), sub: 'root'};
        await refused([head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.'), '');
    },
    async 'other-key'() {
        const token = await new SignJWT(claimsOf(memory.held.access_token))
            .setProtectedHeader({alg: 'RS256', kid: key.kid, typ: 'at+jwt'})
            .sign(await importJWK(makeKey(), 'RS256'));
        await refused(token, '');
    },
    async 'issuer-down'() {
        const fresh = await robotsToken(gateway);
        await stopServer(server);
        assert.equal((await show(memory.held.access_token)).status, 200);
        assert.equal((await show(fresh)).status, 200); // not seen before, but its key was
        server = await startServer(key);
    },
    async 'rotated-keys'() {
        await stopServer(server);
        key = makeKey();
        server = await startServer(key);
        const token = await robotsToken(gateway);
        await until(async () => (await show(token)).status === 200, 'the new key to be fetched');
    },
};

for (const [check, run] of Object.entries(CHECKS)) {
    const row = await run().then(
        () => ({check, ok: true}),
        (reason) => ({check, ok: false, detail: String(reason.stack ?? reason).slice(0, 600)}),
    );
    console.log(JSON.stringify(row));
}
await stopServer(server);
process.exit(0);
