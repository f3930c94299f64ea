import { runThings, thingHelp } from './things.ts';

export const summary = 'the reference stations: add, list, show, set, rotate-key, rotate-owner, retire';
export const help = thingHelp('station');
export const run = runThings('station');
