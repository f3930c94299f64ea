import type { PropertyKey } from './properties.ts';

/** QARTOD flags (IOC 54 V3, as in ioos_qc): the verdict on one value. */
export const FLAG = { good: 1, notEvaluated: 2, suspect: 3, fail: 4, missing: 9 } as const;
export type Flag = (typeof FLAG)[keyof typeof FLAG];

/** Worst first, as ioos_qc aggregates: FAIL > SUSPECT > GOOD > NOT EVALUATED > MISSING. */
const SEVERITY: Record<Flag, number> = { 4: 4, 3: 3, 1: 2, 2: 1, 9: 0 };
export const worse = (a: Flag, b: Flag): Flag => (SEVERITY[a] >= SEVERITY[b] ? a : b);

/**
 * The reasons a flag may have, or a correction may decline; one bit each in a 31-bit mask. `bit` is stored: never change or
 * reuse one. Outside, a reason is written `<property>.<code>`. Words for people stand here once, for API, map and owner.
 */
export const REASONS = [
  { code: 'gross_range', bit: 0, zh: '超出此項目可能的量測範圍', en: 'outside the range this quantity can have' },
  { code: 'plausible_range', bit: 1, zh: '數值罕見地高或低', en: 'unusually high or low' },
  {
    code: 'sentinel',
    bit: 2,
    zh: '感測晶片的錯誤代碼，不是量測值',
    en: 'an error code of the sensor chip, not a measurement',
  },
  {
    code: 'stuck_zero',
    bit: 3,
    zh: '鄰近測點有讀數時此處幾乎為零，風扇或感測器可能故障',
    en: 'next to nothing while neighbours are not: fan or sensor may be dead',
  },
  { code: 'saturated', bit: 4, zh: '濕度長時間停在 100 %', en: 'humidity stays at 100 %' },
  { code: 'flat_line', bit: 5, zh: '數值長時間不變', en: 'has not changed for a long time' },
  {
    code: 'spike',
    bit: 6,
    zh: '單點突升或突降，尚未證實',
    en: 'a lone jump, not confirmed so far',
  },
  { code: 'channels', bit: 7, zh: '兩個量測通道不一致', en: 'the two measuring channels disagree' },
  {
    code: 'size_order',
    bit: 8,
    zh: '同組數值的大小順序不合理（PM1、PM2.5、PM10 或 LAmin、LAeq、LAmax）',
    en: 'values that belong together are not in order (PM1, PM2.5, PM10 or LAmin, LAeq, LAmax)',
  },
  {
    code: 'fog',
    bit: 9,
    zh: '霧、雨或強風干擾量測（霧滴可能被當成微粒）',
    en: 'fog, rain or wind disturbs the measurement (droplets may be counted as particles)',
  },
  { code: 'solar', bit: 10, zh: '日照使機殼升溫', en: 'the case is heated by the sun' },
  { code: 'spatial', bit: 11, zh: '與周圍測點明顯不符', en: 'does not fit the boxes around it' },
  {
    code: 'event',
    bit: 12,
    zh: '附近多個測點或同盒的其他感測器同時升高：真實事件',
    en: 'several boxes nearby, or other sensors of the box, rose together: a real event',
  },
  { code: 'correlation', bit: 13, zh: '長期與鄰近測點不相關', en: 'has not followed its neighbours for days' },
  { code: 'drift', bit: 14, zh: '感測器隨時間漂移', en: 'the sensor drifts' },
  { code: 'outlier', bit: 15, zh: '遠離此測點近兩週的常態', en: 'far from what this box showed in the last weeks' },
  {
    code: 'clock',
    bit: 16,
    zh: '盒子的時鐘不可信，改用收到的時間',
    en: "the box's clock is not believed; the time of receipt is used",
  },
  { code: 'duplicate', bit: 17, zh: '同一時間的重複紀錄', en: 'a second record of the same moment' },
  { code: 'single_channel', bit: 18, zh: '只用一個量測通道', en: 'only one measuring channel was used' },
  {
    code: 'imputed',
    bit: 19,
    zh: '校正所需的濕度取自鄰近測點',
    en: 'the humidity that its correction needs was taken from the boxes around',
  },
  { code: 'no_model', bit: 20, zh: '尚無可用的校正模式', en: 'no correction model applies yet' },
  { code: 'input', bit: 21, zh: '校正所需的輸入不可用', en: 'an input the correction needs is not usable' },
  {
    code: 'extrapolated',
    bit: 22,
    zh: '超出校正模式的訓練範圍',
    en: 'outside what the correction model was fitted on',
  },
  {
    code: 'output_guard',
    bit: 23,
    zh: '校正結果不合理，已拒絕',
    en: 'the corrected value was not credible and was refused',
  },
  { code: 'indoor', bit: 24, zh: '看來裝在室內', en: 'seems to hang indoors' },
  { code: 'near_source', bit: 25, zh: '看來緊鄰污染源', en: 'seems to hang beside a source' },
  { code: 'warm_up', bit: 26, zh: '感測器剛啟動', en: 'the sensor has just been switched on' },
  { code: 'missing', bit: 27, zh: '沒有數值', en: 'no value' },
  { code: 'negative', bit: 28, zh: '不可能的負值', en: 'negative where that cannot be' },
  { code: 'moved', bit: 29, zh: '測點剛移動', en: 'the box has just been moved' },
  {
    code: 'scale',
    bit: 30,
    zh: '長期與鄰近測點差同一個倍數（如 10 倍或 1/10），單位可能設錯',
    en: 'always the same multiple of the boxes around it (such as 10 times or a tenth): probably a wrong unit',
  },
] as const;

export type ReasonCode = (typeof REASONS)[number]['code'];

const bits = new Map<string, number>(REASONS.map((r) => [r.code, 1 << r.bit]));

/** The mask with that one reason set. */
export const reason = (code: ReasonCode): number => bits.get(code) as number;

/** Codes in a mask, in table order. */
export function reasonCodes(mask: number): ReasonCode[] {
  return mask === 0 ? [] : REASONS.filter((r) => mask & (1 << r.bit)).map((r) => r.code);
}

/** `pm25.spike`-like strings, as the API and `backtest` write them. */
export const reasonStrings = (key: PropertyKey, mask: number): string[] => reasonCodes(mask).map((c) => `${key}.${c}`);
