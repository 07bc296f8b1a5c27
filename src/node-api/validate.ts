// SPDX-License-Identifier: Apache-2.0
// Requests to domain types. Every field is checked; INVALID_ARGUMENT names the
// field as the proto files write it.
import { isAbsolute } from 'node:path';
import type { Label, PlaceRequest, StartMode } from '../host/controller-api.js';
import { CzoneError } from '../protocol/errors.js';
import type { PlaceFunctionRequest } from '../protocol/gen/czone/node/v1/containers.js';
import {
  type ContainerId,
  type FunctionId,
  parseContainerId,
  parseFunctionId,
  parseSandboxId,
  parseTenantId,
  type SandboxId,
  type TenantId,
} from '../protocol/ids.js';
import { formatSize, PAGE_BYTES } from '../protocol/units.js';
import { START_MODE } from './enums.js';
import * as limits from './limits.js';

const NAME_RULE = 'is not 1 to 63 of [a-z0-9-], without a dash at its ends';

export function invalid(field: string, why: string): CzoneError {
  return new CzoneError('INVALID_ARGUMENT', `${field} ${why}`, { field });
}

export function placeRequest(request: PlaceFunctionRequest): PlaceRequest {
  return {
    requestId: requestId(request.requestId),
    tenantId: tenantId(request.tenantId),
    functionId: functionId(request.functionId),
    image: image(request.image),
    command: command(request.command),
    environment: environment(request.environment),
    memoryBytes: memoryBytes(request.memoryBytes),
    cpuMillis: cpuMillis(request.cpuMillis),
    labels: labels(request.labels),
    readyTimeoutMs: atMost('ready_timeout_ms', request.readyTimeoutMs, limits.READY_TIMEOUT_MS_MAX),
    initialMemoryBytes: initialMemoryBytes(request.initialMemoryBytes, request.memoryBytes),
    startMode: startMode(request.startMode),
  };
}

function startMode(value: number): StartMode {
  for (const name of Object.keys(START_MODE) as StartMode[]) {
    if (START_MODE[name] === value) return name;
  }
  throw invalid('start_mode', `${value} is none`);
}

export function requestId(text: string): string {
  if (text.length > limits.REQUEST_ID_LENGTH_MAX || !/^[\x21-\x7e]*$/.test(text)) {
    throw invalid(
      'request_id',
      `is not up to ${limits.REQUEST_ID_LENGTH_MAX} printable ASCII characters without spaces`,
    );
  }
  return text;
}

export function containerId(text: string): ContainerId {
  const id = parseContainerId(text);
  if (id === null) throw invalid('container_id', `${quote(text)} is not c- and 12 hex digits`);
  return id;
}

export function sandboxId(text: string): SandboxId {
  const id = parseSandboxId(text);
  if (id === null) throw invalid('sandbox_id', `${quote(text)} is not vm- and 8 hex digits`);
  return id;
}

export function tenantId(text: string): TenantId {
  const id = parseTenantId(text);
  if (id === null) throw invalid('tenant_id', `${quote(text)} ${NAME_RULE}`);
  return id;
}

function functionId(text: string): FunctionId {
  const id = parseFunctionId(text);
  if (id === null) throw invalid('function_id', `${quote(text)} ${NAME_RULE}`);
  return id;
}

/** Of a filter that may be empty. */
export function optional<Value>(text: string, parse: (text: string) => Value): Value | null {
  return text === '' ? null : parse(text);
}

export function graceMs(value: number): number {
  return atMost('grace_ms', value, limits.GRACE_MS_MAX) || limits.GRACE_MS_DEFAULT;
}

export function tailBytes(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('tail_bytes', 'is too large');
  return Number(value);
}

/** 0: none. A part of a page is none either. */
export function coldBytes(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('cold_bytes', 'is too large');
  if (value !== 0n && value < BigInt(PAGE_BYTES)) {
    throw invalid('cold_bytes', `${value} is neither 0 nor a page of ${PAGE_BYTES} bytes`);
  }
  return Number(value);
}

function initialMemoryBytes(value: bigint, memory: bigint): number {
  if (value > memory) throw invalid('initial_memory_bytes', `${value} is more than memory_bytes`);
  return Number(value);
}

