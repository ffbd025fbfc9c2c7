// Runs the official conformance suite, both revisions, scored and unscored, against a weir of its own, and fails on
// any failure, any warning, any scenario without results, and a weir that does not end cleanly.
//
// usage: run.mjs BINARY [CONFIG]     a fresh `BINARY serve --config CONFIG` on a free port
//        run.mjs http://HOST:PORT/mcp   a server that is running already
import {spawn} from 'node:child_process';
import {createRequire} from 'node:module';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import {formatTable, judge, summarise} from './results.mjs';

const ROOT = path.resolve(import.meta.dirname, '../..');
const INSTALLED = path.join(ROOT, 'build/conformance');
const SUITE = path.join(INSTALLED, 'node_modules/@modelcontextprotocol/conformance');
const RESULTS = path.join(INSTALLED, 'results');
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
            if (/\bready\b/.test(text)) resolve();
        });
        child.on('exit', (status, signal) => reject(new Error(`weir ended with ${signal ?? status}:\n${text}`)));
    });
}

async function startServer(binary, config) {
    const listen = `127.0.0.1:${await freePort()}`;
    const logFile = path.join(RESULTS, 'server.log');
    const child = spawn(binary, ['serve', '--config', config, '--listen', listen], {stdio: ['ignore', 'ignore', 'pipe'], cwd: ROOT});
    const ended = exitOf(child);
    ended.catch(() => {}); // the one who waits for ready is told first
    await within(READY_MS, Promise.race([readyOf(child, logFile), ended]), 'getting ready');
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

async function runSuite(url, revision) {
    const folder = path.join(RESULTS, revision);
    const log = fs.openSync(path.join(RESULTS, `${revision}.log`), 'w');
    fs.mkdirSync(folder, {recursive: true});
    const arguments_ = [path.join(SUITE, 'dist/index.js'), 'server', '--url', url, '--requirements', revision, '-o', folder];
    const child = spawn(process.execPath, arguments_, {stdio: ['ignore', log, log], cwd: RESULTS});
    await within(SUITE_MS, exitOf(child), `the suite for ${revision}`).finally(() => child.kill('SIGKILL'));
    const requirements = parseYaml(fs.readFileSync(path.join(SUITE, 'requirements', `${revision}.yaml`), 'utf8'));
    return judge(folder, requirements);
}

async function judgeServer(url) {
    const rows = [];
    const complaints = [];
    for (const revision of REVISIONS) {
        const scenarios = await runSuite(url, revision);
        rows.push(summarise(revision, 'scored', scenarios.filter((scenario) => scenario.scored)));
        rows.push(summarise(revision, 'unscored', scenarios.filter((scenario) => !scenario.scored)));
        complaints.push(...scenarios.flatMap((scenario) => scenario.complaints.map((text) => `${revision} ${text}`)));
    }
    return {rows, complaints};
}

async function main([target, config = path.join(import.meta.dirname, 'weir.yaml')]) {
    fs.rmSync(RESULTS, {recursive: true, force: true});
    fs.mkdirSync(RESULTS, {recursive: true});
    const server = /^https?:/.test(target) ? {url: target} : await startServer(path.resolve(target), path.resolve(config));
    let verdict;
    try {
        verdict = await judgeServer(server.url);
    } finally {
        const unclean = server.child ? await stopServer(server) : [];
        verdict?.complaints.push(...unclean);
    }
    if (verdict.complaints.length > 0) console.log(verdict.complaints.join('\n'));
    console.log(formatTable(verdict.rows));
    return verdict.complaints.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
