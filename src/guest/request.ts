// SPDX-License-Identifier: Apache-2.0
// Checks what the host asks before any of it is used.
import { CzoneError } from '../protocol/errors.js';
import { ContainerRole, type StartContainerRequest } from '../protocol/gen/czone/guest/v1/agent.js';
import { type ContainerId, parseContainerId, parseZoneId, type ZoneId } from '../protocol/ids.js';
import * as limits from '../protocol/limits.js';
import { PAGE_BYTES } from '../protocol/units.js';

/** Serves requests, or is forked (docs/zygote.md). */
export type Role = 'function' | 'zygote';

/** A container that may be started. */
export interface ContainerSpec {
  readonly id: ContainerId;
  readonly zoneId: ZoneId;
  readonly imageSerial: string;
  readonly command: readonly string[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  readonly memoryBytes: number;
  /** null: no limit. */
  readonly cpuMillis: number | null;
  readonly role: Role;
  /** null: made by crun. */
  readonly zygoteId: ContainerId | null;
  /** An error instead of crun where the zygote can't. */
  readonly zygoteOnly: boolean;
  /** Empty: a zygote, which has none. */
  readonly address: string;
  readonly port: number;
  readonly readyTimeoutMs: number;
  readonly hostname: string;
  readonly uid: number;
  readonly gid: number;
}

/** nobody and nogroup: nothing in a container runs as root. */
const NOBODY = 65534;
const ID_MAX = 2 ** 31 - 1;
const MEMORY_MIN_BYTES = 1024 * 1024;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const ADDRESS = /^10\.0\.2\.(\d{1,3})$/;

export function readContainerId(text: string): ContainerId {
  const id = parseContainerId(text);
  if (id === null) throw invalid('container_id', 'is not `c-` and 12 hex digits');
  return id;
}

export function readGraceMs(graceMs: number): number {
  return bounded('grace_ms', graceMs, 0, limits.GRACE_MAX_MS);
}

/** Of a reclaim: whole pages, at least one. */
export function readBytes(value: bigint): number {
  const bytes = Number(value);
  if (!Number.isSafeInteger(bytes) || bytes < PAGE_BYTES) {
    throw invalid('bytes', `is not ${PAGE_BYTES} or more`);
  }
  return Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES;
}

/** INVALID_ARGUMENT names the field. */
export function readStartRequest(request: StartContainerRequest): ContainerSpec {
  const id = readContainerId(request.containerId);
  const zoneId = parseZoneId(request.zoneId);
  if (zoneId === null) throw invalid('zone_id', `${request.zoneId} is no zone`);
  if (!/^[0-9a-z]{1,20}$/.test(request.imageSerial)) {
    throw invalid('image_serial', 'is not 1 to 20 lower-case letters and digits');
  }
  const role = readRole(request.role);
  const serves = role === 'function';
  const port = serves ? bounded('port', request.port, 1, 65535) : 0;
  const zygoteId = request.zygoteId === '' ? null : readZygoteId(request.zygoteId, serves);
  return {
    id,
    zoneId,
    imageSerial: request.imageSerial,
    command: readCommand(request.command),
    environment: readEnvironment(request, port),
    workingDirectory: readDirectory(request.workingDirectory || '/'),
    memoryBytes: readMemory(request.memoryBytes),
    cpuMillis: bounded('cpu_millis', request.cpuMillis, 0, limits.CPU_MILLIS_MAX) || null,
    role,
    zygoteId,
    zygoteOnly: request.zygoteOnly && zygoteId !== null,
    address: serves ? readAddress(request.address) : '',
    port,
    readyTimeoutMs: bounded(
      'ready_timeout_ms',
      request.readyTimeoutMs,
      1,
      limits.READY_TIMEOUT_MAX_MS,
    ),
    hostname: readHostname(request.hostname || id),
    uid: bounded('uid', request.uid, 0, ID_MAX) || NOBODY,
    gid: bounded('gid', request.gid, 0, ID_MAX) || NOBODY,
  };
}

function readRole(role: ContainerRole): Role {
  switch (role) {
    case ContainerRole.CONTAINER_ROLE_UNSPECIFIED:
    case ContainerRole.CONTAINER_ROLE_FUNCTION:
      return 'function';
    case ContainerRole.CONTAINER_ROLE_ZYGOTE:
      return 'zygote';
    default:
      throw invalid('role', `${role} is none`);
  }
}

function readZygoteId(text: string, serves: boolean): ContainerId {
  const id = parseContainerId(text);
  if (id === null) throw invalid('zygote_id', 'is not `c-` and 12 hex digits');
  if (!serves) throw invalid('zygote_id', 'is given for a zygote, which crun makes');
  return id;
}

function readCommand(command: readonly string[]): readonly string[] {
  if (command.length === 0 || command[0] === '') throw invalid('command', 'is empty');
  if (command.length > limits.COMMAND_ARGUMENTS_MAX) {
    throw invalid('command', `has more than ${limits.COMMAND_ARGUMENTS_MAX} arguments`);
  }
  for (const argument of command) {
    checkText('command', argument, limits.COMMAND_ARGUMENT_MAX_BYTES);
  }
  return command;
}

function readEnvironment({ environment }: StartContainerRequest, port: number): readonly string[] {
  if (environment.length > limits.ENVIRONMENT_MAX) {
    throw invalid('environment', `has more than ${limits.ENVIRONMENT_MAX} variables`);
  }
  const variables = new Map([
    ['PATH', DEFAULT_PATH],
    ['HOME', '/tmp'],
  ]);
  for (const { name, value } of environment) {
    checkText('environment', name, limits.ENVIRONMENT_NAME_MAX_BYTES);
    checkText('environment', value, limits.ENVIRONMENT_VALUE_MAX_BYTES);
    if (name === '' || name.includes('=')) throw invalid('environment', 'has a name that is none');
    variables.set(name, value);
  }
  if (port !== 0) variables.set('PORT', String(port));
  return Array.from(variables, ([name, value]) => `${name}=${value}`);
}

function readDirectory(path: string): string {
  checkText('working_directory', path, limits.PATH_MAX_BYTES);
  if (!path.startsWith('/')) throw invalid('working_directory', 'is not an absolute path');
  return path;
}

function readMemory(memoryBytes: bigint): number {
  const bytes = Number(memoryBytes);
  if (!Number.isSafeInteger(bytes) || bytes < MEMORY_MIN_BYTES) {
    throw invalid('memory_bytes', `is not ${MEMORY_MIN_BYTES} or more`);
  }
  return Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES;
}

function readAddress(address: string): string {
  const last = Number(ADDRESS.exec(address)?.[1] ?? Number.NaN);
  const canonical = address === `10.0.2.${last}`;
  if (!canonical || last < limits.ADDRESS_FIRST || last > limits.ADDRESS_LAST) {
    throw invalid('address', `is not 10.0.2.${limits.ADDRESS_FIRST} to .${limits.ADDRESS_LAST}`);
  }
  return address;
}

function readHostname(name: string): string {
  const wellFormed = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(name);
  if (!wellFormed || name.length > limits.HOSTNAME_MAX_LENGTH) {
    throw invalid(
      'hostname',
      `is not 1 to ${limits.HOSTNAME_MAX_LENGTH} letters, digits and dashes`,
    );
  }
  return name;
}

function bounded(field: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw invalid(field, `${value} is not ${min} to ${max}`);
  }
  return value;
}

function checkText(field: string, text: string, maxBytes: number): void {
  if (Buffer.byteLength(text) > maxBytes) throw invalid(field, `has a text over ${maxBytes} bytes`);
  if (text.includes('\0')) throw invalid(field, 'has a text with a NUL in it');
}

function invalid(field: string, reason: string): CzoneError {
  return new CzoneError('INVALID_ARGUMENT', `${field} ${reason}.`, { field });
}
