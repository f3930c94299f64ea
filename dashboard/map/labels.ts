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

/** A hot spot on the map: where it is, how large, and the way it came. */
export interface HotspotMark {
  readonly lon: number;
  readonly lat: number;
  /** 0 = it is over: only its way is drawn. */
  readonly radiusKm: number;
  readonly text: string;
  /** Oldest first, up to the place itself. */
  readonly trail: readonly { readonly lon: number; readonly lat: number }[];
}

/** Wind measured at a place: speed in m/s, and the degrees from north it comes from. */
export interface WindMark {
  readonly lon: number;
  readonly lat: number;
  readonly speed: number;
  readonly from: number;
}
/** Arrows nearer than this to another one are left out [px]; slower air than this has no direction [m/s]. */
const WIND_APART_PX = 60;
const CALM = 0.3;

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
  #hotspots: readonly HotspotMark[] = [];
  #wind: readonly WindMark[] = [];
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

  wind(marks: readonly WindMark[]): void {
    this.#wind = marks;
    this.#map.triggerRepaint();
  }

  hotspots(marks: readonly HotspotMark[]): void {
    this.#hotspots = marks;
    this.#map.triggerRepaint();
  }

  me(place: { lon: number; lat: number } | null): void {
    this.#me = place;
    this.#map.triggerRepaint();
  }

  /** Arrows fly with the wind; longer is faster. */
  #drawWind(c: CanvasRenderingContext2D, width: number, height: number): void {
    const drawn: { x: number; y: number }[] = [];
    c.save();
    c.lineCap = 'round';
    for (const w of this.#wind) {
      const p = this.#map.project([w.lon, w.lat]);
      if (w.speed < CALM || p.x < 0 || p.y < 0 || p.x > width || p.y > height) continue;
      if (drawn.some((q) => Math.hypot(q.x - p.x, q.y - p.y) < WIND_APART_PX)) continue;
      drawn.push(p);
      const length = Math.min(44, 12 + 5 * w.speed);
      const angle = ((w.from + 90) * Math.PI) / 180;
      const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
      const [x0, y0] = [p.x + 16 * dx, p.y + 16 * dy];
      const [x1, y1] = [x0 + length * dx, y0 + length * dy];
      for (const [line, colour] of [
        [5, 'rgb(255 255 255 / 0.8)'],
        [2.2, '#2b6287'],
      ] as const) {
        c.lineWidth = line;
        c.strokeStyle = colour;
        c.beginPath();
        c.moveTo(x0, y0);
        c.lineTo(x1, y1);
        for (const side of [2.6, -2.6]) {
          c.moveTo(x1, y1);
          c.lineTo(x1 + 9 * Math.cos(angle + side), y1 + 9 * Math.sin(angle + side));
        }
        c.stroke();
      }
    }
    c.restore();
  }

  #drawHotspot(c: CanvasRenderingContext2D, h: HotspotMark): void {
    const p = this.#map.project([h.lon, h.lat]);
    const there = h.radiusKm > 0;
    const pxPerKm = (512 * 2 ** this.#map.getZoom()) / (40_075 * Math.cos((h.lat * Math.PI) / 180));
    const r = there ? Math.max(16, (h.radiusKm + 0.4) * pxPerKm) : 4;
    c.save();
    c.lineCap = 'round';
    c.lineJoin = 'round';
    const trail = h.trail.map((q) => this.#map.project([q.lon, q.lat]));
    if (trail.length > 1) {
      for (const [width, colour] of [
        [there ? 7 : 5, 'rgb(255 255 255 / 0.75)'],
        [there ? 3.5 : 2, EVENT_COLOUR],
      ] as const) {
        c.beginPath();
        trail.forEach((q, i) => (i === 0 ? c.moveTo(q.x, q.y) : c.lineTo(q.x, q.y)));
        c.lineWidth = width;
        c.strokeStyle = colour;
        if (!there) c.setLineDash([5, 6]);
        c.stroke();
      }
      c.setLineDash([]);
      const start = trail[0] as { x: number; y: number };
      c.beginPath();
      c.arc(start.x, start.y, 4, 0, 7);
      c.fillStyle = '#fff';
      c.fill();
      c.lineWidth = 2;
      c.strokeStyle = EVENT_COLOUR;
      c.stroke();
    }
    c.beginPath();
    c.arc(p.x, p.y, r, 0, 7);
    c.fillStyle = there ? 'rgb(160 32 200 / 0.16)' : EVENT_COLOUR;
    c.fill();
    if (there) {
      c.lineWidth = 3;
      c.strokeStyle = EVENT_COLOUR;
      c.stroke();
      c.font = '700 13px "Noto Sans TC", system-ui, sans-serif';
      const width = c.measureText(h.text).width + 14;
      const y = p.y - r - 4;
      c.beginPath();
      c.roundRect(p.x - width / 2, y - 11, width, 22, 11);
      c.fillStyle = EVENT_COLOUR;
      c.fill();
      c.lineWidth = 1.5;
      c.strokeStyle = '#fff';
      c.stroke();
      c.fillStyle = '#fff';
      c.fillText(h.text, p.x, y + 0.5);
    }
    c.restore();
  }

  /** Double rings, below the numbers. */
  #drawEvents(c: CanvasRenderingContext2D): void {
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
    for (const h of this.#hotspots) this.#drawHotspot(c, h);
    if (this.#wind.length > 0) this.#drawWind(c, gl.width / ratio, gl.height / ratio);
    this.#drawEvents(c);
    for (const l of this.#labels) {
      const p = this.#map.project([l.lon, l.lat]);
      c.globalAlpha = l.alpha;
      c.font = `600 ${l.size}px "Noto Sans TC", system-ui, sans-serif`;
      c.fillStyle = inkOn(l.under);
      c.fillText(l.text, p.x, p.y + 0.5);
    }
    c.globalAlpha = 1;
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
