// The reader's language on this page: what he chose last, else the first of his browser's that we have; and the page's own direction.
import { effect } from '@preact/signals';
import { choose, isLanguage, language, languages } from './i18n.ts';

const kLanguageKey = 'belfry.language';

export function followLanguage(): void {
  const remembered = ((): string | null => {
    try {
      return localStorage.getItem(kLanguageKey);
    } catch {
      return null;
    }
  })();
  language.value = isLanguage(remembered) ? remembered : choose(navigator.languages);
  effect(() => {
    document.documentElement.lang = language.value;
    document.documentElement.dir = languages[language.value].dir;
    try {
      if (language.value !== choose(navigator.languages) || remembered) localStorage.setItem(kLanguageKey, language.value);
    } catch {
      // Remembered for this page only.
    }
  });
}
