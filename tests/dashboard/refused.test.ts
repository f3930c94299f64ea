import { expect, it } from 'vitest';
import { grouped, split, type Refusal } from '../../dashboard/register/refused.ts';

const refusal = (id: number, receivedAt: string, code = 'conflict', thing = 'box-a'): Refusal => ({ id, receivedAt, topic: '', thing, code, detail: '', payload: '' }); // prettier-ignore
const [early, same, late] = [
  refusal(1, '2026-11-22T03:00:00.000Z'),
  refusal(2, '2026-11-22T03:01:00.000Z'),
  refusal(3, '2026-11-22T03:02:00.000Z'),
];

it('what readings came after is past; of the packet that was taken in part it is current', () => {
  expect(split([late, same, early], () => '2026-11-22T03:01:00.000Z')).toEqual({
    current: [late, same],
    past: [early],
  });
  // The same moment, written with another offset.
  expect(split([same], () => '2026-11-22T11:01:00.001+08:00').past).toEqual([same]);
});

it('of a box that never sent a reading all is current, whatever its neighbours did', () => {
  const other = refusal(4, '2026-11-22T03:00:00.000Z', 'bad-json', 'box-b');
  const found = split([early, other], (r) => (r.thing === 'box-a' ? '2026-11-22T03:05:00Z' : null));
  expect(found).toEqual({ current: [other], past: [early] });
});

it('the same fault of one box is told once, with how often it came', () => {
  const other = refusal(4, '2026-11-22T03:00:00.000Z', 'conflict', 'box-b');
  expect(grouped([late, same, other, early])).toEqual([
    { newest: late, count: 3 },
    { newest: other, count: 1 },
  ]);
});
