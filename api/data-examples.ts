/** The examples of the `/data` page, made for this server's address and for last month. Tests run those whose tool is there. */
export interface Example {
  readonly tool: 'curl' | 'Python' | 'R' | 'QGIS' | 'Excel' | 'DuckDB';
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

/** `box`: the id of a box that is there, or a placeholder. `bbox`: west, south, east, north. */
export function examples(base: string, now: number, box: string, bbox: string, dumped: string): Example[] {
  const { from, to } = lastMonth(now);
  const hours = `property=pm25&level=corrected&interval=PT1H&from=${from}T00:00:00Z&to=${to}T00:00:00Z&format=csv`;
  return [
    {
      tool: 'curl',
      title: { zh: '現在各地的 PM2.5(GeoJSON)', en: 'PM2.5 everywhere, now (GeoJSON)' },
      code: `curl -fsS '${base}/api/v1/latest.geojson?property=pm25&level=corrected'`,
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
        en: 'Last month’s corrected hourly PM2.5 of an area as a file for spreadsheets (nothing to install)',
      },
      code: `import csv, io, json, urllib.parse, urllib.request

BASE = '${base}/api/v1'
AREA = '${bbox}'  # west, south, east, north

def get(path, **query):
    return urllib.request.urlopen(BASE + path + '?' + urllib.parse.urlencode(query))

boxes, page = [], {'next': ''}
while page['next'] is not None:
    more = {'cursor': page['next']} if page['next'] else {}
    page = json.load(get('/boxes', bbox=AREA, limit=1000, **more))
    boxes += page['items']

with open('pm25.csv', 'w', newline='', encoding='utf-8-sig') as file:
    out = csv.writer(file)
    out.writerow(['box', 'name', 'lat', 'lon', 'hour', 'pm25', 'lo90', 'hi90', 'flag', 'coverage', 'licence'])
    for box in boxes:
        answer = get('/boxes/%s/observations' % box['id'], property='pm25', level='corrected', interval='PT1H',
                     format='csv', to='${to}T00:00:00Z', **{'from': '${from}T00:00:00Z'})
        for row in csv.DictReader(io.TextIOWrapper(answer, 'utf-8')):
            out.writerow([box['id'], box['name'], box['lat'], box['lon'], row['phenomenonTime'], row['value'],
                          row['lo90'], row['hi90'], row['flag'], row['coverage'], row['licence']])
`,
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
      code: `${base}/api/v1/boxes/${box}/observations?${hours}`,
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
