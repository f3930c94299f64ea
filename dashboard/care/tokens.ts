/** Secrets of this tab: gone when it closes. Storage may be switched off; then a link or a claim is opened anew. */
export type TokenKind = 'owner' | 'claim';

const name = (kind: TokenKind, box: string): string => `lamppost.${kind}.${box}`;

export function kept(kind: TokenKind, box: string): string {
  try {
    return sessionStorage.getItem(name(kind, box)) ?? '';
  } catch {
    return '';
  }
}

/** '' forgets it. */
export function keep(kind: TokenKind, box: string, token: string): void {
  try {
    if (token === '') sessionStorage.removeItem(name(kind, box));
    else sessionStorage.setItem(name(kind, box), token);
  } catch {
    return;
  }
}
