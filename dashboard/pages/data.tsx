import { Page } from '../ui/page.tsx';
import { t } from '../i18n/index.ts';

export default function DataPage() {
  return (
    <Page title={t('data.title')}>
      <p>{t('page.soon')}</p>
    </Page>
  );
}
