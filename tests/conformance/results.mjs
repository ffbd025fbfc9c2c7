// Reads what the conformance suite wrote with `-o DIR` and judges it. The suite's own exit status looks at scored
// scenarios and failures only; here every scenario counts, warnings too, and one that left no results has failed.
import fs from 'node:fs';
import path from 'node:path';

const STATUSES = ['SUCCESS', 'FAILURE', 'WARNING', 'SKIPPED', 'INFO'];
// Scenarios that this version of the suite always skips, whatever the server does.
const ALWAYS_SKIPPED = new Set(['tasks-status-notifications']);

/** The server scenarios of a requirement file (already parsed): [{name, scored}]. */
export function serverScenarios(requirements) {
    const unscored = (requirements.not_scored ?? []).filter((entry) => entry.leg === 'server');
    return [
        ...requirements.server.map((name) => ({name, scored: true})),
        ...unscored.map((entry) => ({name: entry.scenario, scored: false})),
    ];
}

/** The checks of one scenario, or null when it left none: it threw, or never ran. */
function readChecks(folder, name) {
    const stamp = /^\d{4}-\d\d-\d\dT[\d-]+Z$/;
    const prefix = `server-${name}-`;
    const own = fs.readdirSync(folder).filter((entry) => entry.startsWith(prefix) && stamp.test(entry.slice(prefix.length)));
    const file = own.length === 1 && path.join(folder, own[0], 'checks.json');
    return file && fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : null;
}

function judgeScenario(folder, {name, scored}) {
    const checks = readChecks(folder, name);
    const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    for (const check of checks ?? []) counts[check.status] = (counts[check.status] ?? 0) + 1;
    const complaints = (checks ?? [])
        .filter((check) => check.status !== 'SUCCESS' && check.status !== 'INFO' && check.status !== 'SKIPPED')
        .map((check) => `${check.status} ${name}/${check.id}: ${check.errorMessage ?? check.description}`);
    if (checks === null) complaints.push(`FAILURE ${name}: the suite left no results (it threw; see its log)`);
    else if (counts.SUCCESS === 0 && complaints.length === 0 && !ALWAYS_SKIPPED.has(name)) complaints.push(`FAILURE ${name}: no check succeeded`);
    return {name, scored, counts, complaints, passed: complaints.length === 0};
}

/** Judges every scenario of a requirement set by the results in `folder`. */
export function judge(folder, requirements) {
    return serverScenarios(requirements).map((scenario) => judgeScenario(folder, scenario));
}

function total(scenarios, status) {
    return scenarios.reduce((sum, scenario) => sum + scenario.counts[status], 0);
}

/** One row of the table: a set of judged scenarios. */
export function summarise(revision, set, scenarios) {
    return {
        revision,
        set,
        'scenarios passed': `${scenarios.filter((scenario) => scenario.passed).length}/${scenarios.length}`,
        'checks passed': total(scenarios, 'SUCCESS'),
        failed: total(scenarios, 'FAILURE'),
        warnings: total(scenarios, 'WARNING'),
        skipped: total(scenarios, 'SKIPPED'),
        checks: STATUSES.reduce((sum, status) => sum + total(scenarios, status), 0),
    };
}

/** The rows as text, one line each, columns aligned. */
export function formatTable(rows) {
    const names = Object.keys(rows[0]);
    const lines = [names, ...rows.map((row) => names.map((name) => String(row[name])))];
    const widths = names.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
    return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}
