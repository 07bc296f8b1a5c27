// SPDX-License-Identifier: Apache-2.0
import t from 'tap';
import { hugeMappedBytes } from '../../../src/host/vm/page-size.js';

const rollup = `7f0000000000-7fff00000000 ---p 00000000 00:00 0    [rollup]
Rss:              183524 kB
AnonHugePages:      4096 kB
ShmemPmdMapped:   135168 kB
FilePmdMapped:      2048 kB
`;
t.equal(hugeMappedBytes(rollup), 135168 * 1024);
t.equal(hugeMappedBytes('Rss: 1 kB\n'), 0, 'a kernel that does not tell');
