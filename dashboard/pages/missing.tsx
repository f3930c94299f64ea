import { Page } from '../ui/page.tsx';
import { t } from '../i18n/index.ts';

export default function MissingPage() {
  return (
    <Page title={t('page.missing')}>
      <p>
        <a href="/">{t('page.home')}</a>
      </p>
    </Page>
  );
}
