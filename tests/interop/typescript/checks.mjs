// What every TypeScript client is asked to do. Each check is one function of a connected peer; it returns when all is
// well, throws what is wrong, or returns skip() with the reason. One line of JSON per check goes to standard output.
import assert from 'node:assert/strict';

const CHECK_MS = 30_000;
const WATCHED = 'test://watched-resource';
const NAME = 'Zoë 漢 "x"';

class Skip {
    constructor(why) {
        this.why = why;
    }
}
const skip = (why) => new Skip(why);

const textOf = (result) => result.content.find((item) => item.type === 'text')?.text;

/** All pages of a list. The newer client walks them itself, and then names no next one. */
async function all(peer, method, member) {
    const items = [];
    let cursor;
    do {
        const page = await peer.client[method](cursor === undefined ? undefined : {cursor});
        items.push(...page[member]);
        cursor = page.nextCursor;
    } while (cursor !== undefined);
    return items;
}
const allTools = (peer) => all(peer, 'listTools', 'tools');

async function expectError(promise, code) {
    const error = await promise.then(
        (result) => assert.fail(`answered instead of failing: ${JSON.stringify(result)}`),
        (reason) => reason,
    );
    assert.equal(error.code, code, String(error));
    return error;
}

/** A promise that someone else settles, and what was given to it. */
function signal() {
    let settle;
    const promise = new Promise((resolve) => (settle = resolve));
    return {promise, settle};
}

