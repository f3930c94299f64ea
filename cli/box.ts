import { runThings, thingHelp } from './things.ts';

export const summary = 'the boxes of this server: add, list, show, set, rotate-key, rotate-owner, retire';
export const help = thingHelp('box');
export const run = runThings('box');