function image(path: string): string | null {
  if (path === '') return null;
  if (!isAbsolute(path) || path.includes('\0')) {
    throw invalid('image', `${quote(path)} is not an absolute path`);
  }
  if (Buffer.byteLength(path) > limits.IMAGE_PATH_BYTES_MAX) throw invalid('image', 'is too long');
  return path;
}

function command(words: readonly string[]): readonly string[] | null {
  if (words.length === 0) return null;
  if (words.length > limits.COMMAND_ARGUMENTS_MAX) {
    throw invalid('command', `has more than ${limits.COMMAND_ARGUMENTS_MAX} words`);
  }
  if (words[0] === '') throw invalid('command', 'has an empty first word');
  for (const [at, word] of words.entries()) {
    noZero(`command[${at}]`, word);
    atMostBytes(`command[${at}]`, [word], limits.COMMAND_ARGUMENT_BYTES_MAX);
  }
  atMostBytes('command', words, limits.COMMAND_BYTES_MAX);
  return words;
}

function environment(
  variables: readonly { readonly name: string; readonly value: string }[],
): readonly (readonly [string, string])[] {
  if (variables.length > limits.ENVIRONMENT_VARIABLES_MAX) {
    throw invalid('environment', `has more than ${limits.ENVIRONMENT_VARIABLES_MAX} variables`);
  }
  const seen = new Set<string>();
  const checked = variables.map(({ name, value }, at) => {
    const field = `environment[${at}].name`;
    if (
      !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ||
      name.length > limits.ENVIRONMENT_NAME_LENGTH_MAX
    ) {
      throw invalid(field, `${quote(name)} is not a name of a variable`);
    }
    if (name === 'PORT')
      throw invalid(field, 'PORT is set by the node: the function listens there');
    if (seen.has(name)) throw invalid(field, `${name} is given twice`);
    seen.add(name);
    noZero(`environment[${at}].value`, value);
    atMostBytes(`environment[${at}].value`, [value], limits.ENVIRONMENT_VALUE_BYTES_MAX);
    return [name, value] as const;
  });
  atMostBytes('environment', checked.flat(), limits.ENVIRONMENT_BYTES_MAX);
  return checked;
}

function memoryBytes(value: bigint): number {
  if (value < BigInt(limits.MEMORY_BYTES_MIN)) {
    throw invalid(
      'memory_bytes',
      `${value} is too little; a container takes at least ${formatSize(limits.MEMORY_BYTES_MIN)}`,
    );
  }
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid('memory_bytes', `${value} is more than any VM can hold`);
  }
  return Number(value);
}

function cpuMillis(value: number): number {
  if (value !== 0 && (value < limits.CPU_MILLIS_MIN || value > limits.CPU_MILLIS_MAX)) {
    throw invalid(
      'cpu_millis',
      `${value} is neither 0 (no limit) nor ${limits.CPU_MILLIS_MIN} to ${limits.CPU_MILLIS_MAX}`,
    );
  }
  return value;
}

function labels(given: readonly Label[]): readonly Label[] {
  if (given.length > limits.LABELS_MAX) {
    throw invalid('labels', `has more than ${limits.LABELS_MAX} labels`);
  }
  const seen = new Set<string>();
  return given.map(({ key, value }, at) => {
    if (!/^[A-Za-z0-9][A-Za-z0-9_./-]*$/.test(key) || key.length > limits.LABEL_KEY_LENGTH_MAX) {
      throw invalid(
        `labels[${at}].key`,
        `${quote(key)} is not 1 to ${limits.LABEL_KEY_LENGTH_MAX} of [A-Za-z0-9_./-]`,
      );
    }
    if (seen.has(key)) throw invalid(`labels[${at}].key`, `${key} is given twice`);
    seen.add(key);
    noZero(`labels[${at}].value`, value);
    atMostBytes(`labels[${at}].value`, [value], limits.LABEL_VALUE_BYTES_MAX);
    return { key, value };
  });
}

function atMost(field: string, value: number, max: number): number {
  if (value > max) throw invalid(field, `${value} is more than ${max}`);
  return value;
}

function atMostBytes(field: string, texts: readonly string[], max: number): void {
  // One byte each for the zero or the sign that ends it.
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, -1);
  if (bytes > max) throw invalid(field, `takes ${bytes} bytes; ${max} are allowed`);
}

function noZero(field: string, text: string): void {
  if (text.includes('\0')) throw invalid(field, 'holds a zero byte');
}

/** What the caller sent, short enough for a message and without control characters. */
function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
