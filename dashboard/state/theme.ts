import { signal } from '@preact/signals';

const query = matchMedia('(prefers-color-scheme: dark)');
/** Follows the system; map and charts take their colours from it. */
export const dark = signal(query.matches);
query.addEventListener('change', () => (dark.value = query.matches));
