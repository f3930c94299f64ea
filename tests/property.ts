/**
 * fast-check with a seed, so that a run says of the code what the run before said. `FC_SEED` looks elsewhere; what that finds becomes a
 * case of its own.
 */
import { configureGlobal } from 'fast-check';

configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 1) });

export * from 'fast-check';
