/** A label for the box: QR code of its page, name and id; no secret. */
import QRCode from 'qrcode';
import { useEffect, useState } from 'preact/hooks';
import { v } from '../i18n/volunteers.ts';

export function QrCode({ text, label }: { text: string; label: string }) {
  const [svg, setSvg] = useState('');
  useEffect(() => {
    let alive = true;
    // M: a label outdoors loses a corner now and then.
    const draw = async (): Promise<void> => {
      const made = await QRCode.toString(text, { type: 'svg', errorCorrectionLevel: 'M', margin: 2 });
      if (alive) setSvg(made);
    };
    void draw();
    return () => {
      alive = false;
    };
  }, [text]);
  return <span class="qr" role="img" aria-label={label} dangerouslySetInnerHTML={{ __html: svg }} />;
}

export function Label({ id, name, origin }: { id: string; name: string; origin: string }) {
  return (
    <div class="label">
      <QrCode text={`${origin}/boxes/${id}`} label={v('done.label.qr')} />
      <div>
        <b>Lamppost 街燈</b>
        <strong>
          <bdi>{name || id}</bdi>
        </strong>
        <code>{id}</code>
        <span>{origin.replace(/^https?:\/\//, '')}</span>
      </div>
    </div>
  );
}

/** Prints the labels of the page and nothing else. */
export function printLabels(): void {
  document.body.classList.add('labels-only');
  addEventListener('afterprint', () => document.body.classList.remove('labels-only'), { once: true });
  print();
}
