/** The Grafana dashboard and its data sources, by the shapes Grafana 9–12 reads, and by the names our own program writes. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createMetrics, type MetricSources } from '../../cli/metrics.ts';
import { PROPERTIES } from '../../model/properties.ts';
import { fieldName, fieldOf, MEASUREMENT } from '../../store/influx/schema.ts';

const file = (path: string): string => readFileSync(new URL(`../../grafana/${path}`, import.meta.url), 'utf8');

const dataSourceRef = z.strictObject({ type: z.enum(['influxdb', 'prometheus']), uid: z.string() });
const gridPos = z.strictObject({
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  w: z.int().min(1).max(24),
  h: z.int().min(1),
});
const target = z.union([
  z.strictObject({ refId: z.string(), datasource: dataSourceRef, query: z.string() }),
  z.strictObject({
    refId: z.string(),
    datasource: dataSourceRef,
    expr: z.string(),
    legendFormat: z.string(),
    range: z.boolean(),
  }),
]);
const dataPanel = z.strictObject({
  id: z.int(),
  type: z.enum(['timeseries', 'stat', 'table', 'state-timeline']),
  title: z.string().min(1),
  description: z.string().min(1),
  gridPos,
  datasource: dataSourceRef,
  targets: z.array(target).min(1),
  fieldConfig: z.strictObject({
    defaults: z.record(z.string(), z.unknown()),
    overrides: z.array(
      z.strictObject({
        matcher: z.strictObject({ id: z.literal('byName'), options: z.string() }),
        properties: z.array(z.strictObject({ id: z.string(), value: z.unknown() })),
      }),
    ),
  }),
  options: z.record(z.string(), z.unknown()),
});
const rowPanel = z.strictObject({
  id: z.int(),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.literal(false),
  gridPos,
  panels: z.tuple([]),
});
const variable = z.looseObject({
  name: z.string(),
  label: z.string(),
  type: z.enum(['textbox', 'custom', 'query']),
  query: z.string(),
});
const dashboardShape = z.strictObject({
  uid: z.string().max(40),
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  timezone: z.string(),
  schemaVersion: z.int().min(36),
  version: z.int(),
  refresh: z.string(),
  editable: z.boolean(),
  graphTooltip: z.int(),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  templating: z.strictObject({ list: z.array(variable) }),
  annotations: z.strictObject({ list: z.tuple([]) }),
  links: z.tuple([]),
  panels: z.array(z.union([rowPanel, dataPanel])),
});
const dataSources = z.strictObject({
  apiVersion: z.literal(1),
  datasources: z.array(
    z.strictObject({
      name: z.string(),
      uid: z.string(),
      type: z.enum(['influxdb', 'prometheus']),
      access: z.literal('proxy'),
      url: z.string(),
      jsonData: z.record(z.string(), z.unknown()),
      secureJsonData: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

const dashboard = dashboardShape.parse(JSON.parse(file('dashboards/lamppost.json')));
const sources = dataSources.parse(parse(file('provisioning/datasources/lamppost.yaml'))).datasources;
const panels = dashboard.panels.filter((p): p is z.infer<typeof dataPanel> => p.type !== 'row');
const queries = panels.flatMap((p) => p.targets.map((t) => ({ title: p.title, ...t })));

describe('the Grafana dashboard', () => {
  it('has panels with ids of their own that do not lie on each other', () => {
    expect(new Set(dashboard.panels.map((p) => p.id)).size).toBe(dashboard.panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos: g } of dashboard.panels)
      for (let x = g.x; x < g.x + g.w; x++)
        for (let y = g.y; y < g.y + g.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.get(`${x},${y}`), title).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
  });

  it('asks only data sources that the provisioning file makes, in their own language', () => {
    const types = new Map(sources.map((s) => [s.uid, s.type]));
    for (const q of queries) {
      expect(types.get(q.datasource.uid), q.title).toBe(q.datasource.type);
      expect('query' in q, q.title).toBe(q.datasource.type === 'influxdb');
    }
  });

  it('uses only variables that are defined, and all of them', () => {
    const defined = dashboard.templating.list.map((v) => v.name);
    const used = new Set([...JSON.stringify(dashboard).matchAll(/\$\{(?!__)(\w+)\}/g)].map((m) => m[1] as string));
    expect([...used].toSorted()).toEqual(defined.toSorted());
  });

  it('reads the measurement and the fields that the store writes, within the span that is looked at', () => {
    const property = dashboard.templating.list.find((v) => v.name === 'property')?.query.split(',') ?? [];
    expect(property.length).toBeGreaterThan(0);
    for (const key of property) {
      const num = PROPERTIES.find((p) => p.key === key)?.num;
      expect(num, key).toBeDefined();
      expect(fieldName(num as number, '')).toBe(key);
    }
    let fields = 0;
    for (const q of queries) {
      if (!('query' in q)) continue;
      expect(q.query).toContain('range(start: v.timeRangeStart, stop: v.timeRangeStop)');
      expect(q.query).toContain(`r._measurement == "${MEASUREMENT}"`);
      for (const [, name] of q.query.matchAll(/r\._field == "([^"]+)" ?(?:or|\)|\n)/g)) {
        expect(fieldOf((name as string).replace('${property}', 'pm25')), name).toBeDefined();
        fields++;
      }
    }
    expect(fields).toBeGreaterThan(5);
  });

  it('reads metrics that the server has', async () => {
    // Only names are looked at; no source is asked.
    const { registry } = createMetrics({} as MetricSources);
    const known = new Set(registry.getMetricsAsArray().map((m) => m.name));
    const asked = queries.flatMap((q) => ('expr' in q ? (q.expr.match(/lamppost_\w+/g) ?? []) : []));
    expect(asked.length).toBeGreaterThan(5);
    for (const name of asked) expect(known, name).toContain(name.replace(/_bucket$/, ''));
  });

  it('the data sources take address and token from the environment, never from the file', () => {
    for (const { url, secureJsonData = {} } of sources)
      for (const value of [url, ...Object.values(secureJsonData)]) expect(value).toMatch(/^\$[A-Z_]+$/);
  });
});
