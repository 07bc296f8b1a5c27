// SPDX-License-Identifier: Apache-2.0
// ./czone check, npm run check: all static checks (tsc has run before).
import { fileURLToPath } from 'node:url';
import { printChecks } from './print-checks.js';

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const { passed, failed } = await printChecks(root);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
