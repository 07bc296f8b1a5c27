// SPDX-License-Identifier: Apache-2.0
// The page's style sheet. Colours of containers: eight hues that stay apart for
// colour-blind readers, a set for light and one for dark.

const LIGHT = [
  '#2a78d6',
  '#eb6834',
  '#1baf7a',
  '#eda100',
  '#e87ba4',
  '#008300',
  '#4a3aa7',
  '#e34948',
];
const DARK = [
  '#3987e5',
  '#d95926',
  '#199e70',
  '#c98500',
  '#d55181',
  '#008300',
  '#9085e9',
  '#e66767',
];

const colours = (set: readonly string[]) =>
  set.map((colour, at) => `--c${at + 1}: ${colour};`).join(' ');
const slots = LIGHT.map(
  (_, at) =>
    `.fill-${at + 1} { fill: var(--c${at + 1}); } .stroke-${at + 1} { stroke: var(--c${at + 1}); } .chip-${at + 1} { background: var(--c${at + 1}); }`,
).join('\n');

export const STYLE = `
:root { color-scheme: light dark; --page: #f7f7f5; --card: #fff; --ink: #1d1d1b; --soft: #62625e;
  --line: #e2e2de; --boot: #b9b9b3; --good: #087a3c; --bad: #c22f2f; ${colours(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { --page: #161615; --card: #1f1f1d; --ink: #eeeeea;
  --soft: #a3a39d; --line: #363633; --boot: #5d5d58; --good: #4cc38a; --bad: #ff8a80; ${colours(DARK)} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 6px; }
h3 { font-size: 15px; margin: 0 0 8px; } p { margin: 0 0 12px; } .soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; margin: 0 0 16px; overflow-x: auto; }
.verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.tile b { display: block; font-size: 22px; font-weight: 600; } .tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.n, td.n { text-align: right; } td.id, td.n { white-space: nowrap; } small { font-size: 11px; }
.chip { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; } .chip-boot { background: var(--boot); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; margin: 0 0 6px; }
.marks { columns: 2; column-gap: 32px; font-size: 12.5px; padding: 0; margin: 10px 0 0; list-style: none; }
.marks li { break-inside: avoid; padding-left: 26px; text-indent: -26px; } .marks b { display: inline-block; width: 22px; text-indent: 0; text-align: right; margin-right: 4px; }
@media (max-width: 700px) { .marks { columns: 1; } }
svg { display: block; width: 100%; min-width: 640px; height: auto; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .area { stroke: var(--card); stroke-width: 1; }
svg .fill-boot { fill: var(--boot); } svg .zone { fill-opacity: .16; stroke-width: 1; } svg .resident { fill-opacity: .75; }
svg .label { fill: var(--ink); } svg .mark line { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; opacity: .6; }
svg .mark text { fill: var(--ink); font-size: 10px; font-weight: 600; } svg .mark circle { fill: var(--card); stroke-width: 2.5; }
${slots}
`;
