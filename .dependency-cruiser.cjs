// SPDX-License-Identifier: Apache-2.0
// Who may import whom:  guest -> protocol <- host <- node-api <- cli, demo, bench;
// artifacts <- host, cli, bench; kernel-dev <- cli, bench.
const only = (from, allowed, comment) => ({
  name: `${from}-imports-only-what-it-may`,
  comment,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: { path: '^src/', pathNot: `^src/(${[from, ...allowed].join('|')})/` },
});

module.exports = {
  forbidden: [
    only('protocol', [], 'The protocol imports nothing else of ours.'),
    only('guest', ['protocol'], 'The guest daemon never imports host code.'),
    only('artifacts', ['protocol'], 'Artifacts know neither VMs nor containers.'),
    only('kernel-dev', ['protocol', 'artifacts'], 'The kernel is developed without a node.'),
    only(
      'host',
      ['protocol', 'artifacts'],
      'The controller knows nothing of gRPC servers or commands.',
    ),
    only('node-api', ['protocol', 'host'], 'The node API stands on the controller alone.'),
    only('demo', ['protocol', 'node-api', 'host'], 'The demo goes through the node API.'),
    {
      name: 'node-api-sees-the-contract-only',
      comment: 'Of the controller, the node API needs its interface alone.',
      severity: 'error',
      from: { path: '^src/node-api/' },
      to: { path: '^src/host/', pathNot: '^src/host/(controller-api|limits)\\.ts$' },
    },
    {
      name: 'clients-see-the-client-only',
      comment: 'Commands and demo reach a node only by the API client.',
      severity: 'error',
      from: { path: '^src/demo/' },
      to: { path: '^src/(host|guest)/', pathNot: '^src/host/controller-api\\.ts$' },
    },
    {
      name: 'benchmarks-see-no-controller',
      comment: 'Nodes by the API client; VMs of its own with what VMs are made of.',
      severity: 'error',
      from: { path: '^src/bench/' },
      to: {
        path: '^src/(host|guest)/',
        pathNot: '^src/host/(controller-api\\.ts$|ledger/zone-size\\.ts$|vm/|device/)',
      },
    },
    {
      name: 'one-native-boundary-on-the-host',
      comment: 'Only src/host/device touches the host addon.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/host/device/' },
      to: { path: '^src/host/device/native\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'one-native-boundary-in-the-guest',
      comment: 'Only the guest daemon touches the guest addon.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/guest/' },
      to: { path: '^src/guest/native\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'nothing-imports-a-main',
      severity: 'error',
      from: {},
      to: { path: '(^|[/-])main\\.ts$' },
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'product-uses-production-dependencies',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(build|checks)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
