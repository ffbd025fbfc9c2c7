// Shows that the judge of the conformance results can say no: each row is what the suite may have left behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import {formatTable, judge, summarise} from './results.mjs';

const REQUIREMENTS = {
    server: ['tools-list'],
    not_scored: [
        {scenario: 'tasks-lifecycle', leg: 'server', reason: 'extension'},
        {scenario: 'tasks-status-notifications', leg: 'server', reason: 'extension'},
        {scenario: 'auth/dpop', leg: 'client', reason: 'extension'},
    ],
};
const STAMP = '2026-07-28T10-11-12-345Z';
const check = (status) => ({id: 'a-check', name: 'A', description: 'what it is', status});
const good = {
    'server-tools-list': [check('SUCCESS')],
    'server-tasks-lifecycle': [check('SUCCESS')],
    'server-tasks-status-notifications': [check('SKIPPED')],
};

function judged(results) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
    try {
        for (const [name, checks] of Object.entries(results)) {
            if (checks === undefined) continue;
            const own = path.join(folder, `${name}-${STAMP}`);
            fs.mkdirSync(own);
            if (checks) fs.writeFileSync(path.join(own, 'checks.json'), JSON.stringify(checks));
        }
        return judge(folder, REQUIREMENTS);
    } finally {
        fs.rmSync(folder, {recursive: true});
    }
}

const rows = [
    ['all succeeded', good, []],
    ['information and skipped checks are no complaint', {...good, 'server-tools-list': [check('SUCCESS'), check('INFO'), check('SKIPPED')]}, []],
    ['a failure', {...good, 'server-tools-list': [check('SUCCESS'), check('FAILURE')]}, [/^FAILURE tools-list\/a-check: what it is/]],
    ['a warning', {...good, 'server-tools-list': [check('SUCCESS'), check('WARNING')]}, [/^WARNING tools-list/]],
    ['a failure that is not scored', {...good, 'server-tasks-lifecycle': [check('FAILURE')]}, [/^FAILURE tasks-lifecycle/]],
    ['an unknown status', {...good, 'server-tools-list': [check('SUCCESS'), check('EXPLODED')]}, [/^EXPLODED tools-list/]],
    ['nothing but skipped checks', {...good, 'server-tools-list': [check('SKIPPED')]}, [/no check succeeded/]],
    ['a scenario that threw', {...good, 'server-tools-list': null}, [/left no results/]],
    ['a scenario that never ran', {...good, 'server-tasks-lifecycle': undefined}, [/tasks-lifecycle: the suite left no results/]],
    ['another scenario with a longer name', {...good, 'server-tools-list': null, 'server-tools-list-more': [check('SUCCESS')]}, [/left no results/]],
];

for (const [name, results, expected] of rows) {
    test(name, () => {
        const complaints = judged(results).flatMap((scenario) => scenario.complaints);
        assert.equal(complaints.length, expected.length, complaints.join('\n'));
        expected.forEach((pattern, index) => assert.match(complaints[index], pattern));
    });
}

test('the table counts scenarios and checks', () => {
    const scenarios = judged({...good, 'server-tools-list': [check('SUCCESS'), check('WARNING'), check('FAILURE')]});
    const row = summarise('2026-07-28', 'both', scenarios);
    assert.deepEqual(Object.values(row), ['2026-07-28', 'both', '2/3', 2, 1, 1, 1, 5]);
    assert.match(formatTable([row]), /^revision {4}set /);
});
