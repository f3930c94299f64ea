/** Values as text over the points, on a canvas of its own: any font, any script, no glyph server. */
import type { Map as MapLibre } from 'maplibre-gl';
import { inkOn } from '../scales/scales.ts';

export interface Label {
  readonly lon: number;
  readonly lat: number;
  readonly text: string;
  /** `#rrggbb` of what lies under it. */
  readonly under: string;
  readonly size: number;
  readonly alpha: number;
}

/** The purple of 紫豹, the purple panther. */
export const EVENT_COLOUR = '#a020c8';

export interface EventPlace {
  readonly lon: number;
  readonly lat: number;
  /** Pixels. */
  readonly radius: number;
}

export class LabelCanvas {
  readonly #canvas = document.createElement('canvas');
  readonly #map: MapLibre;
  #labels: readonly Label[] = [];
  /** Place of a ring drawn round the chosen box. */
  #chosen: { lon: number; lat: number; radius: number; colour: string } | null = null;
  /** Places where several boxes rose together. */
  #events: readonly EventPlace[] = [];
  #me: { lon: number; lat: number } | null = null;

  constructor(map: MapLibre) {
    this.#map = map;
    this.#canvas.className = 'map-labels';
    this.#canvas.setAttribute('aria-hidden', 'true');
    map.getCanvasContainer().append(this.#canvas);
    map.on('render', () => this.#draw());
  }

  set(labels: readonly Label[]): void {
    this.#labels = labels;
    this.#map.triggerRepaint();
  }

  choose(place: { lon: number; lat: number; radius: number; colour: string } | null): void {
    this.#chosen = place;
    this.#map.triggerRepaint();
  }

  events(places: readonly EventPlace[]): void {
    this.#events = places;
    this.#map.triggerRepaint();
  }

  me(place: { lon: number; lat: number } | null): void {
    this.#me = place;
    this.#map.triggerRepaint();
  }

  #draw(): void {
    const gl = this.#map.getCanvas();
    const ratio = this.#map.getPixelRatio();
    if (this.#canvas.width !== gl.width || this.#canvas.height !== gl.height) {
      this.#canvas.width = gl.width;
      this.#canvas.height = gl.height;
      this.#canvas.style.width = gl.style.width;
      this.#canvas.style.height = gl.style.height;
    }
    const c = this.#canvas.getContext('2d');
    if (!c) return;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, gl.width, gl.height);
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    for (const l of this.#labels) {
      const p = this.#map.project([l.lon, l.lat]);
      c.globalAlpha = l.alpha;
      c.font = `600 ${l.size}px "Noto Sans TC", system-ui, sans-serif`;
      c.fillStyle = inkOn(l.under);
      c.fillText(l.text, p.x, p.y + 0.5);
    }
    c.globalAlpha = 1;
    c.lineWidth = 2.5;
    c.strokeStyle = EVENT_COLOUR;
    for (const e of this.#events) {
      const p = this.#map.project([e.lon, e.lat]);
      c.beginPath();
      for (const r of [e.radius, e.radius + 5]) {
        c.moveTo(p.x + r, p.y);
        c.arc(p.x, p.y, r, 0, 7);
      }
      c.stroke();
    }
    if (this.#me) {
      const p = this.#map.project([this.#me.lon, this.#me.lat]);
      c.beginPath();
      c.arc(p.x, p.y, 7, 0, 7);
      c.fillStyle = '#1e6fd0';
      c.fill();
      c.lineWidth = 3;
      c.strokeStyle = '#fff';
      c.stroke();
    }
    if (this.#chosen) {
      const p = this.#map.project([this.#chosen.lon, this.#chosen.lat]);
      c.beginPath();
      c.arc(p.x, p.y, this.#chosen.radius, 0, 7);
      c.lineWidth = 3;
      c.strokeStyle = this.#chosen.colour;
      c.stroke();
    }
  }
}
