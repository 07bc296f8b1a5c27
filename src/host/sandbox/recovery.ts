// SPDX-License-Identifier: Apache-2.0
// The way of a VM back to READY after its guest daemon or its device was lost: both
// answer again, and the views were compared. Calls for the VM wait here meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../protocol/errors.js';
import type { SandboxId } from '../../protocol/ids.js';
import type { Log } from '../log.js';
import type { DeviceSlot } from '../vm/device-slot.js';
import type { VmStateMachine } from '../vm/vm-state.js';
import type { ZoneKeeper } from '../zones/zone-keeper.js';

const DEVICE_RECOVERIES = 4;
const DEVICE_RECOVERY_PAUSE_MS = 500;

export interface RecoveryOptions {
  readonly sandboxId: SandboxId;
  readonly machine: VmStateMachine;
  readonly zones: ZoneKeeper;
  readonly slot: () => DeviceSlot | null;
  readonly agentIsUp: () => boolean;
  /** The VM is ending. */
  readonly over: () => boolean;
  readonly fail: (reason: string) => Promise<void>;
  readonly log: Log;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  /** Called when the VM is ready again, and when it is over. */
  readonly #waiters = new Set<() => void>();
  #recoveringDevice = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Until the VM is ready again, or over. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiters.add(resolve));
  }

  wakeWaiters(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  lost(reason: string): void {
    const { over, machine, sandboxId, log } = this.#options;
    if (over()) return;
    log.warn({ sandboxId, reason }, 'VM is recovering');
    if (machine.may('RECOVERING')) machine.move('RECOVERING');
  }

  /** One of the two answers again. */
  async regained(): Promise<void> {
    const { machine, zones, sandboxId, log } = this.#options;
    if (!this.#complete()) return;
    try {
      await zones.compare();
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the guest was not compared');
    }
    if (!this.#complete()) return;
    machine.move('READY');
    log.info({ sandboxId }, 'VM is ready again');
    this.wakeWaiters();
  }

  async deviceLost(reason: string): Promise<void> {
    const { over, fail } = this.#options;
    this.lost(`the czone device was lost: ${reason}`);
    const slot = this.#options.slot();
    if (this.#recoveringDevice || slot === null) return;
    this.#recoveringDevice = true;
    let failure: unknown = null;
    for (let attempt = 0; attempt < DEVICE_RECOVERIES && !over(); attempt += 1) {
      // QEMU's own end looks the same at first.
      await sleep(DEVICE_RECOVERY_PAUSE_MS);
      if (over()) break;
      try {
        await slot.recover();
        failure = null;
        break;
      } catch (error) {
        failure = error;
      }
    }
    this.#recoveringDevice = false;
    if (failure !== null) await fail(`the czone device stayed away: ${messageOf(failure)}`);
    else await this.regained();
  }

  #complete(): boolean {
    const { machine, agentIsUp, slot } = this.#options;
    return machine.state === 'RECOVERING' && agentIsUp() && slot()?.device?.ready === true;
  }
}
