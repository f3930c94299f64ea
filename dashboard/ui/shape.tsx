/** The map's shapes as small drawings, for legend and lists. */
import type { Shape } from '../map/marks.ts';

export function ShapeIcon({
  shape,
  colour = 'var(--ink-3)',
  hollow = false,
  size = 18,
}: {
  shape: Shape;
  colour?: string;
  hollow?: boolean;
  size?: number;
}) {
  const line = { stroke: 'var(--ink)', 'stroke-width': 1.2, fill: colour };
  return (
    <svg class="shape" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      {shape === 'circle' && <circle cx="10" cy="10" r="6.5" {...line} />}
      {shape === 'diamond' && <path d="M10 1.5 18.5 10 10 18.5 1.5 10z" {...line} stroke-width={2} />}
      {shape === 'square' && <rect x="4.2" y="4.2" width="11.6" height="11.6" rx="1.5" {...line} />}
      {shape === 'triangle' && <path d="M10 2.6 17.8 16.4H2.2z" {...line} stroke-linejoin="round" />}
      {shape === 'cross' && <path d="M5 5l10 10M15 5L5 15" stroke="var(--grey-mark)" stroke-width="3" />}
      {shape === 'dot' && (
        <circle cx="10" cy="10" r="3.6" stroke="var(--ink)" stroke-width="1" fill="var(--grey-mark)" />
      )}
      {shape === 'ring' && <circle cx="10" cy="10" r="5.5" fill="none" stroke="var(--grey-mark)" stroke-width="2" />}
      {shape === 'cluster' && (
        <>
          <circle cx="10" cy="10" r="9" fill={colour} />
          <circle cx="10" cy="10" r="8" fill="none" stroke="var(--card)" stroke-width="2" />
        </>
      )}
      {hollow && <circle cx="10" cy="10" r="2.4" fill="var(--card)" />}
    </svg>
  );
}
