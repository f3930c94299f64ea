/** Which page an address is. A new page is one file here that exports a component, and one line in this list. */
import type { ComponentType } from 'preact';
import type { Key } from '../i18n/index.ts';

export interface PageProps {
  /** What the parts in brackets of the path matched. */
  readonly params: readonly string[];
}
export interface PageModule {
  readonly default: ComponentType<PageProps>;
}

interface Route {
  readonly path: RegExp;
  /** Null where the page sets its own title. */
  readonly title: Key | null;
  readonly load: () => Promise<PageModule>;
}

const ROUTES: readonly Route[] = [
  { path: /^\/(?:index\.html)?$/, title: null, load: () => import('./map.tsx') },
  { path: /^\/boxes\/([a-z0-9-]{8,40})\/?$/, title: 'panel.box', load: () => import('./box.tsx') },
  { path: /^\/townships\/?$/, title: 'nav.townships', load: () => import('./townships.tsx') },
  { path: /^\/compare\/?$/, title: 'compare.title', load: () => import('./compare.tsx') },
  { path: /^\/methods\/?$/, title: 'methods.title', load: () => import('./methods.tsx') },
  { path: /^\/register\/?$/, title: 'register.title', load: () => import('./register.tsx') },
  { path: /^\/fleet\/?$/, title: null, load: () => import('./fleet.tsx') },
  { path: /^\/embed\/(map|value|chart)\/?$/, title: null, load: () => import('./embed.tsx') },
];

export interface Found {
  readonly title: Key | null;
  readonly params: readonly string[];
  readonly load: () => Promise<PageModule>;
}

export function pageOf(pathname: string): Found {
  for (const r of ROUTES) {
    const m = r.path.exec(pathname);
    if (m) return { title: r.title, params: m.slice(1), load: r.load };
  }
  return { title: 'page.missing', params: [], load: () => import('./missing.tsx') };
}
