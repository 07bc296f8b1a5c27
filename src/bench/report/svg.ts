// SPDX-License-Identifier: Apache-2.0
// Draws a vega-lite specification as SVG, without a browser.
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export async function drawSvg(spec: object, title: string): Promise<string> {
  const { spec: compiled } = compile({ ...spec, title } as TopLevelSpec);
  const view = new View(parse(compiled), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}
