// SPDX-License-Identifier: Apache-2.0
// Sends HTTP requests to containers.
import { messageOf } from '../protocol/errors.js';
import { type Answer, type Example, fault, requestBody } from './examples.js';

const TIMEOUT_MS = 30_000;

async function send(url: string, init: RequestInit, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url, {
    ...init,
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: Buffer.from(await response.arrayBuffer()),
  };
}

/** What Node says of a failed fetch stands in its cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}

/** null: answered right; else why not. */
export async function sendExample(
  endpoint: string,
  example: Example,
  signal: AbortSignal,
): Promise<string | null> {
  const { method, path, headers } = example.request;
  const body = requestBody(example);
  try {
    const answer = await send(
      `${endpoint}${path}`,
      { method, headers, ...(body && { body: new Uint8Array(body) }) },
      signal,
    );
    return fault(example, answer);
  } catch (error) {
    return reasonOf(error);
  }
}

/** POST /_test/...; the status, or why none came (the container may end by it). */
export async function sendTestRequest(
  endpoint: string,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number | null; text: string }> {
  try {
    const { status, body } = await send(`${endpoint}/_test/${path}`, { method: 'POST' }, signal);
    return { status, text: body.toString('utf8').trim() };
  } catch (error) {
    return { status: null, text: reasonOf(error) };
  }
}
