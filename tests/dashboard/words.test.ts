import { describe, expect, it } from 'vitest';
import { en } from '../../dashboard/i18n/en.ts';
import { zh } from '../../dashboard/i18n/zh-TW.ts';

const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1] as string).sort();

describe('words of the pages', () => {
  it('has the same keys in both languages', () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  });

  it('leaves no word empty', () => {
    for (const table of [en, zh])
      for (const [key, text] of Object.entries(table)) expect(text.trim(), key).not.toBe('');
  });

  it('fills the same holes in both languages', () => {
    for (const key of Object.keys(zh) as (keyof typeof zh)[]) expect(holes(en[key]), key).toEqual(holes(zh[key]));
  });

  it('has Chinese in the Chinese table and none in the English one, but for the name of the other language', () => {
    for (const [key, text] of Object.entries(en))
      if (key !== 'lang.switch' && key !== 'lang.label') expect(/[一-鿿]/.test(text), key).toBe(false);
    const latin = Object.entries(zh).filter(
      ([key, text]) => !/[一-鿿]/.test(text) && !/^(lang|distance|time|list\.comma)/.test(key),
    );
    // Only a bare place-holder may have no Chinese at all.
    for (const [key, text] of latin) expect(text.replaceAll(/\{\w+\}|[:：,，\s]/g, ''), key).toBe('');
  });
});
