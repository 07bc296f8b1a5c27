// SPDX-License-Identifier: Apache-2.0
// Markup as a value: what a template is given is escaped, unless it is markup itself.

export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | readonly Markup[];

function escaped(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

function textOf(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === 'number') return String(Math.round(value * 100) / 100);
  if (typeof value === 'string') return escaped(value);
  return value.map(({ text }) => text).join('');
}

export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(
    strings.reduce((text, part, at) => {
      const value = values[at - 1];
      return text + (value === undefined ? '' : textOf(value)) + part;
    }),
  );
}
