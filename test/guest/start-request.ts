// SPDX-License-Identifier: Apache-2.0
// A request that is right in all its parts, to be made wrong in one.
import {
  ContainerRole,
  type StartContainerRequest,
} from '../../src/protocol/gen/czone/guest/v1/agent.js';

export function startRequest(changes: Partial<StartContainerRequest> = {}): StartContainerRequest {
  return {
    containerId: 'c-0123456789ab',
    zoneId: 7,
    imageSerial: '00112233445566778899',
    command: ['/app/serve', '--quiet'],
    environment: [{ name: 'MODE', value: 'fast' }],
    workingDirectory: '/app',
    memoryBytes: 64n * 1024n * 1024n,
    cpuMillis: 500,
    address: '10.0.2.30',
    port: 8080,
    readyTimeoutMs: 1000,
    hostname: 'fn',
    uid: 1000,
    gid: 1000,
    role: ContainerRole.CONTAINER_ROLE_FUNCTION,
    zygoteId: '',
    zygoteOnly: false,
    ...changes,
  };
}
