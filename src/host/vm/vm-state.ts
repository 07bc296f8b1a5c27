// SPDX-License-Identifier: Apache-2.0
// The states of a VM and their legal moves. Pure.
//
//   booting    -> ready       the guest daemon and the device both answer
//   booting    -> failed      QEMU ended, or the guest did not come up in time
//   booting    -> stopping    it was deleted
//   ready      -> recovering  the daemon's link or the device is lost, QEMU lives
//   ready      -> stopping    it was deleted, or the node ends
//   ready      -> failed      QEMU ended
//   recovering -> ready       both answer again and the views were compared
//   recovering -> failed      it took too long, or QEMU ended
//   recovering -> stopping    it was deleted
//   stopping   -> stopped     process, memory and files are gone
//   failed     -> stopped     the same, after what failed was cleaned up
//
// Only the sandbox that owns the VM moves states.
import type { SandboxState } from '../controller-api.js';

export type VmState = SandboxState | 'STOPPED';

const MOVES: Readonly<Record<VmState, readonly VmState[]>> = {
  BOOTING: ['READY', 'FAILED', 'STOPPING'],
  READY: ['RECOVERING', 'STOPPING', 'FAILED'],
  RECOVERING: ['READY', 'FAILED', 'STOPPING'],
  STOPPING: ['STOPPED'],
  FAILED: ['STOPPED'],
  STOPPED: [],
};

/** Holds the state and refuses moves that are not listed. */
export class VmStateMachine {
  #state: VmState = 'BOOTING';

  get state(): VmState {
    return this.#state;
  }

  may(to: VmState): boolean {
    return MOVES[this.#state].includes(to);
  }

  move(to: VmState): void {
    if (!this.may(to)) throw new Error(`VM: ${this.#state} -> ${to}`);
    this.#state = to;
  }
}
