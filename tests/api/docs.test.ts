import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CSV_HEADER } from '../../api/csv.ts';
import { PROBLEM_TYPES } from '../../api/problem.ts';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

test('docs/api.md lists each problem type, with its status and title, and no other', () => {
  const rows = [...page.matchAll(/^\| `\/problems\/([a-z-]+)` +\| (\d{3}) +\| (.+?) +\|$/gm)].map((m) => [
    m[1],
    Number(m[2]),
    m[3],
  ]);
  expect(rows).toEqual(Object.entries(PROBLEM_TYPES).map(([type, [status, title]]) => [type, status, title]));
});

test('docs/api.md names the CSV columns of the contract', () => {
  expect(page).toContain(`\`${CSV_HEADER}\``);
  expect(CSV_HEADER).toBe('phenomenonTime,value,unit,level,flag,reasons,lo90,hi90,model,licence');
});
