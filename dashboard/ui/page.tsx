/** The frame of every text page. */
import type { ComponentChildren } from 'preact';
import { Header } from './header.tsx';
import { t } from '../i18n/index.ts';

export function Page({
  title,
  lead,
  children,
  wide = false,
}: {
  title: string;
  lead?: string;
  children: ComponentChildren;
  wide?: boolean;
}) {
  return (
    <>
      <Header />
      <main id="main" class={wide ? 'text wide' : 'text'} tabIndex={-1}>
        <h1>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
        {children}
      </main>
      <footer class="foot">
        <span>{t('foot.data')}</span>
        <span>{t('foot.base')}</span>
        <span>{t('foot.code')}</span>
      </footer>
    </>
  );
}
