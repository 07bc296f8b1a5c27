// SPDX-License-Identifier: Apache-2.0
// All ways to get memory back that are compared.
import { balloon, freePageReporting, freePageReportingDefault } from './balloon.js';
import { czone } from './czone.js';
import { none } from './none.js';
import type { Peer } from './peer.js';
import { virtioMem } from './virtio-mem.js';

export { balloon, czone, freePageReporting, freePageReportingDefault, none, virtioMem };

const PEERS = [czone, virtioMem, balloon, freePageReporting, freePageReportingDefault, none];

export function peerTitle(name: string): string {
  if (name === 'limit') return 'bare fallocate';
  return PEERS.find((peer: Peer) => peer.name === name)?.title ?? name;
}
