// SPDX-License-Identifier: Apache-2.0
// The docs name every command and every call.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import t from 'tap';
import { createProgram } from '../../src/cli/program.js';
import { ContainersServiceService } from '../../src/protocol/gen/czone/node/v1/containers.js';
import { MemoryServiceService } from '../../src/protocol/gen/czone/node/v1/memory.js';
import { NodeServiceService } from '../../src/protocol/gen/czone/node/v1/node.js';
import { SandboxesServiceService } from '../../src/protocol/gen/czone/node/v1/sandboxes.js';

/** dist/test/cli lies three folders below the checkout. */
const doc = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), 'utf8');

function leaves(command: Command, path: readonly string[] = []): string[] {
  const below = command.commands.filter((item) => item.name() !== 'help');
  if (below.length === 0) return [path.join(' ')];
  return below.flatMap((item) => leaves(item, [...path, item.name()]));
}

t.test('docs/cli.md has every command', (t) => {
  const text = doc('cli.md');
  const names = leaves(createProgram('0.0.0', { quiet: true }));
  t.ok(names.length >= 15);
  for (const name of names) t.match(text, new RegExp(`\`${name}[ \`]`), name);
  t.end();
});

t.test('docs/node-api.md has every call', (t) => {
  const text = doc('node-api.md');
  const services: readonly Record<string, { readonly path: string }>[] = [
    ContainersServiceService,
    MemoryServiceService,
    NodeServiceService,
    SandboxesServiceService,
  ];
  for (const { path } of services.flatMap((service) => Object.values(service))) {
    const [, service = '', method = ''] = path.split('/');
    t.match(text, method);
    t.match(text, service.split('.').at(-1) ?? service);
  }
  t.end();
});
