// SPDX-License-Identifier: Apache-2.0
// The lines of QMP that QEMU sends, and their checks.
import { z } from 'zod';

const greeting = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }),
    }),
  }),
});
const success = z.object({ return: z.unknown(), id: z.number().int() });
const failure = z.object({
  error: z.object({ class: z.string(), desc: z.string() }),
  // Absent when QEMU could not read the command.
  id: z.number().int().nullish(),
});
const event = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
});

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string }
  | { readonly kind: 'success'; readonly id: number; readonly value: unknown }
  | {
      readonly kind: 'failure';
      readonly id: number | null;
      readonly className: string;
      readonly text: string;
    }
  | { readonly kind: 'event'; readonly event: QmpEvent };

/** null: not a message of QMP. */
export function parseQmpLine(line: string): QmpMessage | null {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof json !== 'object' || json === null) return null;
  if ('QMP' in json) {
    const read = greeting.safeParse(json);
    if (!read.success) return null;
    const { major, minor, micro } = read.data.QMP.version.qemu;
    return { kind: 'greeting', version: `${major}.${minor}.${micro}` };
  }
  if ('error' in json) {
    const read = failure.safeParse(json);
    if (!read.success) return null;
    const { id, error } = read.data;
    return { kind: 'failure', id: id ?? null, className: error.class, text: error.desc };
  }
  if ('event' in json) {
    const read = event.safeParse(json);
    if (!read.success) return null;
    return { kind: 'event', event: { name: read.data.event, data: read.data.data ?? {} } };
  }
  const read = success.safeParse(json);
  if (!read.success || !('return' in json)) return null;
  return { kind: 'success', id: read.data.id, value: read.data.return };
}
