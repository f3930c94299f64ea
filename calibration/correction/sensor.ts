/**
 * Classes of particle sensors that share a correction model. What decides is the optics inside, not the maker of the box:
 * AirBox (PMS5003T), PurpleAir (PMS5003, PMS6003, PMS1003), AirGradient (PMS5003, PMS5003T) all carry a Plantower.
 */
export type SensorClass = 'plantower' | 'sds011' | 'sps30' | 'sen5x' | 'hpma115' | 'opc' | 'other' | 'unknown';

const CLASSES: readonly (readonly [RegExp, SensorClass])[] = [
  [/pms[-_ ]?(x003|[1-9]003|a003|3003|9103)|plantower|purpleair|pa-?ii|airbox|canary/i, 'plantower'],
  [/sds[-_ ]?0?(11|18|21|198)|nova/i, 'sds011'],
  [/sps[-_ ]?30/i, 'sps30'],
  [/sen[-_ ]?(5|6)\d/i, 'sen5x'],
  [/hpma?[-_ ]?115/i, 'hpma115'],
  [/opc[-_ ]?[nr]\d?/i, 'opc'],
];

export function sensorClass(sensor: string): SensorClass {
  if (sensor.trim() === '') return 'unknown';
  for (const [pattern, name] of CLASSES) if (pattern.test(sensor)) return name;
  return 'other';
}

/** Boxes with the same key may share one pooled model: same optics, same output field, and for unlisted sensors the same name. */
export function poolKey(sensor: string, field: 'cf1' | 'atm' | ''): string {
  const name = sensorClass(sensor);
  const base = name === 'other' ? sensor.trim().toLowerCase() : name;
  return name === 'plantower' && field !== '' ? `${base}/${field}` : base;
}
