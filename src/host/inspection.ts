// SPDX-License-Identifier: Apache-2.0
// What the guest says of the placement of a container's pages, as the node's answer.
import type {
  PageCount as GuestPageCount,
  InspectContainerResponse,
} from '../protocol/gen/czone/guest/v1/agent.js';
import { printable } from './agent/printable.js';
import type { PageCount, ProcessPlacement } from './controller-api.js';

export function readPlacements(response: InspectContainerResponse): readonly ProcessPlacement[] {
  return response.processes.map((process) => ({
    pid: process.pid,
    name: printable(process.name, 64),
    zoneId: process.zoneId,
    anonymous: readCount(process.anonymous),
    text: readCount(process.text),
    file: readCount(process.file),
    textFrames: process.textFrames.map(Number),
  }));
}

function readCount(count: GuestPageCount | null): PageCount {
  return { inZone: Number(count?.inZone ?? 0n), outside: Number(count?.outside ?? 0n) };
}
