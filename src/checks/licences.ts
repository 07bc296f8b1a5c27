// SPDX-License-Identifier: Apache-2.0
// Every source file names its licence in its first lines.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE =
  /\.(ts|js|cjs|mjs|c|cc|cpp|h|hpp|sh|py|proto|gyp|gypi|cmake|config)$|(^|\/)(CMakeLists\.txt|czone|run)$/;
const GENERATED = /^src\/protocol\/gen\//;
// The wire headers carry the licences that Linux's UAPI headers have.
const LICENCE =
  /SPDX-License-Identifier: (Apache-2\.0|GPL-2\.0(-only)?( WITH Linux-syscall-note)?|BSD-3-Clause)/;
const FIRST_LINES = 3;

export function filesWithoutLicence(root: string, files: readonly string[]): string[] {
  return files.filter((path) => {
    if (!SOURCE.test(path) || GENERATED.test(path)) return false;
    const head = readFileSync(join(root, path), 'utf8').split('\n', FIRST_LINES);
    return !head.some((line) => LICENCE.test(line));
  });
}
