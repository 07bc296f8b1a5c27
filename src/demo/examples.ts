// SPDX-License-Identifier: Apache-2.0
// A function's example requests (vm-images/functions/NAME/function.json), and
// whether an answer is the one that stands there.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

const example = z.object({
  request: z.object({
    method: z.enum(['GET', 'POST']),
    path: z.string().startsWith('/'),
    headers: z.record(z.string(), z.string()).default({}),
    bodyText: z.string().optional(),
    bodyBase64: z.string().optional(),
  }),
  response: z.object({
    status: z.number().int(),
    contentType: z.string(),
    bodyText: z.string().optional(),
    bodySha256: z.string().optional(),
    jsonEquals: z.unknown().optional(),
  }),
});
const functionFile = z.object({ examples: z.array(example).min(1) });

export type Example = z.infer<typeof example>;

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

export async function readExamples(folder: string, functionId: string): Promise<Example[]> {
  const text = await readFile(join(folder, functionId, 'function.json'), 'utf8');
  return functionFile.parse(JSON.parse(text)).examples;
}

export function requestBody({ request }: Example): Buffer | null {
  if (request.bodyBase64 !== undefined) return Buffer.from(request.bodyBase64, 'base64');
  return request.bodyText === undefined ? null : Buffer.from(request.bodyText);
}

function shortened(body: Buffer): string {
  const text = body.toString('utf8').slice(0, 120);
  return JSON.stringify(text);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** null: the answer is right; else what is wrong with it. */
export function fault({ response }: Example, answer: Answer): string | null {
  if (answer.status !== response.status) {
    return `status ${answer.status} instead of ${response.status}: ${shortened(answer.body)}`;
  }
  const mediaType = answer.contentType.split(';', 1)[0]?.trim();
  if (mediaType !== response.contentType) {
    return `content type ${answer.contentType} instead of ${response.contentType}`;
  }
  if (response.bodyText !== undefined && answer.body.toString('utf8') !== response.bodyText) {
    return `another body: ${shortened(answer.body)}`;
  }
  if (response.jsonEquals !== undefined) {
    if (!isDeepStrictEqual(parsed(answer.body), response.jsonEquals)) {
      return `another value: ${shortened(answer.body)}`;
    }
  }
  if (response.bodySha256 !== undefined) {
    const sha256 = createHash('sha256').update(answer.body).digest('hex');
    if (sha256 !== response.bodySha256) {
      return `a body of ${answer.body.length} bytes with sha256 ${sha256}`;
    }
  }
  return null;
}
