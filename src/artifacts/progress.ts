// SPDX-License-Identifier: Apache-2.0
// The lines by which a build script tells how far it is: "progress DONE/TOTAL what".

export interface Progress {
  readonly artifact: string;
  /** `done` of `total`, in whatever parts the script counts. */
  readonly done: number;
  readonly total: number;
  readonly what: string;
}

/** null: not a line of progress. */
export function parseProgress(line: string): Omit<Progress, 'artifact'> | null {
  const match = /^progress (\d{1,9})\/(\d{1,9}) (\S.*)$/.exec(line);
  if (match === null) return null;
  const done = Number(match[1]);
  const total = Number(match[2]);
  if (total === 0 || done > total) return null;
  return { done, total, what: match[3] ?? '' };
}
