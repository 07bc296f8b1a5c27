// SPDX-License-Identifier: Apache-2.0
// Nobody asks for anything back: the measure of what asking costs the neighbours.
import { balloon } from './balloon.js';
import type { Peer, Returned } from './peer.js';

const NOTHING: Returned = { ms: 0, returnedBytes: 0 };

export const none: Peer = {
  name: 'none',
  title: 'nothing taken back',
  kernels: ['stock', 'czone'],
  shape: (room) => ({ ...balloon.shape(room), balloon: 'none' }),
  open: async () => ({
    admit: async () => 0,
    residentBytes: (_id, touchedBytes) => touchedBytes,
    release: async () => NOTHING,
    trim: async () => NOTHING,
    roundTrip: async () => 0,
    close: () => {},
  }),
};
