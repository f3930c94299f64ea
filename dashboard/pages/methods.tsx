import { Page } from '../ui/page.tsx';
import { t } from '../i18n/index.ts';

export default function MethodsPage() {
  return (
    <Page title={t('methods.title')}>
      <p>{t('page.soon')}</p>
    </Page>
  );
}
