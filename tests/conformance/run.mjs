// Runs the official conformance suite, both revisions, scored and unscored, against a weir of its own, and fails on
// any failure, any warning, any scenario without results, and a weir that does not end cleanly.
//
// usage: run.mjs BINARY [FOLDER]         a fresh `BINARY serve --config FOLDER/weir.yaml` on a free port
//        run.mjs http://HOST:PORT/mcp [FOLDER]   a server that is running already
// FOLDER is build/conformance unless it is given; what the suite and the server said stays in FOLDER/results.
// Without a weir.yaml of its own, tests/conformance/weir.yaml is used.
import {spawn} from 'node:child_process';
import {createRequire} from 'node:module';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {formatTable, judge, summarise} from './results.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const INSTALLED = path.join(ROOT, 'build/conformance');
const SUITE = path.join(INSTALLED, 'node_modules/@modelcontextprotocol/conformance');
const REVISIONS = ['2025-11-25', '2026-07-28'];
const READY_MS = 60_000;
const STOP_MS = 60_000;
const SUITE_MS = 900_000;

const {parse: parseYaml} = createRequire(path.join(INSTALLED, 'package.json'))('yaml');

function freePort() {
    return new Promise((resolve, reject) => {
        const probe = net.createServer().on('error', reject);
        probe.listen(0, '127.0.0.1', () => {
            const {port} = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

/** Rejects with `what` unless the promise settles in time. */
function within(ms, promise, what) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what} took more than ${ms / 1000} s`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function exitOf(child) {
    return new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', (status, signal) => resolve(signal ?? status));
    });
}

/** Resolves when the server's log says `ready`; all of the log goes to `logFile`. */
function readyOf(child, logFile) {
    const log = fs.createWriteStream(logFile);
    let text = '';
    return new Promise((resolve, reject) => {
        child.stderr.on('data', (chunk) => {
            log.write(chunk);
            text = (text + chunk).slice(-65536);
            if (/\bevent"?[=:]"?ready\b/.test(text)) resolve();
        });
        child.on('error', reject);
        child.on('close', (status, signal) => reject(new Error(`weir ended with ${signal ?? status}:\n${text}`)));
    });
}

async function startServer(binary, config, results) {
    const listen = `127.0.0.1:${await freePort()}`;
    const logFile = path.join(results, 'server.log');
    const child = spawn(binary, ['serve', '--config', config, '--listen', listen], {stdio: ['ignore', 'ignore', 'pipe'], cwd: ROOT});
    const ended = exitOf(child);
    ended.catch(() => {}); // the one who waits for ready is told first
    await within(READY_MS, readyOf(child, logFile), 'getting ready').catch((error) => {
        child.kill('SIGKILL');
        throw error;
    });
    return {url: `http://${listen}/mcp`, child, ended, logFile};
}

/** Complaints about how the server ended: status 0 on SIGTERM is all that is clean, sanitizers included. */
async function stopServer({child, ended, logFile}) {
    child.kill('SIGTERM');
    const status = await within(STOP_MS, ended, 'draining').catch((error) => {
        child.kill('SIGKILL');
        return error.message;
    });
    return status === 0 ? [] : [`FAILURE weir did not end cleanly (${status}); see ${path.relative(ROOT, logFile)}`];
}

async function runSuite(url, revision, results) {
    const folder = path.join(results, revision);
    const log = fs.openSync(path.join(results, `${revision}.log`), 'w');
    fs.mkdirSync(folder, {recursive: true});
    const arguments_ = [path.join(SUITE, 'dist/index.js'), 'server', '--url', url, '--requirements', revision, '-o', folder];
    const child = spawn(process.execPath, arguments_, {stdio: ['ignore', log, log], cwd: results});
    await within(SUITE_MS, exitOf(child), `the suite for ${revision}`).finally(() => child.kill('SIGKILL'));
    const requirements = parseYaml(fs.readFileSync(path.join(SUITE, 'requirements', `${revision}.yaml`), 'utf8'));
    return judge(folder, requirements);
}

async function judgeServer(url, results) {
    const rows = [];
    const complaints = [];
    for (const revision of REVISIONS) {
        const scenarios = await runSuite(url, revision, results);
        rows.push(summarise(revision, 'scored', scenarios.filter((scenario) => scenario.scored)));
        rows.push(summarise(revision, 'unscored', scenarios.filter((scenario) => !scenario.scored)));
        complaints.push(...scenarios.flatMap((scenario) => scenario.complaints.map((text) => `${revision} ${text}`)));
    }
    return {rows, complaints};
}

async function start(target, folder, results) {
    if (/^https?:/.test(target)) return {url: target};
    const own = path.join(folder, 'weir.yaml');
    const config = fs.existsSync(own) ? own : path.join(import.meta.dirname, 'weir.yaml');
    return startServer(path.resolve(target), config, results);
}

async function main([target, folder = INSTALLED]) {
    const results = path.resolve(folder, 'results');
    fs.rmSync(results, {recursive: true, force: true});
    fs.mkdirSync(results, {recursive: true});
    const server = await start(target, path.resolve(folder), results);
    let verdict;
    try {
        verdict = await judgeServer(server.url, results);
    } finally {
        const unclean = server.child ? await stopServer(server) : [];
        verdict?.complaints.push(...unclean);
    }
    if (verdict.complaints.length > 0) console.log(verdict.complaints.join('\n'));
    console.log(formatTable(verdict.rows));
    return verdict.complaints.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    console.log(`FAILURE ${error.message}`);
    return 1;
});
