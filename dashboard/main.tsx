/** Entry of every page: finds the page of the address and draws it. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import './style/tokens.css';
import './style/base.css';
import './style/map.css';
import { follow, watch } from './values/feed.ts';
import { nearBox } from './values/near.ts';
import { dataLevels, lang, view } from './state/app.ts';
import { t } from './i18n/index.ts';
import { pageOf } from './pages/index.ts';

effect(() => {
  document.documentElement.lang = lang.value === 'en' ? 'en' : 'zh-Hant-TW';
});

const app = document.getElementById('app') as HTMLElement;
const page = pageOf(location.pathname);
// The values are on their way while the map library is still being read.
if (location.pathname === '/' || location.pathname === '/embed/map') {
  watch(nearBox(view.value, innerWidth, innerHeight, ''));
  follow(view.value.property, dataLevels.value);
}
const { default: Page } = await page.load();
effect(() => {
  document.title = page.title ? `${t(page.title)} · ${t('app.name')}` : `${t('app.name')} · ${t('app.tagline')}`;
});
render(<Page params={page.params} />, app);

/** Keeps the page and the last values for when there is no network. Embeds leave nothing behind in other people's pages. */
async function keepOffline(): Promise<void> {
  try {
    await navigator.serviceWorker.register('/sw.js');
    const { active } = await navigator.serviceWorker.ready;
    active?.postMessage(performance.getEntriesByType('resource').map((e) => e.name));
  } catch {
    return; // Private windows refuse service workers; the page works without.
  }
}
if ('serviceWorker' in navigator && import.meta.env.MODE !== 'development' && !location.pathname.startsWith('/embed/'))
  void keepOffline();
