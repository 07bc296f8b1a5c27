// SPDX-License-Identifier: Apache-2.0
// KVM where it truly works, else emulation.
//
// A /dev/kvm without vmx or svm exists (paravirtual nested KVM): ordinary guests hang
// there, so the device node proves nothing. Three things must hold: the CPU says that
// it can, the device opens, and a tiny VM runs to its end.
import fs from 'node:fs/promises';
import { messageOf } from '../../protocol/errors.js';

export interface Accelerator {
  readonly kind: 'kvm' | 'tcg';
  readonly reason: string;
}

export interface AcceleratorWorld {
  readonly cpuinfo: () => Promise<string>;
  readonly openKvm: () => Promise<void>;
  /** Runs a tiny VM; null when it ended as it should, else what went wrong. */
  readonly probe: () => Promise<string | null>;
}

export async function chooseAccelerator(world: AcceleratorWorld): Promise<Accelerator> {
  const flags = /^flags\s*:.*$/m.exec(await world.cpuinfo())?.[0] ?? '';
  if (!/\b(vmx|svm)\b/.test(flags)) {
    return tcg('the CPU offers neither vmx nor svm');
  }
  try {
    await world.openKvm();
  } catch (error) {
    return tcg(`/dev/kvm can not be opened: ${messageOf(error)}`);
  }
  const wrong = await world.probe();
  if (wrong !== null) return tcg(`a trial VM did not run under KVM: ${wrong}`);
  return { kind: 'kvm', reason: 'a trial VM ran under KVM' };
}

/** The world as it is; the trial VM is left to the caller. */
export function realWorld(probe: AcceleratorWorld['probe']): AcceleratorWorld {
  return {
    cpuinfo: () => fs.readFile('/proc/cpuinfo', 'utf8'),
    openKvm: async () => {
      await (await fs.open('/dev/kvm', 'r+')).close();
    },
    probe,
  };
}

function tcg(why: string): Accelerator {
  return { kind: 'tcg', reason: `${why}; the VMs are emulated` };
}
