import { signal } from '@preact/signals';

/** Now, advancing every 20 seconds: ages and fading follow it. */
export const minute = signal(Date.now());
setInterval(() => (minute.value = Date.now()), 20_000);
