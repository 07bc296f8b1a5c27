// SPDX-License-Identifier: Apache-2.0
// Specifications of plots for vega-lite, of measurements as they are.
import type { Measurement } from '../measurement.js';
import { median, quantile } from '../statistics.js';

interface Axis {
  readonly title: string;
  readonly log: boolean;
}

export interface LinePlot {
  readonly measurements: readonly Measurement[];
  readonly x: Axis & { readonly name: string };
  readonly y: Axis;
  readonly label: (measurement: Measurement) => string;
}

/** A line of medians a label, with the middle half of the values around it. */
export function linePlot({ measurements, x, y, label }: LinePlot): object {
  const values = measurements.map((item) => ({
    x: item.at[x.name],
    y: median(item.values),
    low: quantile(item.values, 0.25),
    high: quantile(item.values, 0.75),
    label: label(item),
  }));
  const scale = (axis: Axis) => (axis.log ? { type: 'log' } : { zero: true });
  const xChannel = {
    field: 'x',
    type: 'quantitative',
    title: x.title,
    scale: x.log ? { type: 'log', base: 2 } : { zero: false },
    // A format would get as few digits as tell two ticks apart: 2e+1.
    axis: { values: [...new Set(values.map((value) => value.x))], labelExpr: 'datum.value' },
  };
  const color = { field: 'label', type: 'nominal', title: null };
  return {
    ...FRAME,
    data: { values },
    layer: [
      {
        mark: { type: 'rule', opacity: 0.5 },
        encoding: {
          x: xChannel,
          y: { field: 'low', type: 'quantitative', title: y.title, scale: scale(y) },
          y2: { field: 'high' },
          color,
        },
      },
      {
        mark: { type: 'line', point: true },
        encoding: {
          x: xChannel,
          y: { field: 'y', type: 'quantitative', title: y.title, scale: scale(y) },
          color,
        },
      },
    ],
  };
}

export interface Bar {
  readonly label: string;
  readonly group: string;
  readonly value: number;
}

/** Bars beside each other in groups. */
export function barPlot(bars: readonly Bar[], y: Axis): object {
  return {
    ...FRAME,
    data: { values: bars },
    mark: 'bar',
    encoding: {
      x: { field: 'group', type: 'nominal', title: null, axis: { labelAngle: 0 }, sort: null },
      xOffset: { field: 'label', sort: null },
      y: {
        field: 'value',
        type: 'quantitative',
        title: y.title,
        scale: y.log ? { type: 'log' } : { zero: true },
      },
      color: { field: 'label', type: 'nominal', title: null, sort: null },
    },
  };
}

const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  width: 560,
  height: 300,
  background: 'white',
  config: { font: 'sans-serif', legend: { orient: 'bottom', columns: 2, labelLimit: 0 } },
};