const CHECKS = {
    async connect(peer) {
        assert.equal(peer.revision(), peer.expectedRevision);
        assert.equal(peer.client.getServerVersion().name, 'weir');
        const capabilities = peer.client.getServerCapabilities();
        for (const name of ['tools', 'resources', 'prompts', 'completions']) assert.ok(capabilities[name], name);
    },

    async 'list-tools'(peer) {
        const tools = await allTools(peer);
        const names = tools.map((tool) => tool.name);
        assert.equal(new Set(names).size, names.length, 'a tool is listed twice');
        for (const name of ['test_simple_text', 'greet', 'slow_compute']) assert.ok(names.includes(name), name);
        assert.ok(!names.includes('test_trigger_tool_change'), 'an unlisted tool is listed');
        const schema = tools.find((tool) => tool.name === 'json_schema_2020_12_tool').inputSchema;
        assert.equal(schema.$defs.address.$anchor, 'addressDef');
        assert.equal(schema.additionalProperties, false);
    },

    async 'call-tool'(peer) {
        const result = await peer.call('greet', {name: NAME});
        assert.equal(textOf(result), `Hello, ${NAME}!`);
        assert.ok(!result.isError);
    },

    async contents(peer) {
        const {content} = await peer.call('test_multiple_content_types', {});
        assert.deepEqual(content.map((item) => item.type), ['text', 'image', 'resource']);
        assert.equal(content[2].resource.text, '{"test":"data","value":123}');
    },

    async 'tool-error'(peer) {
        const result = await peer.call('test_error_handling', {});
        assert.equal(result.isError, true);
        assert.match(textOf(result), /error/);
    },

    async 'unknown-tool'(peer) {
        await expectError(peer.call('there_is_no_such_tool', {}), -32602);
    },

    async 'invalid-arguments'(peer) {
        const outcome = await peer.call('greet', {name: 7}).catch((error) => error);
        assert.ok(outcome.isError === true || outcome.code === -32602, JSON.stringify(outcome));
        assert.match(outcome.message ?? textOf(outcome), /name/);
    },

    async 'header-parameter'(peer) {
        await allTools(peer);
        const result = await peer.call('test_x_mcp_header', {region: 'Zürich'});
        assert.deepEqual(JSON.parse(textOf(result)), {region: 'Zürich'});
    },

    async 'read-resource'(peer) {
        const resources = await all(peer, 'listResources', 'resources');
        assert.ok(resources.some((resource) => resource.uri === 'test://static-text'));
        const text = await peer.client.readResource({uri: 'test://static-text'});
        assert.match(text.contents[0].text, /static text/);
        const binary = await peer.client.readResource({uri: 'test://static-binary'});
        assert.equal(Buffer.from(binary.contents[0].blob, 'base64').subarray(1, 4).toString(), 'PNG');
    },

    async 'read-template'(peer) {
        const templates = await all(peer, 'listResourceTemplates', 'resourceTemplates');
        assert.ok(templates.some((template) => template.uriTemplate === 'test://template/{id}/data'));
        const {contents} = await peer.client.readResource({uri: 'test://template/a%20b/data'});
        assert.equal(JSON.parse(contents[0].text).id, 'a b');
    },

    async 'unknown-resource'(peer) {
        const error = await expectError(peer.client.readResource({uri: 'test://not/there'}), peer.resourceNotFound);
        assert.equal(error.data?.uri, 'test://not/there');
    },

    async 'get-prompt'(peer) {
        const prompts = await all(peer, 'listPrompts', 'prompts');
        assert.ok(prompts.find((prompt) => prompt.name === 'test_prompt_with_arguments').arguments[0].required);
        const {messages} = await peer.client.getPrompt({
            name: 'test_prompt_with_arguments', arguments: {arg1: NAME, arg2: '2'},
        });
        assert.equal(messages[0].content.text, `Prompt with arguments: arg1='${NAME}', arg2='2'`);
        await expectError(peer.client.getPrompt({name: 'test_prompt_with_arguments', arguments: {}}), -32602);
    },

    async complete(peer) {
        const prompt = await peer.client.complete({
            ref: {type: 'ref/prompt', name: 'test_prompt_with_arguments'}, argument: {name: 'arg1', value: 'testV'},
        });
        assert.deepEqual(prompt.completion.values, ['testValue1', 'testValue2']);
        const template = await peer.client.complete({
            ref: {type: 'ref/resource', uri: 'test://template/{id}/data'}, argument: {name: 'id', value: '12'},
        });
        assert.deepEqual(template.completion.values, ['123', '124']);
    },

    async progress(peer) {
        const seen = [];
        await peer.call('test_tool_with_progress', {}, {onprogress: ({progress}) => seen.push(progress)});
        // An SDK that reads an answer together with what came right before it drops that.
        const all = peer.readsEventsTogether && seen.length === 2 ? [0, 50] : [0, 50, 100];
        assert.deepEqual(seen, all);
    },

    async logging(peer) {
        const seen = [];
        peer.onNotification('notifications/message', ({level, data}) => seen.push([level, data]));
        await peer.callLogging('debug', 'test_tool_with_logging', {});
        assert.equal(seen.length, 3, JSON.stringify(seen));
        assert.deepEqual(seen[0], ['info', 'Tool execution started']);
        await peer.callLogging('error', 'test_tool_with_logging', {});
        assert.equal(seen.length, 3, 'messages below the level arrived');
    },

    async elicit(peer) {
        let asked;
        peer.onElicit((params) => {
            asked = params;
            return {action: 'accept', content: {name: NAME}};
        });
        const result = await peer.call('test_input_required_result_elicitation', {});
        assert.equal(textOf(result), `Hello, ${NAME}!`);
        assert.equal(asked.requestedSchema.properties.name.type, 'string');
    },

    async 'elicit-decline'(peer) {
        peer.onElicit(() => ({action: 'decline'}));
        const result = await peer.call('test_input_required_result_elicitation', {});
        assert.equal(textOf(result), 'Hello, whoever you are!');
    },

    async 'elicit-argument'(peer) {
        let asked;
        peer.onElicit((params) => {
            asked = params.message;
            return {action: 'accept', content: {username: 'u', email: 'u@example.com'}};
        });
        const result = await peer.call('test_elicitation', {message: NAME});
        assert.equal(asked, NAME);
        assert.match(textOf(result), /u@example\.com/);
    },

    async sampling(peer) {
        peer.onSample(({messages, maxTokens}) => ({
            role: 'assistant', model: 'test', content: {type: 'text', text: `${messages[0].content.text}, ${maxTokens}`},
        }));
        assert.equal(textOf(await peer.call('test_sampling', {prompt: NAME})), `LLM response: ${NAME}, 100`);
    },

    async roots(peer) {
        const result = await peer.call('test_input_required_result_list_roots', {});
        assert.match(textOf(result), /file:\/\/\/interop/);
    },

    async 'several-rounds'(peer) {
        const asked = [];
        peer.onElicit(({message}) => {
            asked.push(message);
            return {action: 'accept', content: asked.length === 1 ? {name: 'Alice'} : {color: 'blue'}};
        });
        const result = await peer.call('test_input_required_result_multi_round', {});
        assert.equal(textOf(result), 'Alice likes blue');
        assert.equal(asked.length, 2);
    },

    async 'several-inputs'(peer) {
        peer.onElicit(() => ({action: 'accept', content: {name: 'Alice'}}));
        peer.onSample(() => ({role: 'assistant', model: 'test', content: {type: 'text', text: 'good morning'}}));
        const text = textOf(await peer.call('test_input_required_result_multiple_inputs', {}));
        for (const part of ['Alice', 'good morning', 'file:///interop']) assert.ok(text.includes(part), text);
    },

    async 'prompt-elicit'(peer) {
        peer.onElicit(() => ({action: 'accept', content: {context: 'rain'}}));
        const {messages} = await peer.client.getPrompt({name: 'test_input_required_result_prompt'});
        assert.equal(messages[0].content.text, 'With this context: rain');
    },

    async subscribe(peer) {
        const updated = signal();
        peer.onNotification('notifications/resources/updated', ({uri}) => updated.settle(uri));
        const subscription = await peer.subscribe({resourceSubscriptions: [WATCHED]});
        const before = (await peer.client.readResource({uri: WATCHED})).contents[0].text;
        await peer.call('test_trigger_resource_update', {});
        assert.equal(await updated.promise, WATCHED);
        const after = (await peer.client.readResource({uri: WATCHED})).contents[0].text;
        assert.notEqual(after, before);
        await subscription.close();
    },

    async 'list-changed'(peer) {
        const changed = signal();
        peer.onNotification('notifications/tools/list_changed', changed.settle);
        const subscription = await peer.subscribe({toolsListChanged: true});
        await peer.call('test_trigger_tool_change', {});
        await changed.promise;
        await subscription.close();
    },

    // What was unsubscribed stays away: a later notification of another kind arrives first.
    async unsubscribe(peer) {
        const prompts = signal();
        let updates = 0;
        peer.onNotification('notifications/resources/updated', () => updates++);
        peer.onNotification('notifications/prompts/list_changed', prompts.settle);
        const resource = await peer.subscribe({resourceSubscriptions: [WATCHED]});
        await resource.close();
        const subscription = await peer.subscribe({promptsListChanged: true});
        await peer.call('test_trigger_resource_update', {});
        await peer.call('test_trigger_prompt_change', {});
        await prompts.promise;
        assert.equal(updates, 0);
        await subscription.close();
    },

    async parallel(peer) {
        const names = Array.from({length: 50}, (_, i) => `number ${i}`);
        const results = await Promise.all(names.map((name) => peer.call('greet', {name})));
        assert.deepEqual(results.map(textOf), names.map((name) => `Hello, ${name}!`));
    },

    async cancel(peer) {
        const abort = new AbortController();
        const call = peer.call('slow_compute', {seconds: 600}, {
            signal: abort.signal, onprogress: () => abort.abort('changed my mind'),
        });
        await assert.rejects(call);
        assert.equal(textOf(await peer.call('greet', {name: 'again'})), 'Hello, again!');
    },

    async ping(peer) {
        if (peer.modern) return skip('this revision has no ping');
        await peer.client.ping();
    },

    async close(peer) {
        await peer.close();
        await assert.rejects(peer.call('greet', {name: 'too late'}));
    },
};

function report(check, ok, detail) {
    process.stdout.write(JSON.stringify({check, ok, detail}) + '\n');
    return ok !== false;
}

async function runOne(name, peer) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing after ${CHECK_MS / 1000} s`)), CHECK_MS);
    });
    try {
        const outcome = await Promise.race([CHECKS[name](peer), late]);
        return outcome instanceof Skip ? report(name, null, outcome.why) : report(name, true);
    } catch (error) {
        return report(name, false, error.message);
    } finally {
        clearTimeout(timer);
    }
}

/** Connects with `connect(url)` and does all checks; the process ends with 0 when none failed. */
export async function main(connect) {
    let failed = 0;
    let peer;
    try {
        peer = await connect(new URL(process.argv[2]));
    } catch (error) {
        report('connect', false, String(error.stack ?? error));
        process.exit(1);
    }
    for (const name of Object.keys(CHECKS)) failed += !(await runOne(name, peer));
    process.exit(failed ? 1 : 0);
}
