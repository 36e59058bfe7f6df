// The language of the page, each in its own name.
import { isLanguage, language, languages, t } from './i18n.ts';

export function LanguageChoice() {
  const choose = (event: Event): void => {
    const value = (event.currentTarget as HTMLSelectElement).value;
    if (isLanguage(value)) language.value = value;
  };
  return (
    <label class="language">
      <span class="sr">{t('language')}</span>
      <select value={language.value} onChange={choose}>
        {Object.entries(languages).map(([tag, { name }]) => <option key={tag} value={tag} lang={tag}>{name}</option>)}
      </select>
    </label>
  );
}
