import { describe, expect, it } from 'vitest';
import { classOf, effectiveScale, inkOn, palette, SCALES, scalesFor } from '../../dashboard/scales/scales.ts';

const name = (scale: string, key: 'pm25' | 'pm10' | 'o3', value: number): string | undefined => {
  const p = palette(scale, key, false, false);
  return p.classes[classOf(p, value)]?.name.en.toLowerCase();
};

describe('colour scales', () => {
  // Limits as published (calibration note §4): Taiwan rounds, the US EPA truncates to 0.1.
  it.each([
    ['tw_aqi', 12.4, 'good'],
    ['tw_aqi', 12.44, 'good'],
    ['tw_aqi', 12.46, 'moderate'],
    ['tw_aqi', 30.5, 'unhealthy for sensitive groups'],
    ['tw_aqi', 50.5, 'unhealthy'],
    ['tw_aqi', 125.5, 'very unhealthy'],
    ['tw_aqi', 400, 'hazardous'],
    ['tw_aqi', 9999, 'hazardous'],
    ['tw_aqi', -3, 'good'],
    ['us_aqi', 9.09, 'good'],
    ['us_aqi', 9.1, 'moderate'],
    ['us_aqi', 35.5, 'unhealthy for sensitive groups'],
    ['eaqi', 5, 'good'],
    ['eaqi', 15.1, 'moderate'],
    ['tw_ten', 71, 'level 10, very high'],
  ])('%s puts %d µg/m³ into "%s"', (scale, value, said) => {
    expect(name(scale, 'pm25', value)).toBe(said);
  });

  it('ozone is coloured from 0 on by the eight-hour table, PM10 by whole numbers', () => {
    expect(name('tw_aqi', 'o3', 30)).toBe('good');
    expect(name('tw_aqi', 'o3', 71)).toBe('unhealthy for sensitive groups');
    expect(name('tw_aqi', 'pm10', 30.4)).toBe('good');
    expect(name('tw_aqi', 'pm10', 30.5)).toBe('moderate');
    expect(palette('tw_aqi', 'o3', false, false).rule.averaging.en).toBe('8 h means');
    expect(palette('tw_aqi', 'pm25', false, false).rule.averaging.en).toMatch(/real-time/);
  });

  it('covers every value once: classes rise and end open', () => {
    for (const scale of SCALES)
      for (const [key, list] of Object.entries(scale.classes)) {
        const limits = list.map((c) => c.to);
        expect(limits.at(-1), `${scale.id} ${key}`).toBe(Infinity);
        expect(
          [...limits].sort((a, b) => a - b),
          `${scale.id} ${key}`,
        ).toEqual(limits);
      }
  });

  it('falls back to plain values where a scale knows nothing of a quantity', () => {
    expect(effectiveScale('tw_aqi', 'temperature').id).toBe('plain');
    expect(scalesFor('temperature').map((s) => s.id)).toEqual(['plain']);
    expect(palette('tw_aqi', 'battery', false, false).classes.length).toBeGreaterThan(0);
  });

  it('names every averaging but that of plain values', () => {
    for (const s of SCALES)
      for (const key of Object.keys(s.classes) as (keyof typeof s.classes)[]) {
        if (s.id === 'plain') continue;
        const { averaging } = palette(s.id, key, false, false).rule;
        expect(averaging.zh && averaging.en && s.source, `${s.id} ${key}`).toBeTruthy();
      }
  });

  it('keeps the order of the safe colours readable in grey: lightness falls', () => {
    const lightness = (hex: string): number =>
      [1, 3, 5].reduce(
        (sum, i, k) => sum + Number.parseInt(hex.slice(i, i + 2), 16) * ([0.299, 0.587, 0.114][k] as number),
        0,
      );
    for (const s of ['tw_aqi', 'us_aqi', 'eaqi', 'plain', 'tw_ten']) {
      const values = palette(s, 'pm25', false, true).classes.map((c) => lightness(c.color));
      for (let i = 1; i < values.length; i++) expect(values[i], `${s} ${i}`).toBeLessThan(values[i - 1] as number);
    }
  });

  it('writes on every class colour with a contrast of at least 4.5', () => {
    const luminance = (hex: string): number => {
      const [r, g, b] = [1, 3, 5].map((i) => {
        const c = Number.parseInt(hex.slice(i, i + 2), 16) / 255;
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    for (const s of SCALES)
      for (const list of Object.values(s.classes))
        for (const c of list) {
          const [a, b] = [luminance(c.color), luminance(inkOn(c.color))].sort((x, y) => y - x) as [number, number];
          expect((a + 0.05) / (b + 0.05), `${s.id} ${c.color}`).toBeGreaterThan(4.5);
        }
  });
});
