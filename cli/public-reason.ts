/** What `/readyz` may say of a problem to anybody: the kind of trouble, but no paths and none of the machine's own words. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/ENOSPC|no space|disk (?:is )?full|EDQUOT|quota|MDB_MAP_FULL/i, 'the disk is full'],
  [/EROFS|read-only/i, 'the disk is read-only'],
  [/EACCES|EPERM|permission denied|not permitted/i, 'the data folder may not be written'],
  [/\bEIO\b|input\/output error/i, 'the disk reports errors'],
  [/damaged|corrupt/i, 'files are damaged'],
];

export function publicReason(what: string, problem: string): string {
  const kind = KINDS.find(([pattern]) => pattern.test(problem))?.[1];
  return kind ? `${what}: ${kind}; the log says more` : `${what}; the log says why`;
}
