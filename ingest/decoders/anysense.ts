/**
 * AnySense (LinkIt Smart 7688): LASS pipes built from a Python dict, so the order is free; FAKE_GPS=1 beside fmt_opt=0 with
 * decimal degrees; `tick` in seconds of uptime; 0 sent before the first read. The grammar is LASS's; formats §1.3, §1.8.
 */
import type { Decoder } from '../decoder.ts';
import { decodeLass } from './lass.ts';

export const anysense: Decoder = { format: 'anysense', openTopics: ['LASS/Test/PM25/AnySense'], decode: decodeLass };
