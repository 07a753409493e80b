/** Words of the page in both languages: each slice has a `words.ts` with `export const t = words({en: …, zh: …})`. */
import { language } from './language.svelte';

/** A text, or its forms by the parameter `count`. `{name}` is replaced by the parameter of that name. */
export type Entry = string | { one: string; other: string };
export type Parameters = Record<string, string | number>;

/**
 * A function from key and parameters to text in the current language. Called in a component or `$derived`, it follows
 * the language. A parameter that is a number is written as the language writes it.
 */
export function words<const English extends Record<string, Entry>>(dictionary: {
  en: English;
  zh: Record<keyof English, Entry>;
}): (key: keyof English & string, parameters?: Parameters) => string {
  return (key, parameters = {}) => {
    const entry: Entry = dictionary[language.current][key];
    return fill(typeof entry === 'string' ? entry : entry[form(parameters.count)], parameters);
  };
}

function form(count: string | number | undefined): 'one' | 'other' {
  return new Intl.PluralRules(language.tag).select(Number(count)) === 'one' ? 'one' : 'other';
}

function fill(text: string, parameters: Parameters): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = parameters[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? new Intl.NumberFormat(language.tag).format(value) : value;
  });
}
