// SPDX-License-Identifier: Apache-2.0
// New ids of containers.
import { randomBytes } from 'node:crypto';
import type { ContainerId } from '../../protocol/ids.js';

export function newContainerId(): ContainerId {
  return `c-${randomBytes(6).toString('hex')}` as ContainerId;
}
