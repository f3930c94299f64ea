/**
 * All boxes in one draw call: a WebGL layer whose shapes are computed in the fragment shader, so that a hundred thousand
 * boxes cost one buffer and a live update a few bytes.
 *
 * The map is never tilted or turned, so a place's pixel is a multiplication; positions are kept relative to an origin in
 * Taiwan, which keeps 32-bit floats exact to an eighth of a pixel at the closest zoom.
 */
import { ORIGIN } from './mercator.ts';
import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl';

export interface PointArrays {
  readonly length: number;
  /** x, y in Mercator world units (0–1) minus `ORIGIN`. */
  readonly position: Float32Array;
  /** r, g, b, alpha. */
  readonly colour: Uint8Array;
  /** shape, hollow middle (unclaimed), radius in 1/8 px (0 = by zoom), pass (0 hidden, 1 first … 3 last drawn). */
  readonly mark: Uint8Array;
}

/** Radius of an ordinary box [px] by zoom: dust over the country, a coin to press on in a street. */
export function radiusAt(zoom: number): number {
  const stops = [
    [5, 2.4],
    [7, 3.4],
    [9, 5],
    [11, 7.5],
    [12.5, 11],
    [14, 15],
    [17, 17],
  ] as const;
  for (let i = 0; i + 1 < stops.length; i++) {
    const [z0, r0] = stops[i] as readonly [number, number];
    const [z1, r1] = stops[i + 1] as readonly [number, number];
    if (zoom <= z1) return r0 + (Math.max(0, zoom - z0) / (z1 - z0)) * (r1 - r0);
  }
  return 17;
}

const VERTEX = `#version 300 es
in vec2 a_position;
in vec4 a_colour;
in vec4 a_mark;
uniform vec2 u_origin;   // pixel of the origin
uniform float u_world;   // pixels of the whole world
uniform vec2 u_viewport; // pixels
uniform float u_ratio;   // device pixels per pixel
uniform float u_radius;
out vec4 v_colour;
flat out float v_shape;
flat out float v_hollow;
flat out float v_radius;
flat out float v_half;
void main() {
  float r = a_mark.z > 0.0 ? a_mark.z / 8.0 : u_radius;
  if (a_mark.x == 1.0) r *= 1.3;
  if (a_mark.x == 3.0) r *= 1.12;
  if (a_mark.x == 8.0) r = min(r * 0.5, 5.0);
  if (a_mark.x == 4.0 || a_mark.x == 5.0) r = min(r * 0.8, 8.0);
  vec2 px = u_origin + a_position * u_world;
  vec2 clip = px / u_viewport * 2.0 - 1.0;
  float half_size = r + 3.0;
  gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
  gl_PointSize = half_size * 2.0 * u_ratio;
  v_colour = a_colour;
  v_shape = a_mark.x;
  v_hollow = a_mark.y;
  v_radius = r;
  v_half = half_size;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 v_colour;
flat in float v_shape;
flat in float v_hollow;
flat in float v_radius;
flat in float v_half;
uniform vec3 u_ink;
uniform vec3 u_paper;
out vec4 fragment;
float triangle(vec2 p, float r) {
  const float k = 1.7320508;
  p.y = -p.y + r * 0.12;
  p.x = abs(p.x) - r;
  p.y = p.y + r / k;
  if (p.x + k * p.y > 0.0) p = vec2(p.x - k * p.y, -k * p.x - p.y) / 2.0;
  p.x -= clamp(p.x, -2.0 * r, 0.0);
  return -length(p) * sign(p.y);
}
void main() {
  vec2 p = (gl_PointCoord - 0.5) * 2.0 * v_half;
  float r = v_radius;
  float d;
  vec3 fill = v_colour.rgb;
  float edge = clamp(r * 0.16, 0.75, 1.75);
  vec3 line = u_ink;
  float lineAlpha = 0.72;
  if (v_shape == 1.0) { d = (abs(p.x) + abs(p.y)) * 0.7071 - r * 0.82; edge = clamp(r * 0.2, 1.25, 2.5); lineAlpha = 1.0; }
  else if (v_shape == 2.0) { vec2 q = abs(p) - r * 0.7; d = length(max(q, 0.0)) + min(max(q.x, q.y), 0.0) - r * 0.12; }
  else if (v_shape == 3.0) d = triangle(p, r * 1.05);
  else if (v_shape == 4.0) { vec2 q = abs(vec2(p.x + p.y, p.x - p.y)) * 0.7071; d = min(max(q.x - r * 0.22, q.y - r), max(q.y - r * 0.22, q.x - r)); edge = 0.0; }
  else if (v_shape == 5.0) { d = abs(length(p) - r * 0.8) - max(0.7, r * 0.13); edge = 0.0; }
  else if (v_shape == 6.0) { d = length(p) - r; edge = 2.5; line = u_paper; lineAlpha = 0.92; }
  else if (v_shape == 7.0) { vec2 q = abs(p) - r; d = max(q.x, q.y); edge = 0.0; }
  else d = length(p) - r;
  float cover = clamp(0.5 - d, 0.0, 1.0);
  if (cover <= 0.0) discard;
  float rim = edge > 0.0 ? clamp(d + edge + 0.5, 0.0, 1.0) * lineAlpha : 0.0;
  vec3 colour = mix(fill, line, rim);
  if (v_hollow > 0.0 && v_shape < 4.0) {
    float hole = clamp(0.5 - (length(p) - r * 0.36), 0.0, 1.0);
    colour = mix(colour, u_paper, hole);
  }
  float alpha = cover * v_colour.a;
  fragment = vec4(colour * alpha, alpha);
}`;

