import { interpolate, type FieldInput } from './field.ts';

export interface FieldRequest extends FieldInput {
  readonly turn: number;
  readonly gx: Float64Array;
  readonly gy: Float64Array;
}

self.addEventListener('message', (e: MessageEvent<FieldRequest>): void => {
  const { turn, gx, gy } = e.data;
  const grid = interpolate(e.data, gx, gy);
  (self as unknown as { postMessage(m: unknown): void }).postMessage({ turn, ...grid });
});
