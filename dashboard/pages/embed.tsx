import { Page } from '../ui/page.tsx';
import { t } from '../i18n/index.ts';

export default function EmbedPage() {
  return (
    <Page title={t('page.missing')}>
      <p>
        <a href="/">{t('page.home')}</a>
      </p>
    </Page>
  );
}
