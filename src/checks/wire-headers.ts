// SPDX-License-Identifier: Apache-2.0
// The wire headers in native/ and those that the kernel series adds are the same,
// but for the line that names the licence.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileAfterPatches } from './added-file.js';

const HEADERS = ['virtio_czone.h', 'czone.h'];

const withoutLicence = (text: string) =>
  text
    .split('\n')
    .filter((line) => !line.includes('SPDX-License-Identifier'))
    .join('\n');

/** What is wrong, one line each. */
export function differingHeaders(root: string): string[] {
  const series = join(root, 'guest-kernel-patches/series');
  const patches = readdirSync(series)
    .filter((name) => name.endsWith('.patch'))
    .sort()
    .map((name) => readFileSync(join(series, name), 'utf8'));
  const problems: string[] = [];
  for (const name of HEADERS) {
    const ours = readFileSync(join(root, 'native/include/linux', name), 'utf8');
    const theirs = fileAfterPatches(patches, `include/uapi/linux/${name}`);
    if (theirs === null) {
      problems.push(`the kernel series does not add include/uapi/linux/${name}`);
    } else if (withoutLicence(ours) !== withoutLicence(theirs)) {
      problems.push(
        `native/include/linux/${name} differs from include/uapi/linux/${name} of the kernel series`,
      );
    }
  }
  return problems;
}
