/** How values are made, for a careful citizen: what was measured, what was changed, how sure we are, how to check us. */
import { REASONS } from '../../model/flags.ts';
import { t } from '../i18n/index.ts';
import { lang } from '../state/app.ts';
import { Page } from '../ui/page.tsx';
import { BACKTEST_COMMAND, METHODS } from './methods-text.ts';

export default function MethodsPage() {
  const chinese = lang.value === 'zh-TW';
  return (
    <Page title={t('methods.title')}>
      {METHODS[lang.value].map((section) => (
        <section key={section.title}>
          <h2>{section.title}</h2>
          {section.text.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
          {section.table && (
            <div class="scroll" tabIndex={0} role="region" aria-label={section.title}>
              <table>
                <thead>
                  <tr>
                    {section.table.head.map((h) => (
                      <th key={h} scope="col">
                        {h}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {section.table.rows.map(([first, ...rest]) => (
                    <tr key={first}>
                      <th scope="row">{first}</th>
                      {rest.map((cell, i) => (
                        <td key={i}>{cell}</td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      ))}
      <pre tabIndex={0}>
        <code>{BACKTEST_COMMAND}</code>
      </pre>
      <h2>{t('methods.reasons')}</h2>
      <dl>
        {REASONS.map((r) => (
          <div key={r.code}>
            <dt>
              <code>{r.code}</code>
            </dt>
            <dd>{chinese ? r.zh : r.en}</dd>
          </div>
        ))}
      </dl>
    </Page>
  );
}
