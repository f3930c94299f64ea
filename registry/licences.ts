/** The licences boxes may carry, by SPDX identifier (own identifier where SPDX has none): what each allows, for people and machines. */
export interface Licence {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  /** May be chosen at registration. The others come with data of other networks. */
  readonly offered: boolean;
  readonly attributionRequired: boolean;
  readonly shareAlikeRequired: boolean;
  readonly commercialUseAllowed: boolean;
  readonly redistributionAllowed: boolean;
  readonly modificationAllowed: boolean;
}

const open = {
  offered: false,
  attributionRequired: true,
  shareAlikeRequired: false,
  commercialUseAllowed: true,
  redistributionAllowed: true,
  modificationAllowed: true,
};

// prettier-ignore
export const LICENCES: readonly Licence[] = [
  { ...open, id: 'CC0-1.0', name: 'Creative Commons Zero v1.0 Universal', url: 'https://creativecommons.org/publicdomain/zero/1.0/', offered: true, attributionRequired: false },
  { ...open, id: 'CC-BY-4.0', name: 'Creative Commons Attribution 4.0 International', url: 'https://creativecommons.org/licenses/by/4.0/', offered: true },
  { ...open, id: 'CC-BY-SA-4.0', name: 'Creative Commons Attribution-ShareAlike 4.0 International', url: 'https://creativecommons.org/licenses/by-sa/4.0/', offered: true, shareAlikeRequired: true },
  { ...open, id: 'OGDL-Taiwan-1.0', name: '政府資料開放授權條款 第1版 (Open Government Data License, Taiwan, version 1.0)', url: 'https://data.gov.tw/license' },
  { ...open, id: 'ODbL-1.0', name: 'Open Data Commons Open Database License v1.0', url: 'https://opendatacommons.org/licenses/odbl/1-0/', shareAlikeRequired: true },
  { ...open, id: 'DbCL-1.0', name: 'Open Data Commons Database Contents License v1.0', url: 'https://opendatacommons.org/licenses/dbcl/1-0/', attributionRequired: false },
  { ...open, id: 'PDDL-1.0', name: 'Open Data Commons Public Domain Dedication & License 1.0', url: 'https://opendatacommons.org/licenses/pddl/1-0/', attributionRequired: false },
  { ...open, id: 'CC-BY-NC-SA-4.0', name: 'Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International', url: 'https://creativecommons.org/licenses/by-nc-sa/4.0/', shareAlikeRequired: true, commercialUseAllowed: false },
];

const byId = new Map(LICENCES.map((l) => [l.id, l]));

/** null for '' and for identifiers this table does not know. */
export const licence = (id: string): Licence | null => byId.get(id) ?? null;
