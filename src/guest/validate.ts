// SPDX-License-Identifier: Apache-2.0
// Requests of the host, checked before anything is done for them.
import { CzoneError } from '../protocol/errors.js';
import type { StartContainerRequest } from '../protocol/gen/czone/guest/v1/agent.js';
import { type ContainerId, parseContainerId, parseZoneId } from '../protocol/ids.js';
import {
  ADDRESS_FIRST,
  ADDRESS_LAST,
  COMMAND_ARGUMENT_MAX_BYTES,
  COMMAND_ARGUMENTS_MAX,
  CPU_MILLIS_MAX,
  ENVIRONMENT_MAX,
  ENVIRONMENT_NAME_MAX_BYTES,
  ENVIRONMENT_VALUE_MAX_BYTES,
  HOSTNAME_MAX_LENGTH,
  PATH_MAX_BYTES,
  READY_TIMEOUT_MAX_MS,
} from '../protocol/limits.js';

export function checkContainerId(text: string): ContainerId {
  const id = parseContainerId(text);
  if (id === null) throw invalid('container_id', `${JSON.stringify(text)} is no container id`);
  return id;
}

export function checkStart(request: StartContainerRequest): void {
  checkContainerId(request.containerId);
  if (parseZoneId(request.zoneId) === null) throw invalid('zone_id', `${request.zoneId}`);
  const [network, last] = splitAddress(request.address);
  if (network !== '10.0.2' || last < ADDRESS_FIRST || last > ADDRESS_LAST) {
    throw invalid('address', `${JSON.stringify(request.address)} is none of the bridge's`);
  }
  if (request.port < 1 || request.port > 65_535) throw invalid('port', `${request.port}`);
  if (request.memoryBytes < 1n || request.memoryBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid('memory_bytes', `${request.memoryBytes}`);
  }
  if (request.cpuMillis > CPU_MILLIS_MAX) throw invalid('cpu_millis', `${request.cpuMillis}`);
  if (request.readyTimeoutMs < 1 || request.readyTimeoutMs > READY_TIMEOUT_MAX_MS) {
    throw invalid('ready_timeout_ms', `${request.readyTimeoutMs}`);
  }
  checkCommand(request.command);
  if (request.environment.length > ENVIRONMENT_MAX) throw invalid('environment', 'too many');
  for (const { name, value } of request.environment) {
    const fits =
      tooLong(name, ENVIRONMENT_NAME_MAX_BYTES) || tooLong(value, ENVIRONMENT_VALUE_MAX_BYTES);
    if (fits || name === '' || name.includes('=') || `${name}${value}`.includes('\0')) {
      throw invalid('environment', JSON.stringify(name.slice(0, 64)));
    }
  }
  const { workingDirectory, hostname } = request;
  if (
    !workingDirectory.startsWith('/') ||
    workingDirectory.includes('\0') ||
    tooLong(workingDirectory, PATH_MAX_BYTES)
  ) {
    throw invalid('working_directory', 'it is no absolute path');
  }
  if (!/^[A-Za-z0-9-]+$/.test(hostname) || hostname.length > HOSTNAME_MAX_LENGTH) {
    throw invalid('hostname', JSON.stringify(hostname.slice(0, 64)));
  }
}

function checkCommand(command: readonly string[]): void {
  if (command.length < 1 || command.length > COMMAND_ARGUMENTS_MAX) {
    throw invalid('command', `${command.length} arguments`);
  }
  for (const argument of command) {
    if (argument.includes('\0') || tooLong(argument, COMMAND_ARGUMENT_MAX_BYTES)) {
      throw invalid('command', 'an argument is too long or holds a zero byte');
    }
  }
}

function splitAddress(address: string): [network: string, last: number] {
  const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3})\.(\d{1,3})$/.exec(address);
  return [match?.[1] ?? '', Number(match?.[2] ?? -1)];
}

function tooLong(text: string, maxBytes: number): boolean {
  return Buffer.byteLength(text) > maxBytes;
}

function invalid(field: string, detail: string): CzoneError {
  return new CzoneError('INVALID_ARGUMENT', `${field}: ${detail}`, { field });
}