function program(gl: WebGL2RenderingContext): WebGLProgram {
  const p = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type) as WebGLShader;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS))
      throw new Error(`map shader: ${gl.getShaderInfoLog(shader)}`);
    gl.attachShader(p, shader);
  }
  gl.linkProgram(p);
  return p;
}

/** Values of the fourth byte of `mark`: 0 is not drawn, 3 lies on top. */
const PASSES = 4;

export class PointLayer implements CustomLayerInterface {
  readonly type = 'custom' as const;
  readonly renderingMode = '2d' as const;
  ink: readonly [number, number, number] = [0.09, 0.14, 0.18];
  paper: readonly [number, number, number] = [1, 0.99, 0.96];
  /** Times a radius by this; the lists and embeds show smaller maps. */
  magnify = 1;
  readonly id: string;
  #arrays: PointArrays = {
    length: 0,
    position: new Float32Array(0),
    colour: new Uint8Array(0),
    mark: new Uint8Array(0),
  };
  #map: MapLibre | null = null;
  #gl: WebGL2RenderingContext | null = null;
  #program: WebGLProgram | null = null;
  #order = new Uint32Array(0);
  #drawn = 0;
  readonly #uniforms = new Map<string, WebGLUniformLocation | null>();
  #vao: WebGLVertexArrayObject | null = null;
  #buffers: { position: WebGLBuffer; colour: WebGLBuffer; mark: WebGLBuffer; order: WebGLBuffer } | null = null;
  /** Rows still to be sent to the GPU; null = all. */
  #dirty: { from: number; to: number } | null | 'none' = null;

  constructor(id: string) {
    this.id = id;
  }

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#map = map;
    this.#gl = gl;
  }

  /** Within `render`, where the map expects its GL state to be changed; outside, its cached bindings would be wrong. */
  #prepare(gl: WebGL2RenderingContext): void {
    this.#program = program(gl);
    this.#vao = gl.createVertexArray();
    this.#buffers = {
      position: gl.createBuffer(),
      colour: gl.createBuffer(),
      mark: gl.createBuffer(),
      order: gl.createBuffer(),
    };
    gl.bindVertexArray(this.#vao);
    const attribute = (name: string, buffer: WebGLBuffer, size: number, type: number, normal: boolean): void => {
      const at = gl.getAttribLocation(this.#program as WebGLProgram, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, normal, 0, 0);
    };
    attribute('a_position', this.#buffers.position, 2, gl.FLOAT, false);
    attribute('a_colour', this.#buffers.colour, 4, gl.UNSIGNED_BYTE, true);
    attribute('a_mark', this.#buffers.mark, 4, gl.UNSIGNED_BYTE, false);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.#buffers.order);
    gl.bindVertexArray(null);
    this.#dirty = null;
  }

  onRemove(): void {
    const gl = this.#gl;
    if (gl && this.#buffers) {
      for (const b of Object.values(this.#buffers)) gl.deleteBuffer(b);
      gl.deleteVertexArray(this.#vao);
      gl.deleteProgram(this.#program);
    }
    this.#gl = null;
    this.#program = null;
    this.#uniforms.clear();
    this.#buffers = null;
  }

  /** New arrays, or the same with everything changed. */
  set(arrays: PointArrays): void {
    this.#arrays = arrays;
    this.#dirty = null;
    this.#map?.triggerRepaint();
  }

  /** Colours and marks of these rows changed in place. */
  touch(rows: Int32Array): void {
    if (rows.length === 0 || this.#dirty === null) return this.#map?.triggerRepaint();
    let from = Infinity;
    let to = -1;
    for (const row of rows) {
      if (row < from) from = row;
      if (row > to) to = row;
    }
    const old = this.#dirty === 'none' ? { from, to: to + 1 } : this.#dirty;
    this.#dirty = { from: Math.min(old.from, from), to: Math.max(old.to, to + 1) };
    this.#map?.triggerRepaint();
  }

  /** The same for a run of rows, end exclusive. */
  touchRun(from: number, to: number): void {
    if (from >= to) return;
    if (this.#dirty !== null) {
      const old = this.#dirty === 'none' ? { from, to } : this.#dirty;
      this.#dirty = { from: Math.min(old.from, from), to: Math.max(old.to, to) };
    }
    this.#map?.triggerRepaint();
  }

  /** What is drawn, bottom first (counting sort); hidden rows cost nothing. Called with the layer's vertex array bound. */
  #sort(gl: WebGL2RenderingContext, buffer: WebGLBuffer): void {
    const { length, mark } = this.#arrays;
    if (this.#order.length < length) this.#order = new Uint32Array(Math.ceil(length * 1.3));
    let n = 0;
    for (let pass = 1; pass < PASSES; pass++)
      for (let row = 0; row < length; row++) if (mark[row * 4 + 3] === pass) this.#order[n++] = row;
    this.#drawn = n;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.#order.subarray(0, n), gl.DYNAMIC_DRAW);
  }

  #upload(gl: WebGL2RenderingContext): void {
    const b = this.#buffers;
    if (!b || this.#dirty === 'none') return;
    const a = this.#arrays;
    if (this.#dirty === null) {
      for (const [buffer, data] of [
        [b.position, a.position.subarray(0, a.length * 2)],
        [b.colour, a.colour.subarray(0, a.length * 4)],
        [b.mark, a.mark.subarray(0, a.length * 4)],
      ] as const) {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      }
    } else {
      const { from, to } = this.#dirty;
      gl.bindBuffer(gl.ARRAY_BUFFER, b.colour);
      gl.bufferSubData(gl.ARRAY_BUFFER, from * 4, a.colour.subarray(from * 4, to * 4));
      gl.bindBuffer(gl.ARRAY_BUFFER, b.mark);
      gl.bufferSubData(gl.ARRAY_BUFFER, from * 4, a.mark.subarray(from * 4, to * 4));
    }
    this.#sort(gl, b.order);
    this.#dirty = 'none';
  }

  render(gl: WebGL2RenderingContext, _input: CustomRenderMethodInput): void {
    const map = this.#map;
    if (!map || this.#arrays.length === 0) return;
    const vao = gl.getParameter(gl.VERTEX_ARRAY_BINDING) as WebGLVertexArrayObject | null;
    const buffer = gl.getParameter(gl.ARRAY_BUFFER_BINDING) as WebGLBuffer | null;
    if (!this.#program) this.#prepare(gl);
    gl.bindVertexArray(this.#vao);
    this.#upload(gl);
    const canvas = map.getCanvas();
    const ratio = map.getPixelRatio();
    const origin = map.project([ORIGIN.lon, ORIGIN.lat]);
    const zoom = map.getZoom();
    const u = (name: string): WebGLUniformLocation | null => {
      let at = this.#uniforms.get(name);
      if (at === undefined) this.#uniforms.set(name, (at = gl.getUniformLocation(this.#program as WebGLProgram, name)));
      return at;
    };
    gl.useProgram(this.#program);
    gl.bindVertexArray(this.#vao);
    gl.uniform2f(u('u_origin'), origin.x, origin.y);
    gl.uniform1f(u('u_world'), 512 * 2 ** zoom);
    gl.uniform2f(u('u_viewport'), canvas.width / ratio, canvas.height / ratio);
    gl.uniform1f(u('u_ratio'), ratio);
    gl.uniform1f(u('u_radius'), radiusAt(zoom) * this.magnify);
    gl.uniform3f(u('u_ink'), ...this.ink);
    gl.uniform3f(u('u_paper'), ...this.paper);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.drawElements(gl.POINTS, this.#drawn, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  }
}
