// SPDX-License-Identifier: Apache-2.0
// The states of a zone's range in the host's ledger and their legal moves. Pure.
//
//   reserved   -> plugging    the controller is about to send PLUG
//   reserved   -> free        the start was given up before PLUG
//   plugging   -> plugged     the guest answered OK, or LIST shows the zone
//   plugging   -> free        the guest refused, or LIST shows that it has no such zone
//   plugging   -> unplugging  the start was given up after an unclear PLUG
//   plugging   -> stuck       no answer and no LIST: nobody knows
//   plugged    -> unplugging  the controller is about to send UNPLUG
//   unplugging -> free        the guest answered OK and the range was discarded
//   unplugging -> stuck       BUSY, or no answer: the guest may still hold it
//   unplugging -> zombie      BUSY, and nobody can use it any more: what was free is back,
//                             pages that can't be moved keep the rest
//   zombie     -> unplugging  tried again, since pages of it were released
//   stuck      -> unplugging  tried again
//   stuck      -> free        LIST shows that the guest has no such zone
//   any        -> free        the VM is gone, and with it the whole memory file
//
// A plugged zone changes its size, never its range. Only the sandbox that owns the
// ledger moves states. A range that is not free is
// never given to another zone.
import type { ZoneState } from '../controller-api.js';

const MOVES: Readonly<Record<ZoneState, readonly (ZoneState | 'free')[]>> = {
  reserved: ['plugging', 'free'],
  plugging: ['plugged', 'free', 'unplugging', 'stuck'],
  plugged: ['unplugging'],
  unplugging: ['free', 'stuck', 'zombie'],
  zombie: ['unplugging'],
  stuck: ['unplugging', 'free'],
};

export function mayMove(from: ZoneState, to: ZoneState | 'free'): boolean {
  return MOVES[from].includes(to);
}
