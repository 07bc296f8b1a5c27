// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { Network } from '../../src/guest/network.js';
import type { ContainerId } from '../../src/protocol/ids.js';

const ID = 'c-0123456789ab' as ContainerId;

function recorded(
  sysRoot: string,
  namespaces = '/nonexistent',
): { network: Network; runs: string[] } {
  const runs: string[] = [];
  const network = new Network(
    sysRoot,
    async (name, args, input = '') => {
      runs.push(`${[name, ...args].join(' ')}: ${input.trim().replaceAll('\n', '; ')}`);
      return '';
    },
    namespaces,
  );
  return { network, runs };
}

t.test('the bridge takes the address of the uplink over, hardware and all', async (t) => {
  const { network, runs } = recorded(
    t.testdir({ class: { net: { eth0: { address: '52:54:00:12:34:56\n' } } } }),
  );
  await network.setUp();
  t.equal(runs.length, 1);
  t.match(runs[0], /link add czbr0 address 52:54:00:12:34:56 type bridge/);
  t.match(runs[0], /addr add 10\.0\.2\.15\/24 dev czbr0/);
});

t.test('a bridge that is there is left alone', async (t) => {
  const { network, runs } = recorded(t.testdir({ class: { net: { czbr0: {} } } }));
  await network.setUp();
  t.strictSame(runs, []);
});

t.test('a container gets a namespace, a pair of interfaces, its address', async (t) => {
  const { network, runs } = recorded(t.testdir({ class: { net: {} } }));
  await network.add(ID, '10.0.2.30');
  t.strictSame(runs, [
    `ip -batch -: netns add ${ID}; link add v0123456789ab type veth peer name eth0 netns ${ID}; link set v0123456789ab master czbr0 up`,
    `ip -n ${ID} -batch -: link set lo up; addr add 10.0.2.30/24 dev eth0; link set eth0 up; route add default via 10.0.2.2`,
  ]);
});

t.test('takes away only what is there', async (t) => {
  const root = t.testdir({
    class: { net: { v0123456789ab: {}, va00000000000: {} } },
    netns: { 'c-0123456789ab': '', 'c-b00000000000': '', other: '' },
  });
  const { network, runs } = recorded(root, `${root}/netns`);
  await network.remove(ID);
  await network.remove('c-a00000000000' as ContainerId);
  await network.remove('c-b00000000000' as ContainerId);
  await network.remove('c-ffffffffffff' as ContainerId);
  t.strictSame(runs, [
    `ip -force -batch -: link del v0123456789ab; netns del ${ID}`,
    'ip -force -batch -: link del va00000000000',
    'ip -force -batch -: netns del c-b00000000000',
  ]);
  t.strictSame((await network.list()).sort(), [ID, 'c-b00000000000']);
});
