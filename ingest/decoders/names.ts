/**
 * Which property a free-text name means: openSenseMap titles, ESPHome object ids, SensorThings datastreams, OpenAQ parameters.
 * Careful rather than clever: a name that could mean something else (dew point, chip temperature, counts, an index, an
 * equivalent CO2) gives null, and the value is refused by name instead of being published as something it is not.
 */
import { isPropertyKey, type PropertyKey } from '../../model/properties.ts';

const NOT_A_MEASUREMENT =
  /aqi|iaq|count|number|particles|size|dew|露點|internal|cpu|esp32|esp8266|chip|board|sea_?level|altitude|absolute|uptime|eco2|co2_?eq|equivalent|target|set_?point|forecast|avg|average|mean|compensated|corrected/;

const PATTERNS: readonly (readonly [RegExp, PropertyKey])[] = [
  [/pm[\s._<-]*(?:2[\s._]?5|02)(?!\d)/, 'pm25'],
  [/pm[\s._<-]*10(?:[._]0)?(?!\d)/, 'pm10'],
  [/pm[\s._<-]*0?1(?:[._]0)?(?!\d)/, 'pm1'],
  [/pm[\s._<-]*4(?:[._]0)?(?!\d)/, 'pm4'],
  [/細懸浮微粒/, 'pm25'],
  [/懸浮微粒/, 'pm10'],
  [/formaldehyde|hcho|甲醛/, 'hcho'],
  [/voc[\s_]*index/, 'voc_index'],
  [/nox[\s_]*index/, 'nox_index'],
  [/tvoc|volatile/, 'tvoc'],
  [/relh(?:umidity)?|humi|feuchte|濕度|溼度|(?:^|[\s_.])rh(?:$|[\s_.])/, 'humidity'],
  [/temp|溫度|(?:^|[\s_.])tmp(?:$|[\s_.])/, 'temperature'],
  [/pressure|druck|氣壓/, 'pressure'],
  [/(?:^|[^a-z])co2(?:$|[^a-z0-9])|carbon[\s_]*dioxide|二氧化碳/, 'co2'],
  [/(?:^|[^a-z])no2(?:$|[^a-z0-9])|nitrogen[\s_]*dioxide|二氧化氮/, 'no2'],
  [/(?:^|[^a-z])so2(?:$|[^a-z0-9])|sul(?:ph|f)ur[\s_]*dioxide|二氧化硫/, 'so2'],
  [/(?:^|[^a-z])o3(?:$|[^a-z0-9])|ozone|臭氧/, 'o3'],
  [/(?:^|[^a-z])co(?:$|[^a-z0-9])|carbon[\s_]*monoxide|一氧化碳/, 'co'],
  [/(?:^|[^a-z])nh3(?:$|[^a-z0-9])|ammonia|氨/, 'nh3'],
  [/la_?min/, 'noise_lamin'],
  [/la_?max/, 'noise_lamax'],
  [/laeq|leq|noise|sound[\s_]*(?:level|pressure)|lautst|噪音/, 'noise_laeq'],
  [/uv[\s_-]*(?:index|i)?(?:$|[\s_])|紫外線/, 'uv_index'],
  [/illuminance|illumination|beleuchtung|(?:^|[\s_.])(?:lux|light)|照度/, 'illuminance'],
  [/wind[\s_]*speed|windgeschw|風速/, 'wind_speed'],
  [/wind[\s_]*dir|windrichtung|風向/, 'wind_direction'],
  [/rain|precipitation|niederschlag|雨量/, 'rain'],
  [/water[\s_]*level|水位/, 'water_level'],
  [/batt\w*[\s_]*volt|vbat/, 'battery'],
  [/rssi|wifi[\s_]*signal/, 'rssi'],
];

const seen = new Map<string, PropertyKey | null>();
const MAX_SEEN = 4096;

function find(name: string): PropertyKey | null {
  const word = name.trim().toLowerCase();
  if (isPropertyKey(word)) return word;
  const text = word.replace(/particulate[\s_]*matter/, 'pm');
  if (/soil|boden/.test(text)) return /temp/.test(text) ? 'soil_temperature' : null;
  if (NOT_A_MEASUREMENT.test(text)) return null;
  return PATTERNS.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

/** The property a name means, or null. Names longer than 100 characters mean nothing. */
export function propertyNamed(name: string): PropertyKey | null {
  if (name === '' || name.length > 100) return null;
  const known = seen.get(name);
  if (known !== undefined) return known;
  const property = find(name);
  if (seen.size >= MAX_SEEN) seen.clear();
  seen.set(name, property);
  return property;
}
