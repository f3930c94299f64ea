import { BACKTEST_HELP, runBacktest } from '../calibration/backtest/command.ts';

export const summary = 'quality control and correction over recorded data, as they would have run live';
export const help = BACKTEST_HELP;
export const run = runBacktest;
