// SPDX-License-Identifier: Apache-2.0
// Loads the native addon of the host. The only place that does.
import { createRequire } from 'node:module';
import { CzoneError } from '../../protocol/errors.js';
import type { HostAddon } from './native.js';

/** From dist/src/host/device to the package's root. */
const ADDON = new URL('../../../../build/Release/czone_host.node', import.meta.url);

/** FAILED_PRECONDITION when the addon was not built. */
export function loadHostAddon(): HostAddon {
  const require = createRequire(import.meta.url);
  try {
    return require(ADDON.pathname) as HostAddon;
  } catch (error) {
    throw new CzoneError(
      'FAILED_PRECONDITION',
      `the native addon ${ADDON.pathname} does not load: build it with 'npm run build:native'`,
      { cause: error },
    );
  }
}
