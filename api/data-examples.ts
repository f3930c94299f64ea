/** The examples of the `/data` page, made for this server's address and for last month. Tests run those whose tool is there. */
export interface Example {
  readonly tool: 'curl' | 'Python' | 'pandas' | 'GeoPandas' | 'R' | 'QGIS' | 'Excel' | 'DuckDB';
  readonly title: { readonly zh: string; readonly en: string };
  readonly code: string;
}

const day = (t: number): string => new Date(t).toISOString().slice(0, 10);

/** First day of last month and of this one, UTC. */
export function lastMonth(now: number): { from: string; to: string } {
  const d = new Date(now);
  return {
    from: day(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() - 1, 1)),
    to: day(Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), 1)),
  };
}

/** What examples are made of. */
export interface ExampleOf {
  readonly base: string;
  readonly now: number;
  /** First UTC day with data, '' = not known. */
  readonly since: string;
  /** The id of a box that is there, or a placeholder. */
  readonly box: string;
  /** West, south, east, north. */
  readonly bbox: string;
  /** Code of a township. */
  readonly town: string;
  /** Name of a daily Parquet file. */
  readonly dumped: string;
}

export function examples({ base, now, since, box, bbox, town, dumped }: ExampleOf): Example[] {
  // Last month, or this one where nothing had been measured by then.
  const last = lastMonth(now);
  const { from, to } = since > last.to ? { from: last.to, to: day(now) } : last;
  const hours = `property=pm25&level=corrected&interval=PT1H&from=${from}T00:00:00Z&to=${to}T00:00:00Z&format=csv`;
  const month = from.slice(0, 7);
  const townMonth = `township=${town}&month=${month}&property=pm25&level=corrected&interval=PT1H`;
  return [
    {
      tool: 'curl',
      title: { zh: '現在各地的 PM2.5(GeoJSON)', en: 'PM2.5 everywhere, now (GeoJSON)' },
      code: `curl -fsS '${base}/api/v1/latest.geojson?property=pm25&level=corrected'`,
    },
    {
      tool: 'curl',
      title: { zh: '一個鄉鎮市區上個月校正後的小時 PM2.5,一個檔案(CSV)', en: 'Last month’s corrected hourly PM2.5 of a township, one file (CSV)' },
      code: `curl -fsS -o pm25-${town}-${month}.csv -w '%{size_download} bytes\\n' '${base}/api/v1/observations?${townMonth}&bom=true'`,
    },
    {
      tool: 'curl',
      title: { zh: '一個感測盒上個月的小時平均(CSV)', en: 'Hour means of one box, last month (CSV)' },
      code: `curl -fsS '${base}/api/v1/boxes/${box}/observations?${hours}'`,
    },
    {
      tool: 'curl',
      title: { zh: '一個範圍內的感測盒', en: 'Boxes of an area' },
      code: `curl -fsS '${base}/api/v1/boxes?bbox=${bbox}&limit=1000'`,
    },
    {
      tool: 'curl',
      title: { zh: 'SensorThings:每個測站與最新值', en: 'SensorThings: stations with their newest values' },
      code: `curl -fsS --globoff '${base}/sta/v1.1/Things?$top=10&$expand=Locations,Datastreams($expand=Observations($top=1;$orderby=phenomenonTime%20desc))'`,
    },
    {
      tool: 'curl',
      title: { zh: '每日檔案清單與核對碼', en: 'List of the daily files, with checksums' },
      code: `curl -fsS '${base}/dumps/manifest.json'`,
    },
    {
      tool: 'Python',
      title: {
        zh: '一個鄉鎮市區上個月校正後的小時 PM2.5,存成試算表能開的檔案(不必安裝任何套件)',
        en: 'Last month’s corrected hourly PM2.5 of a township as a file for spreadsheets (nothing to install)',
      },
      code: `import csv, urllib.parse, urllib.request

question = urllib.parse.urlencode({
    'township': '${town}',  # other codes: ${base}/townships
    'month': '${month}', 'property': 'pm25', 'level': 'corrected', 'interval': 'PT1H',
    'bom': 'true'})  # so that Excel knows that it is UTF-8
urllib.request.urlretrieve('${base}/api/v1/observations?' + question, 'pm25.csv')

with open('pm25.csv', encoding='utf-8-sig', newline='') as file:
    rows = list(csv.DictReader(file))
print(len(rows), 'hours of', len({row['box'] for row in rows}), 'boxes')
`,
    },
    {
      tool: 'pandas',
      title: { zh: '同一份資料讀進 pandas', en: 'The same into pandas' },
      code: `import pandas as pd

pm25 = pd.read_csv('${base}/api/v1/observations?${townMonth}', parse_dates=['phenomenonTime'])
print(pm25.groupby('name')['value'].describe())`,
    },
    {
      tool: 'GeoPandas',
      title: { zh: '感測盒與測站的位置(GeoParquet)', en: 'Where boxes and stations are (GeoParquet)' },
      code: `import io, urllib.request
import geopandas

boxes = geopandas.read_parquet(io.BytesIO(urllib.request.urlopen('${base}/dumps/boxes.parquet').read()))
print(boxes[['id', 'name', 'licence', 'geometry']].head())`,
    },
    {
      tool: 'R',
      title: { zh: '讀進 R', en: 'Into R' },
      code: `pm25 <- read.csv('${base}/api/v1/boxes/${box}/observations?${hours}')
pm25$phenomenonTime <- as.POSIXct(pm25$phenomenonTime, format = '%Y-%m-%dT%H:%M:%OSZ', tz = 'UTC')
plot(value ~ phenomenonTime, pm25, type = 'l')`,
    },
    {
      tool: 'Excel',
      title: { zh: '資料 → 從 Web,貼上網址', en: 'Data → From Web, paste the address' },
      code: `${base}/api/v1/observations?${townMonth}&bom=true`,
    },
    {
      tool: 'QGIS',
      title: { zh: '圖層 → 加入向量圖層 → 通訊協定 HTTP(S),貼上網址', en: 'Layer → Add Vector Layer → Protocol HTTP(S), paste the address' },
      code: `${base}/api/v1/latest.geojson?property=pm25&level=corrected`,
    },
    {
      tool: 'DuckDB',
      title: { zh: '直接由網址讀 Parquet', en: 'Parquet straight from its address' },
      code: `SELECT box, avg(corrected) AS pm25 FROM read_parquet('${base}/dumps/${dumped}') WHERE property = 'pm25' GROUP BY box;`,
    },
  ]; // prettier-ignore
}
