import { signal } from '@preact/signals';

const query = matchMedia('screen and (prefers-color-scheme: dark)');
/** Follows the system, and is light on paper; map and charts take their colours from it. */
export const dark = signal(query.matches);
query.addEventListener('change', () => (dark.value = query.matches));
