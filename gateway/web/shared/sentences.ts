// The sentences of a page. words/<language>.json holds ICU MessageFormat; words_plugin.mjs makes each a function of its values.

export type Language = 'en' | 'es' | 'pt' | 'ru' | 'ar';
export type Values = Readonly<Record<string, string | number>>;
export type Sentences<Key extends string> = Readonly<Record<Key, (values: Values) => string>>;

export const languages: Readonly<Record<Language, { name: string; dir: 'ltr' | 'rtl' }>> = {
  en: { name: 'English', dir: 'ltr' },
  es: { name: 'Español', dir: 'ltr' },
  pt: { name: 'Português', dir: 'ltr' },
  ru: { name: 'Русский', dir: 'ltr' },
  ar: { name: 'العربية', dir: 'rtl' },
};
export const isLanguage = (value: unknown): value is Language => typeof value === 'string' && Object.hasOwn(languages, value);

// The first of the reader's languages that we have.
export function choose(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    if (isLanguage(base)) return base;
  }
  return 'en';
}

// To the compiler a JSON table is texts, and in every language the same keys, or it does not compile; once built it is functions.
type Texts<Key extends string> = Readonly<Record<Key, string>>;
export const table = <Key extends string>(texts: Record<Language, Texts<Key>>): Record<Language, Sentences<Key>> =>
  texts as unknown as Record<Language, Sentences<Key>>;
