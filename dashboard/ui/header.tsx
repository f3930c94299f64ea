import { lang, go, remember } from '../state/app.ts';
import { t, type Key } from '../i18n/index.ts';

/** Pages in the main menu. A page is a file in `pages/`; it gets into the menu by a line here. */
const MENU: readonly (readonly [path: string, key: Key])[] = [
  ['/', 'nav.map'],
  ['/townships', 'nav.townships'],
  // On a phone the menu is cut off behind the third: nobody looks for a page he does not know of.
  ['/register', 'nav.register'],
  ['/data', 'nav.data'],
  ['/methods', 'nav.methods'],
];

export function Header() {
  const other = lang.value === 'en' ? 'zh-TW' : 'en';
  const query = lang.value === 'en' || new URLSearchParams(location.search).has('lang') ? `?lang=${lang.value}` : '';
  return (
    <header class="top">
      <a class="skip" href="#main">
        {t('nav.skip')}
      </a>
      <a class="brand" href={`/${query}`} aria-label={t('app.name')}>
        <img src="/icon.svg" alt="" width="30" height="30" />
        <span>{t('app.name')}</span>
      </a>
      <nav aria-label={t('nav.main')}>
        {MENU.map(([path, key]) => (
          <a
            key={path}
            href={path + query}
            {...(location.pathname === path ? { 'aria-current': 'page' as const } : {})}
          >
            {t(key)}
          </a>
        ))}
      </nav>
      <button
        type="button"
        class="lang"
        lang={other === 'en' ? 'en' : 'zh-Hant-TW'}
        title={t('lang.label')}
        onClick={() => {
          remember('lamppost.lang', other);
          go({ lang: other }, false);
        }}
      >
        {t('lang.switch')}
      </button>
    </header>
  );
}
