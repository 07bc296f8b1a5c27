// SPDX-License-Identifier: Apache-2.0
// Where everything of a running node lies.
import path from 'node:path';
import type { SandboxId } from '../../protocol/ids.js';

export interface RunDirPaths {
  readonly root: string;
  readonly nodeRecord: string;
  readonly defaultSocket: string;
  readonly vms: string;
  readonly logs: string;
}

export interface VmPaths {
  readonly directory: string;
  readonly record: string;
  readonly qmpSocket: string;
  readonly agentSocket: string;
  readonly shellSocket: string;
  /** Where the device's back-end listens; a new one after each recovery. */
  deviceSocket(generation: number): string;
  readonly console: string;
}

export function runDirPaths(root: string): RunDirPaths {
  return {
    root,
    nodeRecord: path.join(root, 'node.json'),
    defaultSocket: path.join(root, 'node.sock'),
    vms: path.join(root, 'vms'),
    logs: path.join(root, 'logs'),
  };
}

export function vmPaths(root: string, sandboxId: SandboxId): VmPaths {
  const directory = path.join(root, 'vms', sandboxId);
  return {
    directory,
    record: path.join(directory, 'vm.json'),
    qmpSocket: path.join(directory, 'qmp.sock'),
    agentSocket: path.join(directory, 'agent.sock'),
    shellSocket: path.join(directory, 'shell.sock'),
    deviceSocket: (generation) => path.join(directory, `vhost-${generation}.sock`),
    console: path.join(directory, 'console.log'),
  };
}
