import { Page } from '../ui/page.tsx';
import { t } from '../i18n/index.ts';

export default function RegisterPage() {
  return (
    <Page title={t('register.title')}>
      <p>{t('page.soon')}</p>
    </Page>
  );
}
